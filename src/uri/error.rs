//! What can be wrong with a URI, where, and what to do about it.

use super::ObjectType;

/// Why a text is not a `pkcs11:` URI.
///
/// Positions are bytes of the text, counted from 1. No message quotes text that may be part of a PIN: at most
/// one character of a value, and nothing after `pin-value=`, where a name is given as `…`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UriError {
    /// The scheme is missing or is another one.
    #[error("not a PKCS#11 URI: it does not begin with `pkcs11:`")]
    Scheme,
    /// `pkcs11://`.
    #[error("`//` at position {position} is not part of a PKCS#11 URI")]
    Authority {
        /// Of the first slash.
        position: usize,
    },
    /// Two separators in a row, or one at the start or end of the path or query.
    #[error("an attribute is missing at position {position}")]
    EmptyAttribute {
        /// Where it should be.
        position: usize,
    },
    /// An attribute without `=`.
    #[error("the attribute at position {position} has no `=`")]
    MissingEquals {
        /// Of the attribute.
        position: usize,
    },
    /// An attribute name that is empty or has a character that is not allowed in names.
    #[error(
        "the attribute name at position {position} is empty or has a character that is not allowed in a name"
    )]
    Name {
        /// Of the first character that is not allowed.
        position: usize,
    },
    /// A character that must be percent-encoded in a value.
    #[error("the value of `{attribute}` has {} at position {position}", described(*.character))]
    Character {
        /// Name of the attribute.
        attribute: String,
        /// Of the character.
        position: usize,
        /// The character, unless it may be part of a PIN.
        character: Option<char>,
    },
    /// A `%` without two hexadecimal digits after it.
    #[error(
        "the value of `{attribute}` has a `%` at position {position} without two hexadecimal digits after it"
    )]
    Percent {
        /// Name of the attribute.
        attribute: String,
        /// Of the `%`.
        position: usize,
    },
    /// An attribute that may be there once only (RFC 7512 section 2.3).
    #[error("the attribute `{attribute}` is given a second time at position {position}")]
    Duplicate {
        /// Name of the attribute.
        attribute: String,
        /// Of the second one.
        position: usize,
    },
    /// A standard query attribute before the `?`.
    #[error("the query attribute `{attribute}` at position {position} is in the path of the URI")]
    InPath {
        /// Name of the attribute.
        attribute: &'static str,
        /// Of the attribute.
        position: usize,
    },
    /// A standard path attribute after the `?`, where it would silently have no effect.
    #[error("the path attribute `{attribute}` at position {position} is in the query of the URI")]
    InQuery {
        /// Name of the attribute.
        attribute: &'static str,
        /// Of the attribute.
        position: usize,
    },
    /// A standard query attribute with upper-case letters, which would silently have no effect.
    #[error("the attribute `{attribute}` at position {position} is not in lower case")]
    Case {
        /// Name of the attribute as it should be.
        attribute: &'static str,
        /// Of the attribute.
        position: usize,
    },
    /// `pin-value=` within the name or value of another query attribute.
    #[error("`pin-value` at position {position} is part of another attribute")]
    PinWithinAttribute {
        /// Of `pin-value`.
        position: usize,
    },
    /// Both `pin-source` and `pin-value` (RFC 7512 section 2.4).
    #[error("both `pin-source` and `pin-value` are given, the second of them at position {position}")]
    TwoPins {
        /// Of the second.
        position: usize,
    },
    /// A PIN that is not text.
    #[error("the value of `pin-value` at position {position} is not UTF-8")]
    PinNotUtf8 {
        /// Of the value.
        position: usize,
    },
    /// A `type` that RFC 7512 does not define.
    #[error("the value of `type` at position {position} is none of {}", object_types())]
    Type {
        /// Of the value.
        position: usize,
    },
    /// A `slot-id` that is not a `CK_SLOT_ID`.
    #[error("the value of `slot-id` at position {position} is not a number from 0 to {}", u64::MAX)]
    SlotId {
        /// Of the value.
        position: usize,
    },
    /// A `library-version` that is not a `CK_VERSION`.
    #[error("the value of `library-version` at position {position} is not two numbers from 0 to 255")]
    LibraryVersion {
        /// Of the value.
        position: usize,
    },
    /// A `serial` that is longer than any device's.
    #[error(
        "the value of `serial` at position {position} has {length} bytes, more than the 16 of a serial number"
    )]
    Serial {
        /// Of the value.
        position: usize,
        /// Of the value, decoded.
        length: usize,
    },
}

