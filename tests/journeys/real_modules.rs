//! Real PKCS#11 modules besides SoftHSM2, each set up with its own tools: countersign signs with all of them,
//! and their differences do not show.

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
