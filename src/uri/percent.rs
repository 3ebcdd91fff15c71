//! Percent-encoding, and which characters may be unencoded (RFC 7512 section 2.3).

use std::fmt;

use zeroize::Zeroizing;

/// The two halves of a URI, which differ in the characters they allow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Component {
    /// Before the `?`.
    Path,
    /// After it.
    Query,
}

/// Why a value could not be decoded, and at which byte of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// A `%` without two hexadecimal digits after it.
    Percent(usize),
    /// A character that must be percent-encoded.
    Character(usize, char),
}

impl Component {
    /// What separates two attributes.
    pub(super) const fn separator(self) -> &'static str {
        match self {
            Self::Path => ";",
            Self::Query => "&",
        }
    }

    /// `pk11-pchar` and `pk11-qchar`, without `pct-encoded`.
    fn allows(self, byte: u8) -> bool {
        is_unreserved(byte)
            || b":[]@!$'()*+,=".contains(&byte)
            || match self {
                Self::Path => byte == b'&',
                Self::Query => b"/?|".contains(&byte),
            }
    }

    /// What is printed unencoded: everything that is allowed, except
    /// - `=`, so that no printed value contains `pin-value=`, which [`redact`](super::redact()) would cut;
    /// - `&` in the path, which looks like the start of another attribute;
    /// - `!`, `$` and `'`, which a shell expands inside quotes or which end the quotes.
    fn prints(self, byte: u8) -> bool {
        self.allows(byte) && !b"=&!$'".contains(&byte)
    }
}

/// Decodes a value. The buffer is wiped when dropped because the value may be a PIN.
pub(super) fn decode(text: &str, component: Component) -> Result<Zeroizing<Vec<u8>>, Fault> {
    // Decoding never makes the text longer, so the buffer is not moved and leaves no copy behind.
    let mut decoded = Zeroizing::new(Vec::with_capacity(text.len()));
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        match u8::try_from(character) {
            Ok(b'%') => {
                let mut digit = || characters.next().and_then(|(_, digit)| digit.to_digit(16));
                let (Some(high), Some(low)) = (digit(), digit()) else { return Err(Fault::Percent(at)) };
                decoded.push((high << 4 | low) as u8);
            }
            Ok(byte) if component.allows(byte) => decoded.push(byte),
            _ => return Err(Fault::Character(at, character)),
        }
    }
    Ok(decoded)
}

/// Writes a value so that [`decode`] returns it unchanged.
pub(super) fn encode(out: &mut fmt::Formatter<'_>, value: &[u8], component: Component) -> fmt::Result {
    for &byte in value {
        if component.prints(byte) {
            write!(out, "{}", char::from(byte))?;
        } else {
            write!(out, "%{byte:02X}")?;
        }
    }
    Ok(())
}

/// Writes a value with every byte encoded.
pub(super) fn encode_all(out: &mut fmt::Formatter<'_>, value: &[u8]) -> fmt::Result {
    value.iter().try_for_each(|byte| write!(out, "%{byte:02X}"))
}

fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::Component::{Path, Query};
    use super::*;

    fn decoded(text: &str, component: Component) -> Result<Vec<u8>, Fault> {
        decode(text, component).map(|value| value.to_vec())
    }

    #[test]
    fn both_cases_of_hexadecimal_digits_are_decoded() {
        assert_eq!(decoded("a%Ba%dd%2F", Path), Ok(b"a\xba\xdd/".to_vec()));
    }

    #[test]
    fn a_percent_sign_needs_two_hexadecimal_digits() {
        for bad in ["ab%", "ab%4", "ab%zz", "ab%4g", "ab%é1", "ab%+1"] {
            assert_eq!(decoded(bad, Path), Err(Fault::Percent(2)), "{bad}");
        }
    }

    #[test]
    fn path_and_query_allow_different_characters() {
        assert_eq!(decoded("a&b", Path), Ok(b"a&b".to_vec()));
        assert_eq!(decoded("a&b", Query), Err(Fault::Character(1, '&')));
        assert_eq!(decoded("/a?|", Query), Ok(b"/a?|".to_vec()));
        assert_eq!(decoded("/a", Path), Err(Fault::Character(0, '/')));
        assert_eq!(decoded(":[]@!$'()*+,=-._~", Path), Ok(b":[]@!$'()*+,=-._~".to_vec()));
    }

    #[test]
    fn characters_outside_ascii_must_be_encoded() {
        assert_eq!(decoded("aé", Query), Err(Fault::Character(1, 'é')));
        assert_eq!(decoded("a\u{20ac}", Query), Err(Fault::Character(1, '\u{20ac}')));
    }
}
