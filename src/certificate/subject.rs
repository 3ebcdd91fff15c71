//! The subject of a request, as people write it.

use std::str::FromStr;

use x509_cert::name::{Name, RelativeDistinguishedName};

use super::SubjectError;

/// A subject name in the form of RFC 4514: the most specific part first, as in `CN=server1,O=Example,C=US`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject(pub(super) Name);

impl FromStr for Subject {
    type Err = SubjectError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.trim().is_empty() {
            return Err(SubjectError::Empty);
        }
        let wrong = |part: &str| SubjectError::Part { subject: text.to_owned(), part: part.to_owned() };
        let mut tidy = String::new();
        for (separator, part) in parts(text) {
            // One by one, because the error should say which.
            let (kind, value) = part.split_once('=').ok_or_else(|| wrong(part))?;
            let (kind, value) = (kind.trim(), trim(value));
            let pair = format!("{kind}={value}");
            if kind.is_empty() || value.is_empty() || RelativeDistinguishedName::from_str(&pair).is_err() {
                return Err(wrong(part));
            }
            let is_country = value.len() == 2 && value.bytes().all(|byte| byte.is_ascii_alphabetic());
            if let Some(wrong) = unescaped(value) {
                let reason = wrong;
                return Err(SubjectError::Value { subject: text.to_owned(), part: part.to_owned(), reason });
            }
            if kind.eq_ignore_ascii_case("CN") && value.chars().count() > 64 {
                let reason = "a common name has 64 characters at most (X.520)";
                return Err(SubjectError::Value { subject: text.to_owned(), part: part.to_owned(), reason });
            }
            if kind.eq_ignore_ascii_case("C") && !is_country {
                let reason = "a country has two letters (ISO 3166)";
                return Err(SubjectError::Value { subject: text.to_owned(), part: part.to_owned(), reason });
            }
            tidy.extend(separator);
            tidy.push_str(&pair);
        }
        let name = Name::from_str(&tidy).map_err(|_| wrong(text))?;
        Ok(Subject(name))
    }
}

/// Split at commas and plus signs that are not escaped, each part with the separator before it.
fn parts(text: &str) -> Vec<(Option<char>, &str)> {
    let mut parts = Vec::new();
    let (mut separator, mut start, mut escaped) = (None, 0, false);
    for (at, character) in text.char_indices() {
        if matches!(character, ',' | '+') && !escaped {
            parts.push((separator, &text[start..at]));
            (separator, start) = (Some(character), at + 1);
        }
        escaped = character == '\\' && !escaped;
    }
    parts.push((separator, &text[start..]));
    parts
}

/// What RFC 4514 section 2.4 wants escaped and is not.
fn unescaped(value: &str) -> Option<&'static str> {
    let mut escaped = false;
    for character in value.chars() {
        if !escaped && matches!(character, '"' | ';' | '<' | '>') {
            return Some("the characters \" ; < > are written with a \\ before them");
        }
        escaped = character == '\\' && !escaped;
    }
    escaped.then_some("it ends with a \\ that escapes nothing")
}

/// Blanks around a value do not count, but for an escaped one at its end (RFC 4514 section 2.4).
fn trim(value: &str) -> &str {
    let trimmed = value.trim();
    if trimmed.ends_with('\\') && !trimmed.ends_with("\\\\") { value.trim_start() } else { trimmed }
}
