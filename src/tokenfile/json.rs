//! JSON with positions: each value knows its place in the text, so that it can be replaced and the rest kept.

use std::collections::HashSet;
use std::fmt;
use std::ops::Range;

use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::TokenFileError;
use super::error::Encoding;
use super::json_kind::JsonKind;

/// The text of a file: UTF-8, without a byte-order mark, not empty.
pub(super) fn text(bytes: &[u8]) -> Result<&str, TokenFileError> {
    if let Some(encoding) = encoding_of(bytes) {
        return Err(TokenFileError::Encoding(encoding));
    }
    let text =
        std::str::from_utf8(bytes).map_err(|error| TokenFileError::NotUtf8 { at: error.valid_up_to() })?;
    if text.trim().is_empty() {
        return Err(TokenFileError::Empty);
    }
    Ok(text)
}

/// An encoding other than UTF-8 without a mark. JSON begins with two ASCII characters (RFC 4627 section 3).
pub(super) fn encoding_of(bytes: &[u8]) -> Option<Encoding> {
    match *bytes {
        [0xef, 0xbb, 0xbf, ..] => Some(Encoding::Utf8WithMark),
        [0xff, 0xfe, ..] => Some(Encoding::Utf16LittleEndian),
        [0xfe, 0xff, ..] => Some(Encoding::Utf16BigEndian),
        [one, 0, other, 0, ..] if one > 0 && other > 0 => Some(Encoding::Utf16LittleEndian),
        [0, one, 0, other, ..] if one > 0 && other > 0 => Some(Encoding::Utf16BigEndian),
        _ => None,
    }
}

/// Whether a file is one of CloudHSM's, perhaps mangled on its way: in another encoding, with other quotes, cut off.
pub(crate) fn looks_like_token_file(bytes: &[u8]) -> bool {
    let text: String = match encoding_of(bytes) {
        None => String::from_utf8_lossy(bytes).into_owned(),
        // In either byte order, ASCII characters become readable once the zero bytes are removed.
        Some(_) => {
            bytes.iter().filter(|byte| byte.is_ascii() && **byte != 0).map(|byte| char::from(*byte)).collect()
        }
    };
    let names = ["unsigned", "approval_data", "HsmId"];
    text.trim_start().starts_with('{') && names.iter().any(|name| text.contains(name))
}

/// The top-level object.
pub(super) fn document(text: &str) -> Result<Object<'_>, TokenFileError> {
    let root: &RawValue = serde_json::from_str(text).map_err(|error| not_json(text, &error))?;
    let root = Node(root);
    if root.kind() != JsonKind::Object {
        return Err(TokenFileError::NotAnObject { found: root.kind() });
    }
    root.object("the file")
}

/// A value that is not parsed yet.
#[derive(Clone, Copy)]
pub(super) struct Node<'a>(&'a RawValue);

impl<'a> Node<'a> {
    pub(super) fn kind(self) -> JsonKind {
        // A RawValue is valid JSON without white space around it: its first byte tells.
        match self.0.get().as_bytes().first() {
            Some(b'{') => JsonKind::Object,
            Some(b'[') => JsonKind::Array,
            Some(b'"') => JsonKind::String,
            Some(b't' | b'f') => JsonKind::Bool,
            Some(b'n') => JsonKind::Null,
            _ => JsonKind::Number,
        }
    }

    /// Where the value is in `text`, from which it must have been read.
    pub(super) fn place(self, text: &str) -> Range<usize> {
        let start = self.0.get().as_ptr() as usize - text.as_ptr() as usize;
        start..start + self.0.get().len()
    }

    /// The members, in order; `place` names the object in errors. The value must be an object.
    pub(super) fn object(self, place: &str) -> Result<Object<'a>, TokenFileError> {
        let Members(members) =
            serde_json::from_str(self.0.get()).map_err(|error| not_json(self.0.get(), &error))?;
        let mut seen = HashSet::with_capacity(members.len());
        for (name, _) in &members {
            if !seen.insert(name.as_str()) {
                return Err(TokenFileError::Duplicate { place: place.to_owned(), name: name.clone() });
            }
        }
        Ok(Object { place: place.to_owned(), members })
    }
}

/// An object's members in their order; no name occurs twice.
pub(super) struct Object<'a> {
    place: String,
    members: Vec<(String, Node<'a>)>,
}

impl<'a> Object<'a> {
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.members.iter().map(|(name, _)| name.as_str())
    }

    pub(super) fn members(&self) -> impl Iterator<Item = (&str, Node<'a>)> {
        self.members.iter().map(|(name, value)| (name.as_str(), *value))
    }

    pub(super) fn get(&self, name: &str) -> Option<Node<'a>> {
        self.members.iter().find(|(member, _)| member == name).map(|(_, value)| *value)
    }

    /// A member that must be a string.
    pub(super) fn string(&self, name: &'static str) -> Result<String, TokenFileError> {
        let node = self.expect(name, JsonKind::String)?;
        serde_json::from_str(node.0.get()).map_err(|error| not_json(node.0.get(), &error))
    }

    /// A member that must be a list.
    pub(super) fn list(&self, name: &'static str) -> Result<Vec<Node<'a>>, TokenFileError> {
        let node = self.expect(name, JsonKind::Array)?;
        let values: Vec<&'a RawValue> =
            serde_json::from_str(node.0.get()).map_err(|error| not_json(node.0.get(), &error))?;
        Ok(values.into_iter().map(Node).collect())
    }

    /// The version, which must be `known`.
    pub(super) fn version(&self, name: &'static str, known: &'static str) -> Result<(), TokenFileError> {
        let found = self.string(name)?;
        if found == known { Ok(()) } else { Err(TokenFileError::Version { found, known }) }
    }

    /// A member that must be there and of this kind.
    pub(super) fn expect(&self, name: &'static str, kind: JsonKind) -> Result<Node<'a>, TokenFileError> {
        let place = || self.place.clone();
        let node = self.get(name).ok_or_else(|| TokenFileError::Missing { place: place(), name })?;
        if node.kind() == kind {
            Ok(node)
        } else {
            Err(TokenFileError::WrongKind { place: place(), name, expected: kind, found: node.kind() })
        }
    }
}

/// Collects members in order and keeps duplicates, which serde_json's own map would silently drop.
struct Members<'a>(Vec<(String, Node<'a>)>);

impl<'de> serde::Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Collect;
        impl<'de> Visitor<'de> for Collect {
            type Value = Members<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some((name, value)) = map.next_entry::<String, &'de RawValue>()? {
                    members.push((name, Node(value)));
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Collect)
    }
}

fn not_json(text: &str, error: &serde_json::Error) -> TokenFileError {
    let reason = error.to_string();
    // serde_json ends its message with the position, which is reported separately here.
    let reason = reason.split(" at line ").next().unwrap_or_default().to_owned();
    let line = text.lines().nth(error.line().saturating_sub(1)).unwrap_or_default();
    let offending = line.as_bytes().get(error.column().saturating_sub(1)).copied();
    let before: String = text.lines().take(error.line().saturating_sub(1)).collect();
    TokenFileError::NotJson {
        reason,
        line: error.line(),
        column: error.column(),
        // Only the characters of JSON's own grammar are examined, and never shown.
        stray_brace: before.trim_end().ends_with('{') && error.is_syntax() && offending == Some(b'{'),
    }
}
