//! What is signed, by which mechanism, and whether a signature verifies. Pure: knows no device.

mod public_key;

pub use public_key::{PublicKey, PublicKeyError};

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::digest::{Digest, SHA256};
use aws_lc_rs::signature::{self as lc, ParsedPublicKey};
use sha2::{Digest as _, Sha256};

/// What a signature is made over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Payload {
    /// 32 bytes that are a SHA-256 digest already and must not be hashed again.
    Digest([u8; 32]),
    /// Bytes that are hashed with SHA-256 as part of signing.
    Message(Vec<u8>),
}

impl Payload {
    /// The SHA-256 digest that the signature covers.
    pub fn digest(&self) -> [u8; 32] {
        match self {
            Payload::Digest(digest) => *digest,
            Payload::Message(message) => Sha256::digest(message).into(),
        }
    }
}

/// A PKCS#11 signing mechanism. All make an RSASSA-PKCS1-v1_5 signature with SHA-256 (RFC 8017 section 8.2), the same
/// bytes; they differ in how much of it the device does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mechanism {
    /// `CKM_RSA_PKCS`: the device is given the DER DigestInfo of a ready digest (PKCS#11 v3.0 section 2.1.4).
    RsaPkcs,
    /// `CKM_SHA256_RSA_PKCS`: the device is given the message and hashes it (PKCS#11 v3.0 section 2.1.5).
    Sha256RsaPkcs,
    /// `CKM_RSA_X_509`: the device is given the whole padded block (PKCS#11 v3.0 section 2.1.7).
    RsaX509,
}

impl Mechanism {
    /// The mechanisms that fit a payload, the best first: the device does as much as it can, and a digest is never
    /// handed to a mechanism that hashes.
    pub fn for_payload(payload: &Payload) -> &'static [Self] {
        match payload {
            Payload::Digest(_) => &[Mechanism::RsaPkcs, Mechanism::RsaX509],
            Payload::Message(_) => &[Mechanism::Sha256RsaPkcs, Mechanism::RsaPkcs, Mechanism::RsaX509],
        }
    }

    /// What the device is given to sign by this mechanism with a key of `modulus_bytes`.
    pub fn input(self, payload: &Payload, modulus_bytes: usize) -> Vec<u8> {
        match (self, payload) {
            (Mechanism::Sha256RsaPkcs, Payload::Message(message)) => message.clone(),
            (Mechanism::RsaX509, payload) => padded(&digest_info(&payload.digest()), modulus_bytes),
            (_, payload) => digest_info(&payload.digest()).to_vec(),
        }
    }

    /// The name in the PKCS#11 standard.
    pub fn ckm_name(self) -> &'static str {
        match self {
            Mechanism::RsaPkcs => "CKM_RSA_PKCS",
            Mechanism::Sha256RsaPkcs => "CKM_SHA256_RSA_PKCS",
            Mechanism::RsaX509 => "CKM_RSA_X_509",
        }
    }
}

impl fmt::Display for Mechanism {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.ckm_name())
    }
}

/// What the command line says about the mechanism.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MechanismChoice {
    /// The mechanism that fits the payload; what CloudHSM accepts.
    #[default]
    Auto,
    /// Always this one. [`Mechanism::Sha256RsaPkcs`] over a digest hashes it once more.
    Only(Mechanism),
}

impl MechanismChoice {
    /// The payload as this choice signs it, and the mechanisms to try. A digest under `CKM_SHA256_RSA_PKCS` becomes a
    /// message of 32 bytes, which the device hashes again: see [`MechanismChoice::hashes_twice`].
    pub fn apply(self, payload: Payload) -> (Payload, Vec<Mechanism>) {
        match (self, payload) {
            (MechanismChoice::Auto, payload) => {
                let mechanisms = Mechanism::for_payload(&payload).to_vec();
                (payload, mechanisms)
            }
            (MechanismChoice::Only(only @ Mechanism::Sha256RsaPkcs), Payload::Digest(digest)) => {
                (Payload::Message(digest.to_vec()), vec![only])
            }
            (MechanismChoice::Only(only), payload) => (payload, vec![only]),
        }
    }

    /// Whether this choice hashes `payload` although it is a digest already, so that CloudHSM refuses the signature.
    pub fn hashes_twice(self, payload: &Payload) -> bool {
        self == MechanismChoice::Only(Mechanism::Sha256RsaPkcs) && matches!(payload, Payload::Digest(_))
    }
}

