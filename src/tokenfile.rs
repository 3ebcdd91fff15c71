//! The files that AWS CloudHSM gives a person to sign: what they are, what in them is signed, and the same file with
//! the signatures in it. Pure: bytes in, bytes out; no device, no file name, no clock.
//!
//! A file is never printed anew from a parsed form. Signatures are put into the text that was read, so whatever this
//! program does not know (members, their order, white space, line ends) stays byte for byte.

mod error;
mod json;
mod mfa;

pub use error::TokenFileError;

use std::fmt;
use std::ops::Range;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::signature::Payload;

/// The largest file that is read, in bytes: more than 35 000 signed tokens. CloudHSM writes one token for each HSM.
pub const MAX_BYTES: u64 = 16 * 1024 * 1024;

/// Which of CloudHSM's formats a file has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// CloudHSM CLI, `user change-mfa token-sign` and `login … mfa-token-sign`: version 2.0, one token for each HSM.
    Mfa,
}

impl Format {
    /// The name in `--json` output.
    pub fn name(self) -> &'static str {
        match self {
            Format::Mfa => "mfa",
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Format::Mfa => f.write_str("CloudHSM MFA tokens"),
        }
    }
}

/// One thing to sign.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// What the signature is made over.
    pub payload: Payload,
    /// The signature that the file holds.
    pub signed: Signed,
    /// Where in the text the JSON string of the signature stands, quotes included.
    place: Range<usize>,
}

/// The signature that a file holds for a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Signed {
    /// None: the member is the empty string.
    No,
    /// These bytes.
    Yes(Vec<u8>),
    /// Text that is not base64; the reason.
    Unreadable(String),
}

/// A parsed token file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenFile {
    text: String,
    format: Format,
    tokens: Vec<Token>,
}

impl TokenFile {
    /// Reads a token file, strictly: what fits no known format exactly is refused.
    ///
    /// # Errors
    /// Says what differs from the format, and where.
    pub fn parse(bytes: &[u8]) -> Result<Self, TokenFileError> {
        let text = json::text(bytes)?;
        let document = json::document(text)?;
        let (format, tokens) = (Format::Mfa, mfa::tokens(text, &document)?);
        Ok(TokenFile { text: text.to_owned(), format, tokens })
    }

    /// Which format it is.
    pub fn format(&self) -> Format {
        self.format
    }

    /// The tokens, in the order of the file. Never empty.
    pub fn tokens(&self) -> &[Token] {
        &self.tokens
    }

    /// The file's bytes with `signatures` put in: pairs of a token's index and its signature. Everything else stays
    /// as it was read. An index beyond the last token is passed over.
    pub fn with_signatures<'a>(&self, signatures: impl IntoIterator<Item = (usize, &'a [u8])>) -> Vec<u8> {
        let mut edits: Vec<(Range<usize>, String)> = signatures
            .into_iter()
            .filter_map(|(index, signature)| {
                let token = self.tokens.get(index)?;
                Some((token.place.clone(), format!("\"{}\"", STANDARD.encode(signature))))
            })
            .collect();
        edits.sort_by_key(|(place, _)| place.start);

        let mut output = String::with_capacity(self.text.len() + edits.len() * 350);
        let mut done = 0;
        for (place, replacement) in edits {
            output.push_str(&self.text[done..place.start]);
            output.push_str(&replacement);
            done = place.end;
        }
        output.push_str(&self.text[done..]);
        output.into_bytes()
    }
}

/// Decodes standard, padded base64 without white space (RFC 4648 section 4), the only form that CloudHSM writes.
fn decode_base64(text: &str) -> Result<Vec<u8>, String> {
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

#[cfg(test)]
mod tests;
