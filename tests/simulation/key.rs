//! Private keys that sign what they are given, as a card or an HSM does.

// Not every device needs all of it.
#![allow(dead_code)]

use aws_lc_rs::digest::{self, Digest};
use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    self, ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P384_SHA384_ASN1_SIGNING, ECDSA_P521_SHA512_ASN1_SIGNING,
    EcdsaKeyPair, EcdsaSigningAlgorithm, Ed25519KeyPair, KeyPair, RsaKeyPair,
};
use num_bigint::BigUint;

use crate::tlv::{find, objects};

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    Rsa2048,
    Rsa3072,
    Rsa4096,
    P256,
    P384,
    P521,
    Ed25519,
}

const CURVES: [Algorithm; 3] = [Algorithm::P256, Algorithm::P384, Algorithm::P521];

pub enum PrivateKey {
    Rsa { pair: RsaKeyPair, numbers: RsaNumbers },
    Ec { pair: EcdsaKeyPair, algorithm: Algorithm },
    Ed25519(Ed25519KeyPair),
}

pub struct RsaNumbers {
    pub modulus: BigUint,
    pub public_exponent: BigUint,
    private_exponent: BigUint,
}

/// The key cannot sign these bytes.
#[derive(Debug)]
pub struct WrongInput;

impl PrivateKey {
    pub fn generate(algorithm: Algorithm) -> Self {
        let rsa = |size| Self::rsa(RsaKeyPair::generate(size).expect("a key is made"));
        match algorithm {
            Algorithm::Rsa2048 => rsa(KeySize::Rsa2048),
            Algorithm::Rsa3072 => rsa(KeySize::Rsa3072),
            Algorithm::Rsa4096 => rsa(KeySize::Rsa4096),
            Algorithm::P256 | Algorithm::P384 | Algorithm::P521 => {
                let pair = EcdsaKeyPair::generate(ecdsa(algorithm).0).expect("a key is made");
                PrivateKey::Ec { pair, algorithm }
            }
            Algorithm::Ed25519 => PrivateKey::Ed25519(Ed25519KeyPair::generate().expect("a key is made")),
        }
    }

    pub fn from_pkcs8(der: &[u8]) -> Self {
        if let Ok(pair) = RsaKeyPair::from_pkcs8(der) {
            return Self::rsa(pair);
        }
        if let Ok(pair) = Ed25519KeyPair::from_pkcs8_maybe_unchecked(der) {
            return PrivateKey::Ed25519(pair);
        }
        CURVES
            .into_iter()
            .find_map(|algorithm| {
                let pair = EcdsaKeyPair::from_pkcs8(ecdsa(algorithm).0, der).ok()?;
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
            PrivateKey::Ed25519(pair) => pair.to_pkcs8v1().expect("PKCS#8").as_ref().to_vec(),
        }
    }

    pub fn algorithm(&self) -> Algorithm {
        match self {
            PrivateKey::Rsa { pair, .. } => match pair.public_modulus_len() {
                256 => Algorithm::Rsa2048,
                384 => Algorithm::Rsa3072,
                _ => Algorithm::Rsa4096,
            },
            PrivateKey::Ec { algorithm, .. } => *algorithm,
            PrivateKey::Ed25519(_) => Algorithm::Ed25519,
        }
    }

    /// RSA of a block that is already padded, ECDSA of a digest, or Ed25519 of a message.
    pub fn sign_raw(&self, input: &[u8]) -> Result<Vec<u8>, WrongInput> {
        match self {
            PrivateKey::Rsa { pair, numbers } => {
                let input = BigUint::from_bytes_be(input);
                if input >= numbers.modulus {
                    return Err(WrongInput);
                }
                let signature = input.modpow(&numbers.private_exponent, &numbers.modulus).to_bytes_be();
                Ok([vec![0; pair.public_modulus_len() - signature.len()], signature].concat())
            }
            PrivateKey::Ec { pair, algorithm } => {
                let digest = Digest::import_less_safe(input, ecdsa(*algorithm).1).map_err(|_| WrongInput)?;
                Ok(pair.sign_digest(&digest).expect("a signature").as_ref().to_vec())
            }
            PrivateKey::Ed25519(pair) => Ok(pair.sign(input).as_ref().to_vec()),
        }
    }

    /// Signs with hash and padding, for certificates.
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
            PrivateKey::Ed25519(pair) => pair.sign(message).as_ref().to_vec(),
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
            PrivateKey::Ed25519(pair) => pair.public_key().as_der().expect("a public key").as_ref().to_vec(),
        }
    }

    fn rsa(pair: RsaKeyPair) -> Self {
        // aws-lc-rs always pads, so the numbers are extracted: PKCS#8 holds an RSAPrivateKey, which is the
        // version, the modulus, the public exponent, the private one, and more.
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

/// The curve, and the hash whose digests `sign_raw` accepts.
fn ecdsa(algorithm: Algorithm) -> (&'static EcdsaSigningAlgorithm, &'static digest::Algorithm) {
    match algorithm {
        Algorithm::P384 => (&ECDSA_P384_SHA384_ASN1_SIGNING, &digest::SHA384),
        Algorithm::P521 => (&ECDSA_P521_SHA512_ASN1_SIGNING, &digest::SHA512),
        _ => (&ECDSA_P256_SHA256_ASN1_SIGNING, &digest::SHA256),
    }
}
