//! What is signed, with which mechanism, and whether a signature verifies. Pure: knows no device.

mod curve;
mod hash;
mod mechanism;
mod public_key;
mod verify;

pub use hash::Hash;
pub(crate) use hash::sha256_hex;
pub use mechanism::{Mechanism, MechanismChoice};
pub use public_key::{KeyNumbers, PublicKey, PublicKeyError};
pub use verify::{Verifier, VerifyError};

/// What a signature is made over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Payload {
    /// 32 bytes that are a SHA-256 digest already and must not be hashed again.
    Digest([u8; 32]),
    /// Bytes that are hashed as part of signing.
    Message {
        /// With which hash.
        hash: Hash,
        /// The bytes.
        bytes: Vec<u8>,
    },
}

impl Payload {
    /// A message that is hashed with SHA-256.
    pub fn message(bytes: impl Into<Vec<u8>>) -> Self {
        Payload::Message { hash: Hash::Sha256, bytes: bytes.into() }
    }

    /// The hash of the signature.
    pub fn hash(&self) -> Hash {
        match self {
            Payload::Digest(_) => Hash::Sha256,
            Payload::Message { hash, .. } => *hash,
        }
    }

    /// The digest that the signature covers.
    pub fn digest(&self) -> Vec<u8> {
        match self {
            Payload::Digest(digest) => digest.to_vec(),
            Payload::Message { hash, bytes } => hash.digest(bytes),
        }
    }
}
