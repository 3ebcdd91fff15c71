//! Real PKCS#11 modules beside SoftHSM2, each set up by its own tools: what they have in common is signed by countersign,
//! and what they do differently does not show.

pub mod kryoptic;
mod kryoptic_server;
mod nss;
mod opencryptoki;
mod p11_kit_server;
pub mod tpm2;
mod yubihsm;
mod yubihsm_attest;
mod yubihsm_faults;
mod yubihsm_prepared;
mod yubihsm_server;
mod yubihsm_shell;
