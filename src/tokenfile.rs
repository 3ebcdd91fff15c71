//! The files that AWS CloudHSM gives people to sign: their formats, what in them is signed, and putting
//! signatures into them. Pure: bytes in, bytes out; no device, no file name, no clock.
//!
//! A file is never printed from a parsed form. Signatures are inserted into the text that was read, so
//! everything that this program does not know (members, their order, white space, line ends) stays byte for
//! byte.

mod approval;
mod approval_data;
mod authdata;
mod base64;
mod change;
mod detect;
mod error;
mod json;
mod json_kind;
mod merge;
mod mfa;
mod username;

pub use approval::Approval;
pub use approval_data::ApprovalRecord;
pub(crate) use approval_data::approval_records;
pub use change::Change;
pub use error::{Encoding, TokenFileError};
pub(crate) use json::looks_like_token_file;
pub use merge::merge;
pub(crate) use username::check_username;
use username::user_key;
pub use username::{ROLES, UsernameError, is_same_user};

use std::fmt;
use std::ops::Range;

use crate::signature::Payload;

/// The largest file that is read, in bytes: enough for 35 000 signed tokens. CloudHSM writes one token for
/// each HSM.
pub const MAX_BYTES: u64 = 16 * 1024 * 1024;

/// Which of CloudHSM's formats a file has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// CloudHSM CLI, `user change-mfa token-sign` and `login … mfa-token-sign`: version 2.0, one token for each HSM.
    Mfa,
    /// CloudHSM CLI, `quorum token-sign generate --service registration`: as [`Format::Mfa`], with `approval_data`.
    QuorumRegistration,
    /// CloudHSM CLI, `quorum token-sign generate` for any other service: one token, a list of approvals.
    QuorumApproval,
    /// The older CloudHSM management utility (CMU, Client SDK 3), `createUser`, `changePswd` and `loginHSM` with `-2fa`.
    Authdata,
}

impl Format {
    /// The name in `--json` output.
    pub fn name(self) -> &'static str {
        match self {
            Format::Mfa => "mfa",
            Format::QuorumRegistration => "quorum-registration",
            Format::QuorumApproval => "quorum-approval",
            Format::Authdata => "cmu-authdata",
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Format::Mfa => "CloudHSM MFA tokens",
            Format::QuorumRegistration => "CloudHSM quorum registration tokens",
            Format::QuorumApproval => "CloudHSM quorum token for approval",
            Format::Authdata => "CloudHSM two-factor digests of the older CMU",
        })
    }
}

/// One thing to sign.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// What the signature is made over.
    pub payload: Payload,
    /// The signature that the file holds. Always [`Signed::No`] in a quorum approval file, whose signatures are in
    /// [`TokenFile::approvals`].
    pub signed: Signed,
    /// Where the signature's JSON string is in the text, quotes included.
    place: Range<usize>,
}

/// The signature that a file holds for a token.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Signed {
    /// None: the member is the empty string.
    No,
    /// These bytes.
    Yes(Vec<u8>),
    /// Text that is not base64, with the reason.
    Unreadable(String),
}

/// A parsed token file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenFile {
    text: String,
    format: Format,
    tokens: Vec<Token>,
    approvals: Option<approval::Approvals>,
    public_key: Option<authdata::PublicKeyMember>,
}

impl TokenFile {
    /// Reads a token file strictly: anything that does not fit a known format exactly is refused.
    ///
    /// # Errors
    /// Says what differs from the format, and where.
    pub fn parse(bytes: &[u8]) -> Result<Self, TokenFileError> {
        let text = json::text(bytes)?;
        let document = json::document(text)?;
        detect::read(text, &document)
    }

    /// Which format it is.
    pub fn format(&self) -> Format {
        self.format
    }

    /// The tokens, in the order of the file. Never empty.
    pub fn tokens(&self) -> &[Token] {
        &self.tokens
    }

    /// The approvals that a quorum approval file holds, in its order; empty for other formats.
    pub fn approvals(&self) -> &[Approval] {
        self.approvals.as_ref().map_or(&[], |approvals| &approvals.list)
    }

    /// The CloudHSM service whose operation a quorum approval file approves, if the file says so (key
    /// services do).
    pub fn service(&self) -> Option<&str> {
        self.approvals.as_ref()?.service.as_deref()
    }

    /// Whether an approval in this file names the approver's role: key services require it, older admin
    /// services do not.
    pub fn wants_role(&self) -> bool {
        self.approvals.as_ref().is_some_and(approval::Approvals::is_for_key_service)
    }

    /// The text of `PublicKey` in a CMU file; `None` for other formats.
    pub fn public_key_text(&self) -> Option<&str> {
        self.public_key.as_ref().map(|member| member.text.as_str())
    }

    /// The file's bytes with `changes` made, at most one for each token and each approver. Everything else
    /// stays as it was read; a change that does not fit the format is ignored.
    pub fn with<'a>(&self, changes: impl IntoIterator<Item = Change<'a>>) -> Vec<u8> {
        change::apply(self, changes)
    }
}

#[cfg(test)]
mod tests;
