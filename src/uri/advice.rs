//! What the author of a URI that matches nothing probably meant.

use super::Uri;

impl Uri {
    /// How to write what was probably meant: one suggestion for each attribute that looks like a known
    /// mistake.
    #[must_use]
    pub fn advice(&self) -> Vec<String> {
        let mut advice = Vec::new();
        for attribute in &self.unknown {
            let name = &attribute.name;
            match name.to_ascii_lowercase().as_str() {
                "label" | "name" => advice.push(format!(
                    "write object= in place of {name}= for the label of a key, token= for that of a device"
                )),
                "key" | "cka_label" => advice.push(format!("write object= in place of {name}=")),
                "cka_id" | "keyid" | "key-id" => advice.push(format!("write id= in place of {name}=")),
                "slot" | "slotid" => advice.push(format!("write slot-id= in place of {name}=")),
                "object-type" | "objecttype" | "class" => {
                    advice.push(format!("write type= in place of {name}="));
                }
                lower if KNOWN.contains(&lower) => advice.push(format!("write {lower}= in lower case")),
                _ => {}
            }
        }
        if let Some(meant) = self.id.as_deref().and_then(bytes_meant) {
            let meant: String = meant.iter().map(|byte| format!("%{byte:02X}")).collect();
            advice.push(format!("write id={meant}, with a percent sign before each byte of two digits"));
        }
        advice
    }
}

const KNOWN: [&str; 7] = ["token", "object", "id", "type", "serial", "model", "manufacturer"];

/// The bytes that hexadecimal digits stand for, if an id consists of such digits: `id=01`, `id=%0001`. A text
/// may do so too, so this is worth saying only if nothing has that id.
fn bytes_meant(id: &[u8]) -> Option<Vec<u8>> {
    let digits = id.iter().rev().take_while(|byte| byte.is_ascii_hexdigit()).count();
    let (bytes, digits) = id.split_at(id.len() - digits);
    if digits.is_empty() || digits.len() % 2 != 0 || bytes.iter().any(u8::is_ascii_graphic) {
        return None;
    }
    let pairs = digits.chunks_exact(2).map(|pair| {
        let text = std::str::from_utf8(pair).ok()?;
        u8::from_str_radix(text, 16).ok()
    });
    Some([bytes, &pairs.collect::<Option<Vec<u8>>>()?].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn advice(text: &str) -> String {
        text.parse::<Uri>().unwrap().advice().join("; ")
    }

    #[test]
    fn digits_without_percent_signs_get_advice() {
        for (uri, meant) in [
            ("pkcs11:id=01", "write id=%01,"),
            ("pkcs11:id=0a1B", "write id=%0A%1B,"),
            ("pkcs11:id=%0001", "write id=%00%01,"),
        ] {
            assert!(advice(uri).starts_with(meant), "{uri}: {}", advice(uri));
        }
        for uri in
            ["pkcs11:", "pkcs11:id=%01", "pkcs11:id=1", "pkcs11:id=signed", "pkcs11:id=", "pkcs11:id=0x01"]
        {
            assert_eq!(advice(uri), "", "{uri}");
        }
    }

    #[test]
    fn a_name_that_is_nearly_one_leads_to_the_right_one() {
        for (uri, meant) in [
            ("pkcs11:label=signkey", "write object= in place of label="),
            ("pkcs11:slot=1", "write slot-id= in place of slot="),
            ("pkcs11:object-type=private", "write type= in place of object-type="),
            ("pkcs11:Token=officer", "write token= in lower case"),
        ] {
            assert!(advice(uri).starts_with(meant), "{uri}: {}", advice(uri));
        }
        assert_eq!(advice("pkcs11:x-vendor=1"), "");
    }
}
