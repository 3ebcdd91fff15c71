//! The text that `sign-string` signs, the same as AWS's helper: constant for a key, so that nothing else can
//! be signed with it.

use der::Decode as _;
use sha2::{Digest as _, Sha256};
use spki::SubjectPublicKeyInfoRef;

use crate::signature::{PublicKey, PublicKeyError};

const TEXT: &[u8] = b"AWS Roles Anywhere Credential Helper Signing Test";
const VERSION: &[u8] = b"1";
const PREFIX: &[u8] = b"IAM RA";

/// `TEXT ‖ VERSION ‖ SHA-256("IAM RA" ‖ key)`, with the digest as 32 raw bytes. An RSA key is the DER of
/// PKCS#1 (RFC 8017 appendix A.1.1), an EC key the point `04 ‖ X ‖ Y` (SEC 1 section 2.3.3)
/// ([AWS](https://github.com/aws/rolesanywhere-credential-helper#sign-string)).
///
/// # Errors
/// [`PublicKeyError::Der`] for a key that cannot be encoded, because it has many megabytes.
pub fn test_string(key: &PublicKey) -> Result<Vec<u8>, PublicKeyError> {
    let malformed = |error: der::Error| PublicKeyError::Der(error.to_string());
    // For both, the bit string of a SubjectPublicKeyInfo is what is needed (RFC 3279 sections 2.3.1 and
    // 2.3.5).
    let info = SubjectPublicKeyInfoRef::from_der(key.spki_der()).map_err(malformed)?;
    let digest = Sha256::digest([PREFIX, info.subject_public_key.raw_bytes()].concat());
    Ok([TEXT, VERSION, digest.as_slice()].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The digest at the end, computed with `openssl` over the bytes of the definition.
    fn digest(key: &PublicKey) -> String {
        let text = test_string(key).unwrap();
        let digest =
            text.strip_prefix(b"AWS Roles Anywhere Credential Helper Signing Test1".as_slice()).unwrap();
        digest.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    #[test]
    fn it_contains_an_rsa_key_as_pkcs_1() {
        // { printf 'IAM RA\x30\x0c\x02\x05\x00\xc0\xff\xee\x01\x02\x03\x01\x00\x01'; } | openssl dgst -sha256
        let key = PublicKey::rsa(&[0xc0, 0xff, 0xee, 0x01], &[1, 0, 1]).unwrap();
        assert_eq!(digest(&key), RSA);
    }

    #[test]
    fn it_contains_an_ec_key_as_its_point() {
        // { printf 'IAM RA\x04'; printf '\x11%.0s' $(seq 64); } | openssl dgst -sha256
        let p256 = [0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
        let point = [[4].as_slice(), &[0x11; 64]].concat();
        assert_eq!(digest(&PublicKey::ec(&p256, &point).unwrap()), EC);
    }

    const RSA: &str = "38d7729bda1584d3a9bcc7762bb2dc8cb9800e79fc12c958d68bae74c5f76516";
    const EC: &str = "beae3bd3d4501c12734f0f668566643f475b692fd303046126a693499f10fce4";
}
