//! Authentication keys: two AES keys, usually derived from a password (user guide: "Core Concepts",
//! "Authentication Key").

use std::num::NonZeroU32;

use aws_lc_rs::pbkdf2;

use crate::capability;
use crate::channel::Key;
use crate::object::{AUTHENTICATION_KEY, IMPORTED, Object};

const AES128_YUBICO_AUTHENTICATION: u8 = 38;

/// The key that every new device has.
pub fn first(password: &str) -> Object {
    let iterations = NonZeroU32::new(10_000).expect("not zero");
    let mut keys = [0; 32];
    pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, iterations, b"Yubico", password.as_bytes(), &mut keys);
    Object {
        id: 1,
        object_type: AUTHENTICATION_KEY,
        label: Object::labelled("DEFAULT AUTHKEY CHANGE THIS ASAP"),
        domains: u16::MAX,
        capabilities: capability::ALL,
        delegated: capability::ALL,
        algorithm: AES128_YUBICO_AUTHENTICATION,
        origin: IMPORTED,
        sequence: 0,
        content: keys.to_vec(),
    }
}

/// For encryption and for MACs.
pub fn keys(object: &Object) -> (Key, Key) {
    let (encryption, mac) = object.content.split_at(16);
    (encryption.try_into().expect("16 bytes"), mac.try_into().expect("16 bytes"))
}
