//! A YubiHSM 2 in software with its connector, for Yubico's own tools: `yubihsm-shell` and `yubihsm_pkcs11.so` take it for
//! one. It answers as Yubico's documentation says, which each file names: the user guide
//! (<https://docs.yubico.com/hardware/yubihsm-2/hsm-2-user-guide/>), whose command reference is
//! <https://docs.yubico.com/hardware/yubihsm-2/hsm-2-user-guide/hsm2-cmd-reference.html>. What no document says was taken
//! from what Yubico's libyubihsm sends and accepts.
//!
//! `yubihsm FOLDER --port PORT` starts both; ending the program stops the connector and unplugs the device. FOLDER is the
//! device's memory, and outlives that: objects, options, the log. What is in it can be looked at, and some of it written
//! while the program runs:
//!
//! - `ready`: made when the connector listens; holds its URL
//! - `commands`: what was asked, a line each: command, length of data, and the answer's command (`7f` and an error's number
//!   when it was refused). No data, so no password.
//! - `attestation-root.pem`, `attestation-intermediate.pem`: what is above the device's certificate
//! - `unplugged`: while there is such a file, the connector has no device
//! - `sessions-in-use`: how many of the 16 sessions others have
//!
//! Not an example to copy: the private keys are in files, and the arithmetic leaks timing.

#![allow(missing_docs, unreachable_pub)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod asymmetric;
mod attestation;
mod audit;
mod authentication;
mod capability;
#[path = "../simulation/certificate.rs"]
mod certificate;
mod channel;
mod connector;
mod device;
mod execute;
mod fault;
mod frame;
#[path = "../simulation/key.rs"]
mod key;
#[path = "../simulation/memory.rs"]
mod memory;
mod object;
mod options;
#[path = "../simulation/schedule.rs"]
mod schedule;
mod session;
mod store;
#[path = "../simulation/tlv.rs"]
mod tlv;

use clap::Parser;

fn main() {
    let options = options::Options::parse();
    let (folder, port) = (options.folder.clone(), options.port);
    let device = device::Device::plug_in(options);
    connector::serve(memory::Memory::new(folder), port, device).expect("the port is free");
}
