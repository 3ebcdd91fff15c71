//! The hashes that signatures cover here.

use sha2::{Digest as _, Sha256, Sha384, Sha512};

/// A hash of the SHA-2 family (FIPS 180-4).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Hash {
    /// SHA-256, 32 bytes.
    #[default]
    Sha256,
    /// SHA-384, 48 bytes.
    Sha384,
    /// SHA-512, 64 bytes.
    Sha512,
}

impl Hash {
    /// The digest of `message`.
    pub fn digest(self, message: &[u8]) -> Vec<u8> {
        match self {
            Hash::Sha256 => Sha256::digest(message).to_vec(),
            Hash::Sha384 => Sha384::digest(message).to_vec(),
            Hash::Sha512 => Sha512::digest(message).to_vec(),
        }
    }

    /// The DER DigestInfo of a digest: what `CKM_RSA_PKCS` signs (RFC 8017 section 9.2, note 1).
    pub fn digest_info(self, digest: &[u8]) -> Vec<u8> {
        // SEQUENCE { SEQUENCE { OID 2.16.840.1.101.3.4.2.x, NULL }, OCTET STRING }, where only these three bytes differ.
        let (oid, length) = match self {
            Hash::Sha256 => (1, 32),
            Hash::Sha384 => (2, 48),
            Hash::Sha512 => (3, 64),
        };
        let head = [
            0x30,
            17 + length,
            0x30,
            0x0d,
            0x06,
            0x09,
            0x60,
            0x86,
            0x48,
            0x01,
            0x65,
            0x03,
            0x04,
            0x02,
            oid,
            0x05,
            0x00,
            0x04,
            length,
        ];
        [&head, digest].concat()
    }
}

/// The SHA-256 of bytes in lower-case hexadecimal.
pub(crate) fn sha256_hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}
