//! Private keys that sign what they are given, as a card does.

use std::str::FromStr;

use aws_lc_rs::digest::{self, Digest};
use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    self, ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P384_SHA384_ASN1_SIGNING, EcdsaKeyPair, KeyPair, RsaKeyPair,
};
use num_bigint::BigUint;

use crate::apdu::Status;
use crate::tlv::{find, objects, tlv};

/// Numbered as in SP 800-78-4.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    Rsa2048 = 0x07,
    P256 = 0x11,
    P384 = 0x14,
}

impl Algorithm {
    pub fn from_number(number: u8) -> Option<Self> {
        [Algorithm::Rsa2048, Algorithm::P256, Algorithm::P384].into_iter().find(|a| *a as u8 == number)
    }
}

impl FromStr for Algorithm {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "rsa2048" => Ok(Algorithm::Rsa2048),
            "p256" => Ok(Algorithm::P256),
            "p384" => Ok(Algorithm::P384),
            _ => Err("rsa2048, p256 or p384".into()),
        }
    }
}

pub enum PrivateKey {
    Rsa { pair: RsaKeyPair, numbers: RsaNumbers },
    Ec { pair: EcdsaKeyPair, algorithm: Algorithm },
}

pub struct RsaNumbers {
    modulus: BigUint,
    public_exponent: BigUint,
    private_exponent: BigUint,
}

impl PrivateKey {
    pub fn generate(algorithm: Algorithm) -> Self {
        match algorithm {
            Algorithm::Rsa2048 => Self::rsa(RsaKeyPair::generate(KeySize::Rsa2048).expect("a key is made")),
            Algorithm::P256 | Algorithm::P384 => {
                let pair = EcdsaKeyPair::generate(ecdsa(algorithm)).expect("a key is made");
                PrivateKey::Ec { pair, algorithm }
            }
        }
    }

    pub fn from_pkcs8(der: &[u8]) -> Self {
        if let Ok(pair) = RsaKeyPair::from_pkcs8(der) {
            return Self::rsa(pair);
        }
        [Algorithm::P256, Algorithm::P384]
            .into_iter()
            .find_map(|algorithm| {
                let pair = EcdsaKeyPair::from_pkcs8(ecdsa(algorithm), der).ok()?;
                Some(PrivateKey::Ec { pair, algorithm })
            })
            .expect("a key that was made here")
    }

    pub fn to_pkcs8(&self) -> Vec<u8> {
        match self {
            PrivateKey::Rsa { pair, .. } => {
                AsDer::<Pkcs8V1Der<'_>>::as_der(pair).expect("PKCS#8").as_ref().to_vec()
            }
            PrivateKey::Ec { pair, .. } => pair.to_pkcs8v1().expect("PKCS#8").as_ref().to_vec(),
        }
    }

    pub fn algorithm(&self) -> Algorithm {
        match self {
            PrivateKey::Rsa { .. } => Algorithm::Rsa2048,
            PrivateKey::Ec { algorithm, .. } => *algorithm,
        }
    }

    /// RSA of a block that is padded already, or ECDSA of a digest.
    pub fn sign_raw(&self, input: &[u8]) -> Result<Vec<u8>, Status> {
        match self {
            PrivateKey::Rsa { numbers, .. } => {
                let input = BigUint::from_bytes_be(input);
                if input >= numbers.modulus {
                    return Err(Status::WRONG_DATA);
                }
                let signature = input.modpow(&numbers.private_exponent, &numbers.modulus).to_bytes_be();
                Ok([vec![0; 256 - signature.len()], signature].concat())
            }
            PrivateKey::Ec { pair, algorithm } => {
                let hash = match algorithm {
                    Algorithm::P384 => &digest::SHA384,
                    _ => &digest::SHA256,
                };
                let digest = Digest::import_less_safe(input, hash).map_err(|_| Status::WRONG_DATA)?;
                Ok(pair.sign_digest(&digest).expect("a signature").as_ref().to_vec())
            }
        }
    }

    /// With hash and padding, for certificates.
    pub fn sign(&self, message: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match self {
            PrivateKey::Rsa { pair, .. } => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&signature::RSA_PKCS1_SHA256, &random, message, &mut signature)
                    .expect("a signature");
                signature
            }
            PrivateKey::Ec { pair, .. } => {
                pair.sign(&random, message).expect("a signature").as_ref().to_vec()
            }
        }
    }

    /// A SubjectPublicKeyInfo.
    pub fn public_key(&self) -> Vec<u8> {
        match self {
            PrivateKey::Rsa { pair, .. } => {
                pair.public_key().as_der().expect("a public key").as_ref().to_vec()
            }
            PrivateKey::Ec { pair, .. } => {
                pair.public_key().as_der().expect("a public key").as_ref().to_vec()
            }
        }
    }

    /// As GENERATE ASYMMETRIC KEY PAIR gives it.
    pub fn public_key_template(&self) -> Vec<u8> {
        match self {
            PrivateKey::Rsa { numbers, .. } => {
                let modulus = tlv(0x81, &numbers.modulus.to_bytes_be());
                [modulus, tlv(0x82, &numbers.public_exponent.to_bytes_be())].concat()
            }
            PrivateKey::Ec { pair, .. } => tlv(0x86, pair.public_key().as_ref()),
        }
    }

    fn rsa(pair: RsaKeyPair) -> Self {
        // aws-lc-rs pads itself, so the numbers are taken out: PKCS#8 holds an RSAPrivateKey, which is the version, the
        // modulus, the public exponent, the private one, and more.
        let der: Pkcs8V1Der<'_> = pair.as_der().expect("PKCS#8");
        let key = find(der.as_ref(), 0x30).and_then(|info| find(info, 0x04)).expect("a private key");
        let mut numbers = objects(find(key, 0x30).expect("a sequence"))
            .skip(1)
            .map(|(_, number)| BigUint::from_bytes_be(number));
        let mut number = || numbers.next().expect("a number");
        let numbers = RsaNumbers { modulus: number(), public_exponent: number(), private_exponent: number() };
        PrivateKey::Rsa { pair, numbers }
    }
}

fn ecdsa(algorithm: Algorithm) -> &'static signature::EcdsaSigningAlgorithm {
    match algorithm {
        Algorithm::P384 => &ECDSA_P384_SHA384_ASN1_SIGNING,
        _ => &ECDSA_P256_SHA256_ASN1_SIGNING,
    }
}