impl FromStr for MechanismChoice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "auto" => Ok(MechanismChoice::Auto),
            "rsa-pkcs" => Ok(MechanismChoice::Only(Mechanism::RsaPkcs)),
            "sha256-rsa-pkcs" => Ok(MechanismChoice::Only(Mechanism::Sha256RsaPkcs)),
            _ => Err("possible values: auto, rsa-pkcs, sha256-rsa-pkcs".into()),
        }
    }
}

/// The DER DigestInfo of a SHA-256 digest: what `CKM_RSA_PKCS` signs (RFC 8017 section 9.2, note 1).
pub fn digest_info(digest: &[u8; 32]) -> [u8; 51] {
    const SHA256_PREFIX: [u8; 19] = [
        0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00,
        0x04, 0x20,
    ];
    let mut info = [0; 51];
    info[..19].copy_from_slice(&SHA256_PREFIX);
    info[19..].copy_from_slice(digest);
    info
}

/// EMSA-PKCS1-v1_5 (RFC 8017 section 9.2): the block of the modulus' length that holds a DigestInfo.
fn padded(info: &[u8], modulus_bytes: usize) -> Vec<u8> {
    let filling = modulus_bytes.saturating_sub(info.len() + 3);
    [&[0, 1], vec![0xff; filling].as_slice(), &[0], info].concat()
}

/// The SHA-256 of bytes in lower-case hexadecimal.
pub fn sha256_hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Why a signature was not accepted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VerifyError {
    /// The signature is not as long as the key's modulus.
    #[error("the signature has {found} bytes, a signature of this key has {expected}")]
    Length {
        /// Bytes that the signature has.
        found: usize,
        /// Bytes that a signature of the key has.
        expected: usize,
    },
    /// The signature was not made by this key over this payload.
    #[error("the signature does not verify under the key")]
    Mismatch,
    /// The signature is right for the payload hashed once more: somebody used `openssl dgst`, or a mechanism that
    /// hashes, on a digest.
    #[error("the token was hashed again before it was signed")]
    HashedTwice,
    /// Signatures of such a key cannot be verified here.
    #[error("signatures of {0} keys cannot be verified here")]
    Unsupported(String),
}

/// Verifies signatures under one public key. Parsing the key once matters for files of many tokens.
#[derive(Debug)]
pub struct Verifier {
    key: ParsedPublicKey,
    signature_bytes: usize,
}

impl Verifier {
    /// Prepares to verify RSASSA-PKCS1-v1_5 signatures with SHA-256 under `key`, an RSA key of 1024 to 8192 bits.
    ///
    /// # Errors
    /// [`VerifyError::Unsupported`] for other keys.
    pub fn new(key: &PublicKey) -> Result<Self, VerifyError> {
        let unsupported = || VerifyError::Unsupported(key.describe());
        let PublicKey::Rsa { .. } = key else { return Err(unsupported()) };
        let parameters = if key.bits() < 2048 {
            &lc::RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY
        } else {
            &lc::RSA_PKCS1_2048_8192_SHA256
        };
        let parsed = ParsedPublicKey::new(parameters, key.to_spki_der()).map_err(|_| unsupported())?;
        Ok(Verifier { key: parsed, signature_bytes: key.bits().div_ceil(8) as usize })
    }

    /// Whether `signature` was made by the key over `payload`.
    ///
    /// # Errors
    /// Says in which way it was not; [`VerifyError::HashedTwice`] is told apart because people make that mistake.
    pub fn verify(&self, payload: &Payload, signature: &[u8]) -> Result<(), VerifyError> {
        if signature.len() != self.signature_bytes {
            return Err(VerifyError::Length { found: signature.len(), expected: self.signature_bytes });
        }
        if self.accepts(&payload.digest(), signature) {
            return Ok(());
        }
        match payload {
            Payload::Digest(digest) if self.accepts(&Sha256::digest(digest).into(), signature) => {
                Err(VerifyError::HashedTwice)
            }
            _ => Err(VerifyError::Mismatch),
        }
    }

    fn accepts(&self, digest: &[u8; 32], signature: &[u8]) -> bool {
        Digest::import_less_safe(digest, &SHA256)
            .is_ok_and(|digest| self.key.verify_digest_sig(&digest, signature).is_ok())
    }
}
