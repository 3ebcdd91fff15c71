//! Why a file that could be signed is not.

use std::time::Duration;

use countersign::duration::in_words;
use countersign::error::{Error, Exit, Explain};
use countersign::signature::VerifyError;
use countersign::tokenfile::TokenFileError;

/// A signature that is no base64, and `--force` was not given.
#[derive(Debug, thiserror::Error)]
#[error("{name:?} has a signature that cannot be read: {source}")]
pub(super) struct Unreadable {
    pub(super) name: String,
    pub(super) source: TokenFileError,
}

impl Explain for Unreadable {
    fn exit(&self) -> Exit {
        self.source.exit()
    }
    fn hint(&self) -> Option<String> {
        self.source.hint()
    }
}

/// A signature by another key, and `--force` was not given.
#[derive(Debug, thiserror::Error)]
#[error("{name:?}: {what} {}", match error {
    VerifyError::HashedTwice => "is not what CloudHSM accepts: the token was hashed again before it was signed".into(),
    error => format!("is signed already, but not by this key: {error}"),
})]
pub(super) struct OtherSignature {
    pub(super) name: String,
    pub(super) what: String,
    pub(super) error: VerifyError,
}

impl Explain for OtherSignature {
    fn exit(&self) -> Exit {
        Exit::Signature
    }
    fn hint(&self) -> Option<String> {
        Some("--force replaces the signatures that are there".into())
    }
}

/// A CMU file's `PublicKey` is another key.
#[derive(Debug, thiserror::Error)]
#[error("{name:?}: its \"PublicKey\" {}", if *readable { "is another key than the one that signs" } else { "cannot be read" })]
pub(super) struct OtherPublicKey {
    pub(super) name: String,
    pub(super) readable: bool,
}

impl Explain for OtherPublicKey {
    fn exit(&self) -> Exit {
        if self.readable { Exit::Key } else { Exit::Malformed }
    }
    fn hint(&self) -> Option<String> {
        Some("sign with the key that the file names, or replace it and all signatures with --force".into())
    }
}

/// The public key that was found cannot verify anything here.
#[derive(Debug, thiserror::Error)]
#[error("the signatures that are there cannot be checked: {error}")]
pub(super) struct UnusableKey {
    pub(super) error: VerifyError,
}

impl Explain for UnusableKey {
    fn exit(&self) -> Exit {
        Exit::Key
    }
    fn hint(&self) -> Option<String> {
        Some("name an RSA-2048 key with --key".into())
    }
}

/// What was waited for did not come.
#[derive(Debug)]
pub(super) struct TimedOut {
    pub(super) limit: Duration,
    pub(super) last: Error,
}

impl std::fmt::Display for TimedOut {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "timed out after {}: {}", in_words(self.limit), self.last)
    }
}

impl std::error::Error for TimedOut {}

impl Explain for TimedOut {
    fn exit(&self) -> Exit {
        self.last.exit()
    }
    fn detail(&self) -> Vec<String> {
        self.last.detail()
    }
    fn hint(&self) -> Option<String> {
        self.last.hint()
    }
}

/// With `--wait`: not the file that is waited for.
#[derive(Debug, thiserror::Error)]
#[error("{name:?} {}", if *being_written { "is still being written" } else { "is signed already, a new one is waited for" })]
pub(super) struct NotNew {
    pub(super) name: String,
    pub(super) being_written: bool,
}

impl Explain for NotNew {
    fn exit(&self) -> Exit {
        Exit::Other
    }
    fn may_pass(&self) -> bool {
        true
    }
    fn hint(&self) -> Option<String> {
        Some(
            "leave --wait out to have the file that is there looked at, or use --force to sign it again"
                .into(),
        )
    }
}
