//! The subject of a request, as people write it.

use std::str::FromStr;

use der::asn1::ObjectIdentifier;
use der::oid::db::DB;
use der::{Any, Encode, Tag, Tagged};
use x509_cert::attr::AttributeTypeAndValue;
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
        let bad_value = |part: &str, reason: String| SubjectError::Value {
            subject: text.to_owned(),
            part: part.to_owned(),
            reason,
        };
        let mut tidy = String::new();
        for (separator, part) in parts(text) {
            // One by one, so that the error can say which.
            let (kind, value) = part.split_once('=').ok_or_else(|| wrong(part))?;
            let (kind, value) = (kind.trim(), trim(value));
            let pair = format!("{kind}={value}");
            if kind.is_empty() || value.is_empty() {
                return Err(wrong(part));
            }
            let is_name = kind.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-.".contains(&byte));
            if is_name && DB.by_name(kind).is_none() && ObjectIdentifier::new(kind).is_err() {
                return Err(SubjectError::Unknown { subject: text.to_owned(), attribute: kind.to_owned() });
            }
            let relative = RelativeDistinguishedName::from_str(&pair).map_err(|_| wrong(part))?;
            if let Some(reason) = unescaped(value) {
                return Err(bad_value(part, reason.into()));
            }
            tidy.extend(separator);
            for attribute in relative.iter() {
                check(attribute).map_err(|reason| bad_value(part, reason))?;
                match in_its_type(attribute) {
                    Some(der) => tidy.push_str(&format!("{}=#{}", attribute.oid, hex(&der))),
                    None => tidy.push_str(&pair),
                }
            }
        }
        let name = Name::from_str(&tidy).map_err(|_| wrong(text))?;
        Ok(Subject(name))
    }
}

impl Subject {
    /// The subject of a certificate whose names are all in subjectAltName.
    pub fn empty() -> Self {
        Subject(Name::default())
    }

    /// Whether it has no attributes.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// A value that seems to contain another attribute, as in `CN=server1/O=Example`: the form with slashes
    /// is openssl's.
    pub fn value_with_slashes(&self) -> Option<String> {
        let values =
            self.0.iter().map(|attribute| String::from_utf8_lossy(attribute.value.value()).into_owned());
        values.into_iter().find(|value| {
            let mut behind_slashes = value.split('/').skip(1);
            behind_slashes
                .any(|part| part.split_once('=').is_some_and(|(kind, _)| DB.by_name(kind).is_some()))
        })
    }
}

const COUNTRY: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.6");

/// Upper bounds in characters (RFC 5280 appendix A.1) of each attribute, under any of its names.
const MOST: [(ObjectIdentifier, &str, usize); 8] = [
    (ObjectIdentifier::new_unwrap("2.5.4.3"), "common name", 64),
    (ObjectIdentifier::new_unwrap("2.5.4.5"), "serial number", 64),
    (ObjectIdentifier::new_unwrap("2.5.4.7"), "locality", 128),
    (ObjectIdentifier::new_unwrap("2.5.4.8"), "state", 128),
    (ObjectIdentifier::new_unwrap("2.5.4.10"), "organization", 64),
    (ObjectIdentifier::new_unwrap("2.5.4.11"), "organizational unit", 64),
    (ObjectIdentifier::new_unwrap("2.5.4.12"), "title", 64),
    (ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.1"), "email address", 255),
];

/// Attributes for which X.509 prescribes one type of string (RFC 5280 appendix A.1, RFC 4519 section 2.35),
/// by their OIDs: country, serial number, dnQualifier, telephone number; domain component, email address.
const TYPED: [(ObjectIdentifier, Tag); 6] = [
    (COUNTRY, Tag::PrintableString),
    (ObjectIdentifier::new_unwrap("2.5.4.5"), Tag::PrintableString),
    (ObjectIdentifier::new_unwrap("2.5.4.46"), Tag::PrintableString),
    (ObjectIdentifier::new_unwrap("2.5.4.20"), Tag::PrintableString),
    (ObjectIdentifier::new_unwrap("0.9.2342.19200300.100.1.25"), Tag::Ia5String),
    (ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.1"), Tag::Ia5String),
];

/// The type of string in which an attribute is written.
fn type_of(attribute: &AttributeTypeAndValue) -> Tag {
    let typed = TYPED.iter().find(|(kind, _)| *kind == attribute.oid);
    typed.map_or_else(|| Tagged::tag(&attribute.value), |(_, tag)| *tag)
}

/// Checks that X.509 allows the attribute: its type decides the type of its string, and that the characters.
fn check(attribute: &AttributeTypeAndValue) -> Result<(), String> {
    let (kind, value) = (attribute.oid, attribute.value.value());
    match Tagged::tag(&attribute.value) {
        Tag::Utf8String | Tag::PrintableString | Tag::Ia5String => {}
        _ => return Err("its value is written out in another form than a UTF8String".into()),
    }
    let text = std::str::from_utf8(value).map_err(|_| "its value is not UTF-8")?;
    let (name, fits): (_, fn(char) -> bool) = match type_of(attribute) {
        Tag::PrintableString => ("a PrintableString", is_printable),
        Tag::Ia5String => ("an IA5String", |character| character.is_ascii()),
        _ => ("a string", |_| true),
    };
    if let Some(character) = text.chars().find(|character| !fits(*character)) {
        return Err(format!("{character:?} cannot be in it: X.509 writes this attribute as {name}"));
    }
    if let Some(character) = text.chars().find(|character| character.is_control()) {
        return Err(format!("the control character {character:?} is in it"));
    }
    let length = text.chars().count();
    if let Some((_, what, most)) = MOST.iter().find(|(known, _, most)| *known == kind && length > *most) {
        return Err(format!("it has {length} characters, and {what} has at most {most} (X.520)"));
    }
    if kind == COUNTRY && !(length == 2 && text.bytes().all(|byte| byte.is_ascii_alphabetic())) {
        return Err("a country has two letters (ISO 3166)".into());
    }
    Ok(())
}

/// The value in DER, if X.509 prescribes another type of string. Its characters fit.
fn in_its_type(attribute: &AttributeTypeAndValue) -> Option<Vec<u8>> {
    let tag = type_of(attribute);
    if tag == Tagged::tag(&attribute.value) {
        return None;
    }
    Any::new(tag, attribute.value.value()).and_then(|value| value.to_der()).ok()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The characters of a PrintableString (X.680 section 41.4).
fn is_printable(character: char) -> bool {
    character.is_ascii_alphanumeric() || " '()+,-./:=?".contains(character)
}

/// Splits at commas and plus signs that are not escaped; each part comes with the separator before it.
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

/// What RFC 4514 section 2.4 requires to be escaped, if it is not.
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

/// Blanks around a value do not count, except an escaped one at its end (RFC 4514 section 2.4).
fn trim(value: &str) -> &str {
    let trimmed = value.trim();
    if trimmed.ends_with('\\') && !trimmed.ends_with("\\\\") { value.trim_start() } else { trimmed }
}
