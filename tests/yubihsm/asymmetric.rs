//! Asymmetric keys: GENERATE ASYMMETRIC KEY, GET PUBLIC KEY, SIGN PKCS1, SIGN PSS, SIGN ECDSA.

use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use aws_lc_rs::signature::KeyPair;
use sha2::{Digest, Sha256, Sha384, Sha512};

use crate::frame::{Answer, Fields, Refusal};
use crate::key::{Algorithm, PrivateKey};
use crate::object::Object;

/// Yubico's numbers (user guide: "Core Concepts", "Algorithms").
const NUMBERED: [(u8, Algorithm); 6] = [
    (9, Algorithm::Rsa2048),
    (10, Algorithm::Rsa3072),
    (11, Algorithm::Rsa4096),
    (12, Algorithm::P256),
    (13, Algorithm::P384),
    (14, Algorithm::P521),
];

/// What DEVICE INFO lists: these, and the signatures, hashes and objects that go with them.
pub const SUPPORTED: [u8; 22] =
    [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 30, 31, 33, 34, 35, 38, 43, 44];

const MGF1_SHA256: u8 = 33;
const MGF1_SHA384: u8 = 34;
const MGF1_SHA512: u8 = 35;

/// The content of a new key.
pub fn generate(algorithm: u8) -> Answer {
    let known = NUMBERED.into_iter().find(|(number, _)| *number == algorithm).ok_or(Refusal::INVALID_DATA)?;
    Ok(PrivateKey::generate(known.1).to_pkcs8())
}

pub fn key(object: &Object) -> PrivateKey {
    PrivateKey::from_pkcs8(&object.content)
}

/// The algorithm, then a modulus, or both coordinates of a point.
pub fn public_key(object: &Object) -> Vec<u8> {
    let numbers = match key(object) {
        PrivateKey::Rsa { numbers, .. } => numbers.modulus.to_bytes_be(),
        PrivateKey::Ec { pair, .. } => pair.public_key().as_ref()[1..].to_vec(),
        PrivateKey::Ed25519(pair) => pair.public_key().as_ref().to_vec(),
    };
    [vec![object.algorithm], numbers].concat()
}

/// `data` is a digest, recognized by its length, or anything else to be padded.
pub fn sign_pkcs1(object: &Object, data: &[u8]) -> Answer {
    let PrivateKey::Rsa { pair, .. } = &key(object) else { return Err(Refusal::INVALID_DATA) };
    let prefix: &[u8] = match data.len() {
        20 => b"\x30\x21\x30\x09\x06\x05\x2b\x0e\x03\x02\x1a\x05\x00\x04\x14",
        32 => b"\x30\x31\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01\x05\x00\x04\x20",
        48 => b"\x30\x41\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x02\x05\x00\x04\x30",
        64 => b"\x30\x51\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x03\x05\x00\x04\x40",
        _ => b"",
    };
    let length = pair.public_modulus_len();
    let filling = length.checked_sub(prefix.len() + data.len() + 3).filter(|filling| *filling >= 8);
    let filling = vec![0xff; filling.ok_or(Refusal::WRONG_LENGTH)?];
    let block = [&[0, 1], &*filling, &[0], prefix, data].concat();
    key(object).sign_raw(&block).map_err(|_| Refusal::INVALID_DATA)
}

/// EMSA-PSS of RFC 8017, 9.1.1. `data` is the mask's hash, the salt's length, and a digest.
pub fn sign_pss(object: &Object, data: &[u8]) -> Answer {
    let PrivateKey::Rsa { pair, .. } = &key(object) else { return Err(Refusal::INVALID_DATA) };
    let mut fields = Fields(data);
    let (mask, salt_length) = (fields.u8()?, usize::from(fields.u16()?));
    let digest = fields.rest();
    let length = pair.public_modulus_len();
    let mut salt = vec![0; salt_length];
    SystemRandom::new().fill(&mut salt).expect("random bytes");
    let hash = hash(by_length(digest.len())?, &[&[0; 8], digest, &salt])?;
    let filling = length.checked_sub(hash.len() + salt_length + 2).ok_or(Refusal::WRONG_LENGTH)?;
    let mut block = [vec![0; filling], vec![1], salt].concat();
    let generated = mask_of(mask, &hash, block.len())?;
    block.iter_mut().zip(generated).for_each(|(byte, mask)| *byte ^= mask);
    block[0] &= 0x7f;
    key(object).sign_raw(&[block, hash, vec![0xbc]].concat()).map_err(|_| Refusal::INVALID_DATA)
}

/// ECDSA of a digest that may be shorter or longer than the curve's numbers: FIPS 186-5, 6.4.1, uses the
/// leftmost bits.
pub fn sign_ecdsa(object: &Object, digest: &[u8]) -> Answer {
    let length = match key(object).algorithm() {
        Algorithm::P256 => 32,
        Algorithm::P384 => 48,
        Algorithm::P521 => 64,
        _ => return Err(Refusal::INVALID_DATA),
    };
    let leftmost = &digest[..digest.len().min(length)];
    let number = [vec![0; length - leftmost.len()], leftmost.to_vec()].concat();
    key(object).sign_raw(&number).map_err(|_| Refusal::INVALID_DATA)
}

fn mask_of(mask: u8, seed: &[u8], length: usize) -> Answer {
    let blocks = (0..u32::MAX).map(|counter| hash(mask, &[seed, &counter.to_be_bytes()]));
    let mut bytes = Vec::new();
    for block in blocks {
        bytes.extend(block?);
        if bytes.len() >= length {
            break;
        }
    }
    Ok(bytes)
}

fn by_length(length: usize) -> Result<u8, Refusal> {
    match length {
        32 => Ok(MGF1_SHA256),
        48 => Ok(MGF1_SHA384),
        64 => Ok(MGF1_SHA512),
        _ => Err(Refusal::INVALID_DATA),
    }
}

fn hash(mask: u8, parts: &[&[u8]]) -> Answer {
    let bytes = parts.concat();
    match mask {
        MGF1_SHA256 => Ok(Sha256::digest(bytes).to_vec()),
        MGF1_SHA384 => Ok(Sha384::digest(bytes).to_vec()),
        MGF1_SHA512 => Ok(Sha512::digest(bytes).to_vec()),
        _ => Err(Refusal::INVALID_DATA),
    }
}
