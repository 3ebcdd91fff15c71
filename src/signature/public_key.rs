//! A public key from PKCS#11, certificates or PEM files, in one form that can be compared.

use std::fmt;

use der::asn1::{BitString, Null, ObjectIdentifier, OctetString, UintRef};
use der::pem::{self, LineEnding};
use der::{Decode, Encode, Sequence};
use spki::{AlgorithmIdentifierOwned, SubjectPublicKeyInfoOwned};

use super::curve::{self, P256, P384, P521};
use crate::pem::{blocks, text};

const RSA_ENCRYPTION: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
const EC_PUBLIC_KEY: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
/// Curves that keys may be on and that are not supported, by openssl's names.
const OTHER_CURVES: [(ObjectIdentifier, &str); 6] = [
    (ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.1"), "P-192"),
    (ObjectIdentifier::new_unwrap("1.3.132.0.33"), "P-224"),
    (ObjectIdentifier::new_unwrap("1.3.132.0.10"), "secp256k1"),
    (ObjectIdentifier::new_unwrap("1.3.36.3.3.2.8.1.1.7"), "brainpoolP256r1"),
    (ObjectIdentifier::new_unwrap("1.3.36.3.3.2.8.1.1.11"), "brainpoolP384r1"),
    (ObjectIdentifier::new_unwrap("1.3.36.3.3.2.8.1.1.13"), "brainpoolP512r1"),
];
/// Algorithms of keys that are met and not supported, by their usual names (RFC 8410, RFC 4055, RFC 3279, RFC 9881).
const OTHER_ALGORITHMS: [(ObjectIdentifier, &str); 9] = [
    (ObjectIdentifier::new_unwrap("1.3.101.110"), "X25519"),
    (ObjectIdentifier::new_unwrap("1.3.101.111"), "X448"),
    (ObjectIdentifier::new_unwrap("1.3.101.112"), "Ed25519"),
    (ObjectIdentifier::new_unwrap("1.3.101.113"), "Ed448"),
    (ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.10"), "RSASSA-PSS"),
    (ObjectIdentifier::new_unwrap("1.2.840.10040.4.1"), "DSA"),
    (ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.3.17"), "ML-DSA-44"),
    (ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.3.18"), "ML-DSA-65"),
    (ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.3.19"), "ML-DSA-87"),
];
const PEM_LABEL: &str = "PUBLIC KEY";

/// A public key. Equal keys compare equal wherever they were read from.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct PublicKey {
    numbers: KeyNumbers,
    /// Encoded once, when the key is made: a key that cannot be encoded is refused.
    spki_der: Vec<u8>,
    spki_pem: String,
}

/// What a key consists of.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum KeyNumbers {
    /// RSA; both numbers big-endian without leading zero bytes.
    Rsa {
        /// The modulus.
        modulus: Vec<u8>,
        /// The public exponent.
        exponent: Vec<u8>,
    },
    /// A key on a named elliptic curve.
    Ec {
        /// The curve's object identifier.
        curve: ObjectIdentifier,
        /// The point, SEC 1 encoded (`04 ‖ X ‖ Y`).
        point: Vec<u8>,
    },
}

/// Why bytes are not a usable public key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PublicKeyError {
    /// Not PEM text with the label `PUBLIC KEY`.
    #[error("it is not a PEM public key file (-----BEGIN PUBLIC KEY-----)")]
    NotPem,
    /// It is PEM, but of something else.
    #[error("it holds a {found}, not a public key")]
    OtherPem {
        /// The PEM label, as `PRIVATE KEY`.
        found: String,
    },
    /// The DER inside is malformed.
    #[error("its DER is malformed: {0}")]
    Der(String),
    /// An algorithm other than RSA and EC on a named curve.
    #[error("it has the algorithm {0}; RSA and EC keys are supported")]
    Algorithm(String),
}

impl PublicKey {
    /// An RSA key from PKCS#11's CKA_MODULUS and CKA_PUBLIC_EXPONENT (big-endian; some modules pad with zero bytes).
    ///
    /// # Errors
    /// [`PublicKeyError::Der`] when one of them is zero.
    pub fn rsa(modulus: &[u8], exponent: &[u8]) -> Result<Self, PublicKeyError> {
        let (modulus, exponent) = (strip_zeros(modulus).to_vec(), strip_zeros(exponent).to_vec());
        if modulus.is_empty() || exponent.is_empty() {
            return Err(PublicKeyError::Der("a number of the RSA key is zero".into()));
        }
        Self::of(KeyNumbers::Rsa { modulus, exponent })
    }

    /// An EC key from PKCS#11's CKA_EC_PARAMS (the DER of a curve's OID, or its numbers) and CKA_EC_POINT (PKCS#11 v3.0 section 2.3.3:
    /// the point in a DER OCTET STRING; some modules leave the wrapping out).
    ///
    /// # Errors
    /// [`PublicKeyError::Algorithm`] when the parameters are those of no curve that has a name.
    pub fn ec(params: &[u8], point: &[u8]) -> Result<Self, PublicKeyError> {
        let curve = curve::named(params).ok_or_else(unknown_curve)?;
        let unwrapped = OctetString::from_der(point).map(|octets| octets.as_bytes().to_vec());
        Self::of(KeyNumbers::Ec { curve, point: unwrapped.unwrap_or_else(|_| point.to_vec()) })
    }

    /// Reads a SubjectPublicKeyInfo in PEM, as `openssl rsa -pubout` writes and CloudHSM CLI asks for, or in DER.
    ///
    /// # Errors
    /// Says what the file is instead.
    pub fn from_pem(bytes: &[u8]) -> Result<Self, PublicKeyError> {
        // Text may begin like DER.
        if bytes.first() == Some(&0x30)
            && let Ok(key) = Self::from_spki_der(bytes)
        {
            return Ok(key);
        }
        let text = text(bytes);
        let block = blocks(&text).next().ok_or(PublicKeyError::NotPem)?;
        match block.label {
            Some(PEM_LABEL) => Self::from_spki_der(&block.der.ok_or(PublicKeyError::NotPem)?),
            Some(label) => Err(PublicKeyError::OtherPem { found: label.to_owned() }),
            None => Err(PublicKeyError::NotPem),
        }
    }

    /// Reads a DER SubjectPublicKeyInfo (RFC 5280 section 4.1.2.7).
    ///
    /// # Errors
    /// Says what is wrong with it.
    pub fn from_spki_der(der: &[u8]) -> Result<Self, PublicKeyError> {
        let info = SubjectPublicKeyInfoOwned::from_der(der).map_err(malformed)?;
        let bits = info.subject_public_key.raw_bytes();
        match info.algorithm.oid {
            RSA_ENCRYPTION => {
                let key = RsaPublicKey::from_der(bits).map_err(malformed)?;
                Self::rsa(key.modulus.as_bytes(), key.exponent.as_bytes())
            }
            EC_PUBLIC_KEY => {
                let parameters = info.algorithm.parameters.ok_or(PublicKeyError::Algorithm("EC".into()))?;
                let parameters = parameters.to_der().map_err(malformed)?;
                let curve = curve::named(&parameters).ok_or_else(unknown_curve)?;
                Self::of(KeyNumbers::Ec { curve, point: bits.to_vec() })
            }
            other => {
                let known = OTHER_ALGORITHMS.iter().find(|(id, _)| *id == other);
                let name = known.map_or_else(|| other.to_string(), |(_, name)| (*name).to_owned());
                Err(PublicKeyError::Algorithm(name))
            }
        }
    }

    /// The DER SubjectPublicKeyInfo.
    pub fn spki_der(&self) -> &[u8] {
        &self.spki_der
    }

    /// The SubjectPublicKeyInfo in PEM, byte for byte as `openssl rsa -pubout` writes it.
    pub fn spki_pem(&self) -> &str {
        &self.spki_pem
    }

    /// Its numbers.
    pub fn numbers(&self) -> &KeyNumbers {
        &self.numbers
    }

    /// Whether it is an RSA key.
    pub fn is_rsa(&self) -> bool {
        matches!(self.numbers, KeyNumbers::Rsa { .. })
    }

    /// Lower-case hex SHA-256 of the DER SubjectPublicKeyInfo: a name for the key that no device can change.
    pub fn sha256(&self) -> String {
        super::sha256_hex(&self.spki_der)
    }

    /// The size in bits: of the modulus, or of the curve.
    pub fn bits(&self) -> u32 {
        match &self.numbers {
            KeyNumbers::Rsa { modulus, .. } => {
                let leading = modulus.first().map_or(0, |byte| byte.leading_zeros());
                modulus.len() as u32 * 8 - leading
            }
            KeyNumbers::Ec { curve, point } => match *curve {
                P256 => 256,
                P384 => 384,
                P521 => 521,
                _ => (point.len().saturating_sub(1) / 2) as u32 * 8,
            },
        }
    }

    /// The kind and size as people write it: `RSA-2048`, `EC P-256`.
    pub fn describe(&self) -> String {
        match &self.numbers {
            KeyNumbers::Rsa { .. } => format!("RSA-{}", self.bits()),
            KeyNumbers::Ec { curve, .. } => match *curve {
                P256 => "EC P-256".into(),
                P384 => "EC P-384".into(),
                P521 => "EC P-521".into(),
                other => match OTHER_CURVES.iter().find(|(id, _)| *id == other) {
                    Some((_, name)) => format!("EC {name}"),
                    None => format!("EC {other}"),
                },
            },
        }
    }

    fn of(numbers: KeyNumbers) -> Result<Self, PublicKeyError> {
        let spki_der = encode(&numbers).map_err(malformed)?;
        let spki_pem = pem::encode_string(PEM_LABEL, LineEnding::LF, &spki_der);
        let spki_pem = spki_pem.map_err(|error| PublicKeyError::Der(error.to_string()))?;
        Ok(PublicKey { numbers, spki_der, spki_pem })
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} sha256:{}", self.describe(), self.sha256())
    }
}

/// RFC 8017 appendix A.1.1.
#[derive(Sequence)]
struct RsaPublicKey<'a> {
    modulus: UintRef<'a>,
    exponent: UintRef<'a>,
}

