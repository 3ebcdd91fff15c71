//! Whether a signature in a file counts.

use std::path::Path;

use super::detached::read_signature;
use crate::printable::one_line;
use crate::save::FileError;
use crate::signature::{Payload, Verifier, VerifyError};
use crate::tokenfile::Signed;

/// Why a signature does not count.
#[derive(Debug, thiserror::Error)]
pub enum SignatureFault {
    /// There is no signature.
    #[error("it is not signed")]
    NotSigned,
    /// It cannot be read.
    #[error("its signature is not base64: {0}")]
    NotBase64(String),
    /// The file that it should be in cannot be read.
    #[error(transparent)]
    NoFile(FileError),
    /// It is not this key's.
    #[error(transparent)]
    NotVerified(VerifyError),
    /// The public key of the approver was not given.
    #[error("no --public-key was given for this user")]
    NoKey,
    /// This key approved already, in the name of another user.
    #[error("it is by the key of {}", one_line(.0))]
    SameKey(String),
}

/// Checks the signature that a file holds.
///
/// # Errors
/// Says why it does not count.
pub fn check_signature(
    signed: &Signed,
    payload: &Payload,
    verifier: &Verifier,
) -> Result<(), SignatureFault> {
    match signed {
        Signed::No => Err(SignatureFault::NotSigned),
        Signed::Unreadable(reason) => Err(SignatureFault::NotBase64(reason.clone())),
        Signed::Yes(signature) => verifier.verify(payload, signature).map_err(SignatureFault::NotVerified),
    }
}

/// Checks the signature of a whole file. The signature is in `place`, or beside the file.
///
/// # Errors
/// Says why it does not count.
pub fn check_detached(bytes: &[u8], place: &Path, verifier: &Verifier) -> Result<(), SignatureFault> {
    let signature = read_signature(place).map_err(SignatureFault::NoFile)?;
    verifier.verify(&Payload::message(bytes), &signature).map_err(SignatureFault::NotVerified)
}
