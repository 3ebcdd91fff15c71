//! What can be wrong with a token file. No message repeats the file's contents: a wrong file may hold a secret.

use super::json::Kind;
use crate::error::{Exit, Explain};

/// Why a file is no token file that can be signed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenFileError {
    /// Nothing but white space.
    #[error("it is empty")]
    Empty,
    /// It begins with a UTF-8 byte-order mark, which CloudHSM CLI does not write.
    #[error("it begins with a byte-order mark")]
    ByteOrderMark,
    /// Not UTF-8 text.
    #[error("it is not JSON: it is not UTF-8 text at byte {}", at + 1)]
    NotUtf8 {
        /// Offset of the first wrong byte, from 0.
        at: usize,
    },
    /// Not JSON.
    #[error("it is not JSON: {reason} at line {line}, column {column}")]
    NotJson {
        /// What the JSON parser said.
        reason: String,
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
        /// Whether a `{` stands where AWS's printed sample has one too many.
        stray_brace: bool,
    },
    /// JSON, but not an object.
    #[error("it is {found}, not an object with tokens")]
    NotAnObject {
        /// What it is.
        found: Kind,
    },
    /// An object that is none of CloudHSM's formats.
    #[error("it is JSON, but no CloudHSM token file: it has no \"tokens\"")]
    UnknownFormat {
        /// The names of its members, at most eight.
        members: Vec<String>,
    },
    /// A format that this version does not sign.
    #[error("it is {what}, which this version cannot sign")]
    Unsupported {
        /// The format.
        what: &'static str,
    },
    /// A version of the format that is not known.
    #[error("its version is {found:?}; \"2.0\" is known")]
    Version {
        /// The version in the file.
        found: String,
    },
    /// An empty list.
    #[error("its list of tokens is empty")]
    NoTokens,
    /// A token that is no object.
    #[error("{place} is {found}, not an object")]
    TokenKind {
        /// Which token.
        place: String,
        /// What it is.
        found: Kind,
    },
    /// A member name stands twice in one object.
    #[error("{place} has the member {name:?} twice")]
    Duplicate {
        /// Which object.
        place: String,
        /// The name.
        name: String,
    },
    /// A member is missing.
    #[error("{place} has no {name:?}")]
    Missing {
        /// Which object.
        place: String,
        /// The name.
        name: &'static str,
    },
    /// A member of another kind.
    #[error("{place}: {name:?} is {found}, not {expected}")]
    WrongKind {
        /// Which object.
        place: String,
        /// The name.
        name: &'static str,
        /// What it should be.
        expected: Kind,
        /// What it is.
        found: Kind,
    },
    /// Not base64.
    #[error("{place}: {name:?} is not base64: {reason}")]
    NotBase64 {
        /// Which object.
        place: String,
        /// The member.
        name: &'static str,
        /// In which way.
        reason: String,
    },
    /// An `unsigned` that is no SHA-256 digest.
    #[error("{place}: \"unsigned\" has {found} bytes, a SHA-256 digest has 32")]
    DigestLength {
        /// Which token.
        place: String,
        /// Bytes that it has.
        found: usize,
    },
}

impl TokenFileError {
    /// Tells the formats of CloudHSM that are known but not MFA apart from everything else.
    pub(super) fn unknown_format<'a>(names: impl Iterator<Item = &'a str>) -> Self {
        let members: Vec<String> = names.take(8).map(str::to_owned).collect();
        let has = |name: &str| members.iter().any(|member| member == name);
        if has("approval_data") && has("token") {
            TokenFileError::Unsupported { what: "a quorum approval file" }
        } else if has("Data") && has("Version") {
            TokenFileError::Unsupported {
                what: "a two-factor file of the older CloudHSM management utility (CMU)",
            }
        } else {
            TokenFileError::UnknownFormat { members }
        }
    }
}

impl Explain for TokenFileError {
    fn exit(&self) -> Exit {
        Exit::Malformed
    }

    fn detail(&self) -> Vec<String> {
        match self {
            TokenFileError::UnknownFormat { members } if members.is_empty() => {
                vec!["it has no members".into()]
            }
            TokenFileError::UnknownFormat { members } => vec![format!("its members: {members:?}")],
            _ => Vec::new(),
        }
    }

    fn hint(&self) -> Option<String> {
        let hint = match self {
            TokenFileError::NotJson { stray_brace: true, .. } => {
                "there is one \"{\" too many before that place, as in the sample on AWS's set-up page; sign the file \
                 that CloudHSM CLI wrote"
            }
            TokenFileError::Unsupported { .. } => {
                "MFA files can be signed: {\"version\":\"2.0\",\"tokens\":[…]}"
            }
            TokenFileError::NotBase64 { name: "signed", .. } => {
                "--force replaces the signatures that are there"
            }
            _ => {
                "give the file that CloudHSM CLI wrote, unchanged; if it was cut off, let CloudHSM CLI write it again"
            }
        };
        Some(hint.to_owned())
    }
}
