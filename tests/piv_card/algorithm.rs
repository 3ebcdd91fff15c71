//! The algorithms of a PIV card's keys: SP 800-78-4's numbers, and what GENERATE ASYMMETRIC KEY PAIR gives.

use std::str::FromStr;

use aws_lc_rs::signature::KeyPair;

use crate::key::{Algorithm, PrivateKey};
use crate::options::Firmware;
use crate::tlv::tlv;

/// RSA-3072, RSA-4096 and Ed25519 are Yubico's additions of firmware 5.7.
const NUMBERED: [(u8, &str, Algorithm); 6] = [
    (0x07, "rsa2048", Algorithm::Rsa2048),
    (0x05, "rsa3072", Algorithm::Rsa3072),
    (0x16, "rsa4096", Algorithm::Rsa4096),
    (0x11, "p256", Algorithm::P256),
    (0x14, "p384", Algorithm::P384),
    (0xe0, "ed25519", Algorithm::Ed25519),
];

/// Of a card that may make such keys: older firmware knows fewer.
pub fn from_number_of(firmware: Firmware, wanted: u8) -> Option<Algorithm> {
    let is_new = matches!(wanted, 0x05 | 0x16 | 0xe0);
    if is_new && firmware < Firmware::WITH_AES_DEFAULT { None } else { from_number(wanted) }
}

fn from_number(wanted: u8) -> Option<Algorithm> {
    NUMBERED.into_iter().find(|(number, ..)| *number == wanted).map(|(.., algorithm)| algorithm)
}

pub fn number(wanted: Algorithm) -> Option<u8> {
    NUMBERED.into_iter().find(|(.., algorithm)| *algorithm == wanted).map(|(number, ..)| number)
}

pub fn public_key_template(key: &PrivateKey) -> Vec<u8> {
    match key {
        PrivateKey::Rsa { numbers, .. } => {
            let modulus = tlv(0x81, &numbers.modulus.to_bytes_be());
            [modulus, tlv(0x82, &numbers.public_exponent.to_bytes_be())].concat()
        }
        PrivateKey::Ec { pair, .. } => tlv(0x86, pair.public_key().as_ref()),
        PrivateKey::Ed25519(pair) => tlv(0x86, pair.public_key().as_ref()),
    }
}

impl FromStr for Algorithm {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let named = NUMBERED.into_iter().find(|(_, name, _)| *name == text);
        named
            .map(|(.., algorithm)| algorithm)
            .ok_or_else(|| "rsa2048, rsa3072, rsa4096, p256, p384 or ed25519".into())
    }
}
