//! Usage errors that clap does not detect.

use std::path::PathBuf;

use countersign::error::{Exit, Explain};
use countersign::uri::UriError;

/// A command line that makes no sense.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UsageError {
    #[error("--pin-source is not one of prompt, file:PATH, env:NAME, fd:NUMBER")]
    PinSource,
    #[error("--key is given {0} times; at most 8 devices can be named")]
    TooManyKeys(usize),
    #[error("the signed file and the JSON document cannot both go to stdout")]
    JsonAndStdout,
    #[error("--public-key {0:?} names no user, and the file is a quorum approval")]
    NoUserForKey(PathBuf),
    #[error("--write-public-key requires a file")]
    PublicKeyToStdout,
    #[error("{0:?} is not a file")]
    WaitWithBlank(PathBuf),
    #[error("--public-key is given twice for {0}")]
    TwoKeys(String),
    #[error("{0}")]
    NotForThisFile(&'static str),
    #[error("--key is empty")]
    EmptyKey,
    #[error("the label is empty")]
    EmptyLabel,
    #[error("the id {0:?} is not a hexadecimal number of 1 to 32 bytes")]
    Id(String),
    #[error("{}", if *.0 == 0 { "--key is missing".to_owned() } else { format!("--key is given {0} times, but one key is expected", .0) })]
    OneKey(usize),
}

impl Explain for UsageError {
    fn exit(&self) -> Exit {
        Exit::Usage
    }

    fn hint(&self) -> Option<String> {
        let hint = match self {
            UsageError::PinSource => {
                "write file:PATH for a file; the PIN itself is never given here, where others can see it"
            }
            UsageError::TooManyKeys(_) => "leave some out: AWS allows 8 MFA devices for one user",
            UsageError::JsonAndStdout => "write the signed file elsewhere with -o FILE",
            UsageError::NoUserForKey(_) => {
                "say whose key it is: --public-key USER=PEM, once for each approver"
            }
            UsageError::PublicKeyToStdout => "write it to stdout with countersign public-key",
            UsageError::WaitWithBlank(_) => "seconds are given as --wait=SECONDS, without a blank",
            UsageError::TwoKeys(_) => "give one key for each",
            UsageError::NotForThisFile(_) => "see countersign help verify",
            UsageError::EmptyKey => {
                "give a pkcs11: URI, or leave --key out to use the one suitable key that is present"
            }
            UsageError::EmptyLabel => "a key without a name is hard to find again: give it one",
            UsageError::Id(_) => "write two digits for each byte, as in 01 or 0a1b",
            UsageError::OneKey(_) => "name the one key that the certificate is for",
        };
        Some(hint.into())
    }
}

/// A URI on the command line that is malformed. Its text is not repeated: it may hold a PIN.
#[derive(Debug, thiserror::Error)]
#[error("the URI given as {place} is malformed: {source}")]
pub(crate) struct BadUri {
    pub(crate) place: &'static str,
    pub(crate) source: UriError,
}

impl Explain for BadUri {
    fn exit(&self) -> Exit {
        Exit::Malformed
    }

    fn hint(&self) -> Option<String> {
        self.source.hint()
    }
}
