//! With which PKCS#11 mechanism a payload is signed, what the device receives, and what its answer is turned
//! into.

use std::fmt;
use std::str::FromStr;

use der::Encode;
use der::asn1::UintRef;

use super::{Hash, KeyNumbers, Payload, PublicKey};

/// A PKCS#11 signing mechanism. Those for RSA all produce an RSASSA-PKCS1-v1_5 signature (RFC 8017 section
/// 8.2), the same bytes; they differ in how much of the work the device does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mechanism {
    /// `CKM_RSA_PKCS`: the device receives the DER DigestInfo of a finished digest (PKCS#11 v3.0 section
    /// 2.1.4).
    RsaPkcs,
    /// `CKM_SHA256_RSA_PKCS` and its like: the device receives the message and hashes it (PKCS#11 v3.0
    /// section 2.1.5).
    ShaRsaPkcs(Hash),
    /// `CKM_RSA_X_509`: the device receives the whole padded block (PKCS#11 v3.0 section 2.1.7).
    RsaX509,
    /// `CKM_ECDSA`: the device receives the digest (PKCS#11 v3.0 section 2.3.6). The ECDSA mechanisms that
    /// hash are not used: few devices offer them, and they have no advantage.
    Ecdsa,
}

impl Mechanism {
    /// The mechanisms that fit a payload and a key, the best first: the device does as much as it can, and a
    /// digest is never handed to a mechanism that hashes.
    pub fn for_payload(payload: &Payload, key: &PublicKey) -> Vec<Self> {
        match (key.numbers(), payload) {
            (KeyNumbers::Ec { .. }, _) => vec![Mechanism::Ecdsa],
            (KeyNumbers::Rsa { .. }, Payload::Digest(_)) => vec![Mechanism::RsaPkcs, Mechanism::RsaX509],
            (KeyNumbers::Rsa { .. }, Payload::Message { hash, .. }) => {
                vec![Mechanism::ShaRsaPkcs(*hash), Mechanism::RsaPkcs, Mechanism::RsaX509]
            }
        }
    }

    /// What the device receives to sign with this mechanism and a key of `modulus_bytes`.
    pub fn input(self, payload: &Payload, modulus_bytes: usize) -> Vec<u8> {
        match (self, payload) {
            (Mechanism::ShaRsaPkcs(_), Payload::Message { bytes, .. }) => bytes.clone(),
            (Mechanism::RsaX509, payload) => padded(&digest_info(payload), modulus_bytes),
            (Mechanism::Ecdsa, payload) => payload.digest(),
            (_, payload) => digest_info(payload),
        }
    }

    /// The signature in its usual encoding, made from the device's answer. For ECDSA that is two numbers in
    /// DER (RFC 3279 section 2.2.3), which PKCS#11 puts one after the other.
    pub fn signature(self, from_device: Vec<u8>) -> Vec<u8> {
        match self {
            Mechanism::Ecdsa => ecdsa_der(&from_device).unwrap_or(from_device),
            _ => from_device,
        }
    }

    /// The name in the PKCS#11 standard.
    pub fn ckm_name(self) -> &'static str {
        match self {
            Mechanism::RsaPkcs => "CKM_RSA_PKCS",
            Mechanism::ShaRsaPkcs(Hash::Sha256) => "CKM_SHA256_RSA_PKCS",
            Mechanism::ShaRsaPkcs(Hash::Sha384) => "CKM_SHA384_RSA_PKCS",
            Mechanism::ShaRsaPkcs(Hash::Sha512) => "CKM_SHA512_RSA_PKCS",
            Mechanism::RsaX509 => "CKM_RSA_X_509",
            Mechanism::Ecdsa => "CKM_ECDSA",
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
    /// Always this one. [`Mechanism::ShaRsaPkcs`] over a digest hashes it once more.
    Only(Mechanism),
}

impl MechanismChoice {
    const HASHES: Self = MechanismChoice::Only(Mechanism::ShaRsaPkcs(Hash::Sha256));

    /// The payload as this choice signs it. A digest under `CKM_SHA256_RSA_PKCS` becomes a message of 32 bytes, which the
    /// device hashes again: see [`MechanismChoice::hashes_twice`].
    pub fn payload(self, payload: Payload) -> Payload {
        match payload {
            Payload::Digest(digest) if self == Self::HASHES => Payload::message(digest),
            payload => payload,
        }
    }

    /// The mechanisms to try for a payload of [`MechanismChoice::payload`].
    pub fn mechanisms(self, payload: &Payload, key: &PublicKey) -> Vec<Mechanism> {
        match self {
            MechanismChoice::Auto => Mechanism::for_payload(payload, key),
            MechanismChoice::Only(only) => vec![only],
        }
    }

    /// Whether this choice hashes `payload` although it is a digest already, so that CloudHSM refuses the signature.
    pub fn hashes_twice(self, payload: &Payload) -> bool {
        self == Self::HASHES && matches!(payload, Payload::Digest(_))
    }
}

impl FromStr for MechanismChoice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "auto" => Ok(MechanismChoice::Auto),
            "rsa-pkcs" => Ok(MechanismChoice::Only(Mechanism::RsaPkcs)),
            "sha256-rsa-pkcs" => Ok(Self::HASHES),
            _ => Err("possible values: auto, rsa-pkcs, sha256-rsa-pkcs".into()),
        }
    }
}

fn digest_info(payload: &Payload) -> Vec<u8> {
    payload.hash().digest_info(&payload.digest())
}

/// EMSA-PKCS1-v1_5 (RFC 8017 section 9.2): the block of the modulus' length that holds a DigestInfo.
fn padded(info: &[u8], modulus_bytes: usize) -> Vec<u8> {
    let filling = modulus_bytes.saturating_sub(info.len() + 3);
    [&[0, 1], vec![0xff; filling].as_slice(), &[0], info].concat()
}

fn ecdsa_der(numbers: &[u8]) -> der::Result<Vec<u8>> {
    #[derive(der::Sequence)]
    struct EcdsaSigValue<'a> {
        r: UintRef<'a>,
        s: UintRef<'a>,
    }
    let (r, s) = numbers.split_at(numbers.len() / 2);
    EcdsaSigValue { r: UintRef::new(r)?, s: UintRef::new(s)? }.to_der()
}