fn encode(numbers: &KeyNumbers) -> der::Result<Vec<u8>> {
    let (oid, parameters, bits) = match numbers {
        KeyNumbers::Rsa { modulus, exponent } => {
            let key = RsaPublicKey { modulus: UintRef::new(modulus)?, exponent: UintRef::new(exponent)? };
            (RSA_ENCRYPTION, der::Any::encode_from(&Null)?, key.to_der()?)
        }
        KeyNumbers::Ec { curve, point } => (EC_PUBLIC_KEY, der::Any::encode_from(curve)?, point.clone()),
    };
    SubjectPublicKeyInfoOwned {
        algorithm: AlgorithmIdentifierOwned { oid, parameters: Some(parameters) },
        subject_public_key: BitString::from_bytes(&bits)?,
    }
    .to_der()
}

fn unknown_curve() -> PublicKeyError {
    PublicKeyError::Algorithm("EC on a curve without a name".into())
}

fn malformed(error: der::Error) -> PublicKeyError {
    PublicKeyError::Der(error.to_string())
}

fn strip_zeros(number: &[u8]) -> &[u8] {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    &number[zeros..]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn padded_numbers_make_the_same_key_and_zero_makes_none() {
        let key = PublicKey::rsa(&[0xc0, 0x01], &[1, 0, 1]).unwrap();
        assert_eq!(PublicKey::rsa(&[0, 0, 0xc0, 0x01], &[0, 1, 0, 1]), Ok(key.clone()));
        assert_eq!(PublicKey::from_spki_der(key.spki_der()), Ok(key.clone()));
        assert_eq!(PublicKey::from_pem(key.spki_pem().as_bytes()), Ok(key.clone()));
        assert!(key.is_rsa() && key.bits() == 16);
        for (modulus, exponent) in [(&[][..], &[1][..]), (&[0xc1], &[]), (&[0, 0], &[3]), (&[0xc1], &[0])] {
            assert!(matches!(PublicKey::rsa(modulus, exponent), Err(PublicKeyError::Der(_))));
        }
    }
}
