//! What can be wrong with a token file. No message repeats the file's contents: a wrong file may hold a secret.

use std::fmt;

use super::Format;
use super::json_kind::JsonKind;
use crate::error::{Exit, Explain};

/// Why a file is not a token file that can be signed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenFileError {
    /// Only white space.
    #[error("it is empty")]
    Empty,
    /// Text in another encoding than UTF-8, or with a byte-order mark. CloudHSM CLI writes neither; PowerShell's `>` and
    /// some editors do.
    #[error("{0}")]
    Encoding(Encoding),
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
        found: JsonKind,
    },
    /// An object that is none of CloudHSM's formats.
    #[error("it is JSON, but not a CloudHSM token file: it has no \"tokens\", \"token\" or \"Data\"")]
    UnknownFormat {
        /// The names of its members, at most eight.
        members: Vec<String>,
    },
    /// It has the deciding member of this format, but differs from the format.
    #[error("{what}")]
    Within {
        /// The format.
        format: Format,
        /// What differs.
        what: Box<TokenFileError>,
    },
    /// It has the members of two formats.
    #[error("it has members of two different CloudHSM formats")]
    TwoFormats,
    /// Some tokens have `approval_data` and others do not.
    #[error(
        "{with_data} of its {tokens} tokens have \"approval_data\"; in a CloudHSM file all have it or none"
    )]
    MixedTokens {
        /// Tokens that have it.
        with_data: usize,
        /// All tokens.
        tokens: usize,
    },
    /// The digest is not that of the data.
    #[error("{place}: {name:?} is not the SHA-256 digest of \"approval_data\"")]
    OtherDigest {
        /// Which object.
        place: String,
        /// The digest's name.
        name: &'static str,
    },
    /// Two approvals have the same user name.
    #[error("{:?} has two approvals in it", short(username))]
    ApproverTwice {
        /// The user name.
        username: String,
    },
    /// It is not a quorum approval file.
    #[error("it is not a quorum approval file, and only those can be merged")]
    NotForMerge,
    /// It is a quorum approval file for another token.
    #[error("it is about another token than the first file")]
    OtherToken,
    /// A copy whose other members are not those of the first file.
    #[error("its {member:?} is not that of the first file")]
    OtherMember {
        /// The member.
        member: String,
    },
    /// One user has two different signatures.
    #[error("{:?} has a different signature or role in an earlier file", short(username))]
    TwoSignatures {
        /// The user name.
        username: String,
    },
    /// A version of the format that is not known.
    #[error("its version is {:?}; {known:?} is supported", short(found))]
    Version {
        /// The version in the file.
        found: String,
        /// The known one.
        known: &'static str,
    },
    /// An empty list.
    #[error("its list of tokens is empty")]
    NoTokens,
    /// A token that is not an object.
    #[error("{place} is {found}, not an object")]
    TokenKind {
        /// Which token.
        place: String,
        /// What it is.
        found: JsonKind,
    },
    /// An object has two members of the same name.
    #[error("{place} has the member {:?} twice", short(name))]
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
        expected: JsonKind,
        /// What it is.
        found: JsonKind,
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
    /// Base64 of something that is not a SHA-256 digest.
    #[error("{place}: {name:?} has {found} bytes, a SHA-256 digest has 32")]
    DigestLength {
        /// Which token.
        place: String,
        /// The member.
        name: &'static str,
        /// Bytes that it has.
        found: usize,
    },
}

/// The encoding of a file that some program converted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// UTF-8 after a byte-order mark (EF BB BF).
    Utf8WithMark,
    /// UTF-16, little-endian, with its byte-order mark (FF FE) or without.
    Utf16LittleEndian,
    /// UTF-16, big-endian, with its byte-order mark (FE FF) or without.
    Utf16BigEndian,
}

impl Encoding {
    /// The command that writes the file in UTF-8, without a mark.
    fn cure(self) -> &'static str {
        match self {
            Encoding::Utf8WithMark => "tail -c +4 FILE > NEW",
            Encoding::Utf16LittleEndian | Encoding::Utf16BigEndian => "iconv -f UTF-16 -t UTF-8 FILE > NEW",
        }
    }
}

impl fmt::Display for Encoding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Encoding::Utf8WithMark => "it begins with a UTF-8 byte-order mark (EF BB BF)",
            Encoding::Utf16LittleEndian => "it is in UTF-16 (little-endian), as PowerShell's > writes it",
            Encoding::Utf16BigEndian => "it is in UTF-16 (big-endian)",
        })
    }
}

impl TokenFileError {
    /// Says which format the file resembles most.
    pub(super) fn within(self, format: Format) -> Self {
        TokenFileError::Within { format, what: Box::new(self) }
    }
}

impl Explain for TokenFileError {
    fn may_pass(&self) -> bool {
        true
    }

    fn exit(&self) -> Exit {
        Exit::Malformed
    }

    fn detail(&self) -> Vec<String> {
        match self {
            TokenFileError::Within { format, .. } => vec![format!("read as: {format}")],
            TokenFileError::UnknownFormat { members } if members.is_empty() => {
                vec!["it has no members".into()]
            }
            TokenFileError::UnknownFormat { members } => {
                let members: Vec<&str> = members.iter().map(|name| short(name)).collect();
                vec![format!("its members: {members:?}")]
            }
            _ => Vec::new(),
        }
    }

    fn hint(&self) -> Option<String> {
        let hint = match self {
            TokenFileError::NotJson { stray_brace: true, .. } => {
                "there is one \"{\" too many before that place, as in the sample on AWS's set-up page; sign the file \
                 that CloudHSM CLI wrote"
            }
            TokenFileError::Within { what, .. } => return what.hint(),
            TokenFileError::Encoding(encoding) => {
                return Some(format!(
                    "convert it: {}; in PowerShell, write it with Set-Content -Encoding ascii instead of >",
                    encoding.cure()
                ));
            }
            TokenFileError::UnknownFormat { .. } | TokenFileError::NotUtf8 { .. } => {
                "give the file that CloudHSM wrote; any other file is signed whole with --detached, and only then"
            }
            TokenFileError::OtherDigest { .. } => {
                "do not approve it: what it shows is not what would be signed; have a new token generated"
            }
            TokenFileError::OtherToken | TokenFileError::OtherMember { .. } => {
                "merge only copies of one file; a quorum token is used once"
            }
            TokenFileError::TwoSignatures { .. } => "leave out the copy that you do not want",
            TokenFileError::NotBase64 { name: "signed" | "Signature" | "signature", .. } => {
                "--force replaces the existing signatures"
            }
            _ => {
                "give the file that CloudHSM CLI wrote, unchanged; if it was cut off, let CloudHSM CLI write it again"
            }
        };
        Some(hint.to_owned())
    }
}

/// Text from a file may have any length.
fn short(text: &str) -> &str {
    const MOST: usize = 64;
    text.char_indices().nth(MOST).map_or(text, |(end, _)| &text[..end])
}
