//! What keys may do (user guide: "Core Concepts", "Capability"): each capability is one bit of 64.

pub type Capabilities = u64;

pub const GET_OPAQUE: Capabilities = 1 << 0x00;
pub const PUT_OPAQUE: Capabilities = 1 << 0x01;
pub const PUT_AUTHENTICATION_KEY: Capabilities = 1 << 0x02;
pub const GENERATE_ASYMMETRIC_KEY: Capabilities = 1 << 0x04;
pub const SIGN_PKCS: Capabilities = 1 << 0x05;
pub const SIGN_PSS: Capabilities = 1 << 0x06;
pub const SIGN_ECDSA: Capabilities = 1 << 0x07;
pub const GENERATE_WRAP_KEY: Capabilities = 1 << 0x0f;
pub const SET_OPTION: Capabilities = 1 << 0x11;
pub const GET_OPTION: Capabilities = 1 << 0x12;
pub const GET_PSEUDO_RANDOM: Capabilities = 1 << 0x13;
pub const GET_LOG_ENTRIES: Capabilities = 1 << 0x18;
pub const RESET_DEVICE: Capabilities = 1 << 0x1c;
pub const SIGN_ATTESTATION_CERTIFICATE: Capabilities = 1 << 0x22;
pub const CHANGE_AUTHENTICATION_KEY: Capabilities = 1 << 0x2e;

pub const ALL: Capabilities = u64::MAX;

/// The capability that deleting an object of this type requires.
pub fn to_delete(object_type: u8) -> Capabilities {
    const DELETE_OPAQUE: u8 = 0x27;
    // The types are numbered from 1, and these bits are in the same order.
    if (1..=7).contains(&object_type) { 1 << (DELETE_OPAQUE + object_type - 1) } else { 0 }
}