impl UriError {
    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Scheme => "write a URI like pkcs11:token=NAME;object=LABEL;type=private".into(),
            Self::Authority { .. } => {
                "attributes follow `pkcs11:` at once, without `//` or a host: pkcs11:token=NAME;object=LABEL".into()
            }
            Self::EmptyAttribute { .. } => {
                "write one `;` between attributes before the `?` and one `&` after it, and none at the ends".into()
            }
            Self::MissingEquals { .. } => {
                "write every attribute as name=value, in the way of token=NAME; percent-encode a separator that is \
                 part of a value"
                    .into()
            }
            Self::Name { .. } => {
                "names have letters, digits, `-` and `_` only, and there are no spaces around `;`, `&` and `=`".into()
            }
            Self::Character { character: Some(';'), .. } => {
                "write `&` between attributes after the `?`, or %3B for a `;` in a value".into()
            }
            Self::Character { character: Some(character), .. } => format!("write {}", encoded(*character)),
            Self::Character { character: None, .. } => {
                "percent-encode everything but letters, digits and `-._~`: a space is %20, `#` is %23".into()
            }
            Self::Percent { .. } => "write %25 for the percent sign itself".into(),
            Self::Duplicate { .. } => "keep one of the two".into(),
            Self::InPath { attribute, .. } => {
                format!("move `{attribute}` after a `?`, with `&` between it and other query attributes")
            }
            Self::InQuery { attribute, .. } => {
                format!("move `{attribute}` before the `?`, with `;` between it and other path attributes")
            }
            Self::Case { attribute, .. } => format!("write `{attribute}`"),
            Self::PinWithinAttribute { .. } => {
                "write `&` before `pin-value`; if it is part of a value, write %3D for the `=` after it".into()
            }
            Self::TwoPins { .. } => "keep one of the two, preferably `pin-source`".into(),
            Self::PinNotUtf8 { .. } => "percent-encode the bytes of the PIN in UTF-8".into(),
            Self::Type { .. } => {
                format!("write one of {}; a key that signs is type=private", object_types())
            }
            Self::SlotId { .. } => "write the slot number in decimal digits, as in slot-id=0".into(),
            Self::LibraryVersion { .. } => "write major.minor, as in library-version=2.40".into(),
            Self::Serial { .. } => "write the serial number as the device reports it".into(),
        };
        Some(hint)
    }
}

fn described(character: Option<char>) -> String {
    match character {
        Some(' ') => "a raw space".into(),
        // Debug, so that no control character reaches a terminal.
        Some(character) => format!("the character {character:?}, which must be percent-encoded,"),
        None => "a character that must be percent-encoded".into(),
    }
}

fn encoded(character: char) -> String {
    character.encode_utf8(&mut [0; 4]).bytes().map(|byte| format!("%{byte:02X}")).collect()
}

fn object_types() -> String {
    ObjectType::ALL.map(ObjectType::as_str).join(", ")
}

#[cfg(test)]
mod tests {
    use super::super::Uri;

    fn error(text: &str) -> (String, String) {
        let error = text.parse::<Uri>().unwrap_err();
        (error.to_string(), error.hint().unwrap())
    }

    #[test]
    fn a_raw_space_is_to_be_written_as_percent_20() {
        let (message, hint) = error("pkcs11:token=my token");
        assert_eq!(message, "the value of `token` has a raw space at position 16");
        assert_eq!(hint, "write %20");
    }

    #[test]
    fn a_character_outside_ascii_is_to_be_written_in_utf_8() {
        assert_eq!(error("pkcs11:token=\u{e9}").1, "write %C3%A9");
    }

    #[test]
    fn a_control_character_is_not_printed() {
        assert!(error("pkcs11:token=\n\u{1b}").0.contains("the character '\\n'"));
    }

    #[test]
    fn an_unknown_type_is_answered_with_the_five() {
        let (message, hint) = error("pkcs11:type=foo");
        assert!(message.ends_with("at position 13 is none of public, private, cert, secret-key, data"));
        assert!(hint.contains("public, private, cert, secret-key, data"));
    }

    #[test]
    fn a_pin_in_the_path_is_to_be_moved_after_the_question_mark() {
        let (message, hint) = error("pkcs11:token=t;pin-value=QXZQ");
        assert_eq!(message, "the query attribute `pin-value` at position 16 is in the path of the URI");
        assert!(hint.starts_with("move `pin-value` after a `?`"));
    }

    #[test]
    fn slashes_after_the_scheme_are_explained() {
        let (message, hint) = error("pkcs11://token=t");
        assert_eq!(message, "`//` at position 8 is not part of a PKCS#11 URI");
        assert!(hint.contains("without `//`"));
    }

    #[test]
    fn another_scheme_is_answered_with_an_example() {
        assert!(error("/usr/lib/libykcs11.so").1.contains("pkcs11:token="));
    }
}
