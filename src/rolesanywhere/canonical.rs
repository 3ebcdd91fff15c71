//! The canonical request and the string to sign of AWS Signature Version 4
//! ([AWS](https://docs.aws.amazon.com/rolesanywhere/latest/userguide/authentication-sign-process.html)), for
//! requests of any form: the one that this program sends has no query and always the same headers.

use crate::signature::sha256_hex;

/// The parts of a request that are signed.
pub(super) struct Parts<'a> {
    pub(super) method: &'a str,
    /// With any percent-encoding that it needs.
    pub(super) path: &'a str,
    /// Names and values, not encoded yet.
    pub(super) query: &'a [(&'a str, &'a str)],
    /// Names, each once, with their values.
    pub(super) headers: &'a [(&'a str, &'a str)],
    pub(super) body: &'a [u8],
}

/// The canonical request. AWS's page shows it without the empty line between headers and header names, and
/// says that commas separate those names; the service requires the empty line, and semicolons.
pub(super) fn canonical_request(parts: &Parts<'_>) -> String {
    let mut query: Vec<(String, String)> =
        parts.query.iter().map(|(name, value)| (encoded(name), encoded(value))).collect();
    query.sort();
    let query: Vec<String> = query.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let headers = sorted(parts.headers);
    let mut text = format!("{}\n{}\n{}\n", parts.method, parts.path, query.join("&"));
    for (name, value) in &headers {
        let words: Vec<&str> = value.split(' ').filter(|word| !word.is_empty()).collect();
        text += &format!("{name}:{}\n", words.join(" "));
    }
    text + &format!("\n{}\n{}", signed_headers(parts.headers), sha256_hex(parts.body))
}

/// The header names as they appear in the canonical request and in `Authorization`.
pub(super) fn signed_headers(headers: &[(&str, &str)]) -> String {
    let names: Vec<String> = sorted(headers).into_iter().map(|(name, _)| name).collect();
    names.join(";")
}

/// What the key signs. `date` has the form of `X-Amz-Date`.
pub(super) fn string_to_sign(algorithm: &str, date: &str, scope: &str, canonical_request: &str) -> String {
    format!("{algorithm}\n{date}\n{scope}\n{}", sha256_hex(canonical_request.as_bytes()))
}

fn sorted<'a>(headers: &[(&str, &'a str)]) -> Vec<(String, &'a str)> {
    let mut headers: Vec<(String, &str)> =
        headers.iter().map(|(name, value)| (name.to_ascii_lowercase(), *value)).collect();
    headers.sort();
    headers
}

/// Percent-encoded except for the unreserved characters of RFC 3986 section 2.3.
fn encoded(text: &str) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded += &format!("%{byte:02X}");
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_and_query_are_sorted_trimmed_and_encoded() {
        let parts = Parts {
            method: "GET",
            path: "/",
            query: &[("b", "é/ ~"), ("a", "2"), ("a", "1"), ("A", "")],
            headers: &[("X-B", "  two   words "), ("Host", "example.com")],
            body: b"",
        };
        assert_eq!(
            canonical_request(&parts),
            "GET\n/\nA=&a=1&a=2&b=%C3%A9%2F%20~\nhost:example.com\nx-b:two words\n\nhost;x-b\n\
             e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        );
    }
}
