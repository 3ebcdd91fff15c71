//! Why a request to sign or to verify cannot be carried out, and why a file that could be signed is not.

use std::path::PathBuf;

use crate::error::{Exit, Explain};
use crate::signature::VerifyError;
use crate::tokenfile::{TokenFileError, UsernameError};

/// Files and options that make no sense together.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)] // Each variant is its message.
pub enum RequestError {
    #[error("-o takes one file, but {0} were given")]
    OutputOfMany(usize),
    #[error("- (stdin) cannot be given together with other files")]
    StdinAndFiles,
    #[error("one file is named twice: {0:?} and {1:?}")]
    SameFile(PathBuf, PathBuf),
    #[error("{0} and {1} are the same file: {2:?}")]
    OneFileForTwo(&'static str, &'static str, PathBuf),
    #[error("a quorum token is approved in a user's name, but --username is missing")]
    NoUsername,
    #[error("CloudHSM has no user {name:?}: {source}")]
    Username { name: String, source: UsernameError },
    #[error("{0:?} is taken as a whole, not as a token file")]
    NotParsed(String),
    #[error("a file is required, but a key URI was given")]
    UriForFile,
}

impl Explain for RequestError {
    fn exit(&self) -> Exit {
        Exit::Usage
    }

    fn hint(&self) -> Option<String> {
        let hint = match self {
            RequestError::OutputOfMany(_) => "leave -o out to sign in place, or give one file at a time",
            RequestError::StdinAndFiles => "give - alone",
            RequestError::SameFile(..) => "name it once",
            RequestError::OneFileForTwo(..) => "name two different files: one would replace the other",
            RequestError::NoUsername => {
                "give your CloudHSM user name: --username NAME (or COUNTERSIGN_USERNAME)"
            }
            RequestError::Username { .. } => "give the user name that you log in with: --username NAME",
            RequestError::NotParsed(_) => "leave --detached out",
            RequestError::UriForFile => "name the key with --key",
        };
        Some(hint.into())
    }
}

/// Why a file that is well-formed is not signed.
#[derive(Debug, thiserror::Error)]
pub enum Unsignable {
    /// A signature that is not base64, and existing ones are to be kept.
    #[error("{name:?} has a signature that cannot be read: {source}")]
    Unreadable {
        /// The file.
        name: String,
        /// Which one, and what is wrong with it.
        source: TokenFileError,
    },
    /// A signature by another key, and existing ones are to be kept.
    #[error("{name:?}: {what} {}", match error {
        VerifyError::HashedTwice | VerifyError::NoDigestInfo => format!("is not what CloudHSM accepts: {error}"),
        error => format!("is signed already, but not by this key: {error}"),
    })]
    OtherSignature {
        /// The file.
        name: String,
        /// Which signature: `token 2`.
        what: String,
        /// In which way it is not this key's.
        error: VerifyError,
    },
    /// A file to be signed whole that looks like a token file.
    #[error(
        "{name:?} looks like a CloudHSM token file, and CloudHSM accepts no signature of such a file as a whole"
    )]
    LooksLikeTokens {
        /// The file.
        name: String,
    },
    /// A CMU file's `PublicKey` is another key.
    #[error("{name:?}: its \"PublicKey\" {}", if *is_readable { "is not the key that signs" } else { "cannot be read" })]
    OtherPublicKey {
        /// The file.
        name: String,
        /// Whether it is a public key at all.
        is_readable: bool,
    },
    /// The public key that was found cannot verify anything here.
    #[error("the existing signatures cannot be checked: {error}")]
    UnusableKey {
        /// Why.
        error: VerifyError,
    },
}

impl Explain for Unsignable {
    fn exit(&self) -> Exit {
        match self {
            Unsignable::LooksLikeTokens { .. } => Exit::Malformed,
            Unsignable::Unreadable { source, .. } => source.exit(),
            Unsignable::OtherSignature { .. } => Exit::Signature,
            Unsignable::OtherPublicKey { is_readable: false, .. } => Exit::Malformed,
            Unsignable::OtherPublicKey { .. } | Unsignable::UnusableKey { .. } => Exit::Key,
        }
    }

    fn hint(&self) -> Option<String> {
        let hint = match self {
            Unsignable::Unreadable { source, .. } => return source.hint(),
            Unsignable::OtherSignature { .. } => "--force replaces the existing signatures",
            Unsignable::OtherPublicKey { .. } => {
                "sign with the key that the file names, or replace it and all signatures with --force"
            }
            Unsignable::LooksLikeTokens { .. } => {
                "leave --detached out to sign its tokens; with --force it is signed as a whole anyway"
            }
            Unsignable::UnusableKey { .. } => "name an RSA-2048 key with --key",
        };
        Some(hint.into())
    }
}
