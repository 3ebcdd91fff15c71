//! Verifying signatures in software, with a public key.

use aws_lc_rs::digest::{self, Digest};
use aws_lc_rs::signature::{self as lc, EcdsaVerificationAlgorithm, ParsedPublicKey};

use num_bigint::BigUint;

use super::{Hash, KeyNumbers, Payload, PublicKey};

/// Why a signature was not accepted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VerifyError {
    /// The signature is not as long as the key's modulus.
    #[error("the signature has {found} bytes; this key's signatures have {expected}")]
    Length {
        /// The length of the signature in bytes.
        found: usize,
        /// The length of this key's signatures in bytes.
        expected: usize,
    },
    /// The signature was not made by this key over this payload.
    #[error("the signature does not verify under the key")]
    Mismatch,
    /// The signature is right for the payload hashed once more: somebody used `openssl dgst`, or a mechanism
    /// that hashes, on a digest.
    #[error("the token was hashed again before it was signed")]
    HashedTwice,
    /// The signature covers the digest's bare bytes, padded (PKCS #1 v1.5) without the DigestInfo that names
    /// SHA-256: somebody left `-pkeyopt digest:sha256` out of `openssl pkeyutl -sign`.
    #[error(
        "it was made over the digest's bare bytes, as openssl pkeyutl makes it without -pkeyopt digest:sha256"
    )]
    NoDigestInfo,
    /// Signatures by such a key cannot be verified here.
    #[error("signatures of {0} keys cannot be verified here")]
    Unsupported(String),
}

/// Verifies signatures with one public key. Parsing the key once matters for files with many tokens.
#[derive(Debug)]
pub struct Verifier {
    key: PublicKey,
    /// The key parsed for SHA-256, which nearly all signatures use.
    sha256: ParsedPublicKey,
}

impl Verifier {
    /// Prepares to verify RSASSA-PKCS1-v1_5 signatures under an RSA key of 1024 to 8192 bits, or ECDSA signatures in DER
    /// under a key on P-256, P-384 or P-521.
    ///
    /// # Errors
    /// [`VerifyError::Unsupported`] for other keys.
    pub fn new(key: &PublicKey) -> Result<Self, VerifyError> {
        let sha256 = parsed(key, Hash::Sha256).ok_or_else(|| VerifyError::Unsupported(key.describe()))?;
        Ok(Verifier { key: key.clone(), sha256 })
    }

    /// Whether `signature` was made by the key over `payload`.
    ///
    /// # Errors
    /// Says in which way it was not; [`VerifyError::HashedTwice`] is an error of its own because people make
    /// that mistake.
    pub fn verify(&self, payload: &Payload, signature: &[u8]) -> Result<(), VerifyError> {
        if self.key.is_rsa() {
            let expected = self.key.bits().div_ceil(8) as usize;
            if signature.len() != expected {
                return Err(VerifyError::Length { found: signature.len(), expected });
            }
        }
        if self.accepts(payload.hash(), &payload.digest(), signature) {
            return Ok(());
        }
        match payload {
            Payload::Digest(digest)
                if self.accepts(Hash::Sha256, &Hash::Sha256.digest(digest), signature) =>
            {
                Err(VerifyError::HashedTwice)
            }
            _ if self.is_of_bare_digest(&payload.digest(), signature) => Err(VerifyError::NoDigestInfo),
            _ => Err(VerifyError::Mismatch),
        }
    }

    /// Whether the signature is the padded digest (RFC 8017 section 9.2) without its DigestInfo. This only
    /// names a mistake: such a signature is never accepted.
    fn is_of_bare_digest(&self, digest: &[u8], signature: &[u8]) -> bool {
        let KeyNumbers::Rsa { modulus, exponent } = self.key.numbers() else { return false };
        let [signature, exponent, number] = [signature, exponent, modulus].map(BigUint::from_bytes_be);
        let recovered = signature.modpow(&exponent, &number).to_bytes_be();
        // Without the leading zero byte, which a number does not have.
        let padding = [&[1][..], &vec![0xff; modulus.len().saturating_sub(digest.len() + 3)], &[0]].concat();
        recovered == [&padding, digest].concat()
    }

    fn accepts(&self, hash: Hash, digest: &[u8], signature: &[u8]) -> bool {
        let algorithm = match hash {
            Hash::Sha256 => &digest::SHA256,
            Hash::Sha384 => &digest::SHA384,
            Hash::Sha512 => &digest::SHA512,
        };
        let Ok(digest) = Digest::import_less_safe(digest, algorithm) else { return false };
        let verify = |key: &ParsedPublicKey| key.verify_digest_sig(&digest, signature).is_ok();
        match hash {
            Hash::Sha256 => verify(&self.sha256),
            other => parsed(&self.key, other).is_some_and(|key| verify(&key)),
        }
    }
}

fn parsed(key: &PublicKey, hash: Hash) -> Option<ParsedPublicKey> {
    let der = key.spki_der();
    let key = match key.numbers() {
        KeyNumbers::Rsa { .. } => match (hash, key.bits() < 2048) {
            (Hash::Sha256, true) => {
                ParsedPublicKey::new(&lc::RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY, der)
            }
            (Hash::Sha256, false) => ParsedPublicKey::new(&lc::RSA_PKCS1_2048_8192_SHA256, der),
            (Hash::Sha384, _) => ParsedPublicKey::new(&lc::RSA_PKCS1_2048_8192_SHA384, der),
            (Hash::Sha512, _) => ParsedPublicKey::new(&lc::RSA_PKCS1_2048_8192_SHA512, der),
        },
        KeyNumbers::Ec { .. } => ParsedPublicKey::new(ecdsa(key.bits(), hash)?, der),
    };
    key.ok()
}

fn ecdsa(bits: u32, hash: Hash) -> Option<&'static EcdsaVerificationAlgorithm> {
    Some(match (bits, hash) {
        (256, Hash::Sha256) => &lc::ECDSA_P256_SHA256_ASN1,
        (256, Hash::Sha384) => &lc::ECDSA_P256_SHA384_ASN1,
        (256, Hash::Sha512) => &lc::ECDSA_P256_SHA512_ASN1,
        (384, Hash::Sha256) => &lc::ECDSA_P384_SHA256_ASN1,
        (384, Hash::Sha384) => &lc::ECDSA_P384_SHA384_ASN1,
        (384, Hash::Sha512) => &lc::ECDSA_P384_SHA512_ASN1,
        (521, Hash::Sha256) => &lc::ECDSA_P521_SHA256_ASN1,
        (521, Hash::Sha384) => &lc::ECDSA_P521_SHA384_ASN1,
        (521, Hash::Sha512) => &lc::ECDSA_P521_SHA512_ASN1,
        _ => return None,
    })
}
