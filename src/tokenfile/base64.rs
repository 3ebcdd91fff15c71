//! Base64 as CloudHSM writes it: standard, padded, without white space (RFC 4648 section 4).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::{Signed, TokenFileError};

pub(super) fn encode(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// A member that must be base64.
pub(super) fn decode(text: &str, place: &str, name: &'static str) -> Result<Vec<u8>, TokenFileError> {
    try_decode(text).map_err(|reason| TokenFileError::NotBase64 { place: place.to_owned(), name, reason })
}

/// A SHA-256 digest in base64.
pub(super) fn digest(text: &str, place: &str, name: &'static str) -> Result<[u8; 32], TokenFileError> {
    let bytes = decode(text, place, name)?;
    let found = bytes.len();
    bytes.try_into().map_err(|_| TokenFileError::DigestLength { place: place.to_owned(), name, found })
}

/// A signature. It may be missing, or malformed, which is reported only when it is needed.
pub(super) fn signature(text: &str) -> Signed {
    if text.is_empty() { Signed::No } else { try_decode(text).map_or_else(Signed::Unreadable, Signed::Yes) }
}

fn try_decode(text: &str) -> Result<Vec<u8>, String> {
    STANDARD.decode(text).map_err(|error| {
        if text.contains(['-', '_']) {
            "it uses the URL alphabet (- and _)".into()
        } else if text.contains(char::is_whitespace) {
            "it contains white space".into()
        } else {
            match error {
                base64::DecodeError::InvalidByte(position, byte) => {
                    format!("character {} is {:?}", position + 1, char::from(byte))
                }
                base64::DecodeError::InvalidPadding => "its padding (=) is wrong or missing".into(),
                other => other.to_string().to_lowercase(),
            }
        }
    })
}
