//! A YubiHSM 2 in software with its connector. Yubico's own tools, `yubihsm-shell` and `yubihsm_pkcs11.so`,
//! take it for a real one. It answers as Yubico's documentation says, which each file names: the user guide
//! (<https://docs.yubico.com/hardware/yubihsm-2/hsm-2-user-guide/>), whose command reference is
//! <https://docs.yubico.com/hardware/yubihsm-2/hsm-2-user-guide/hsm2-cmd-reference.html>. Anything
//! undocumented follows what Yubico's libyubihsm sends and accepts.
//!
//! `yubihsm FOLDER --port PORT` starts both; ending the program stops the connector and unplugs the device.
//! FOLDER is the device's memory, which remains: objects, options, the log. Its contents can be examined, and
//! some of them written while the program runs:
//!
//! - `ready`: created when the connector listens; holds its URL
//! - `commands`: the commands received, a line each: command, length of data, and the answer's command (`7f`
//!   and an error's number if it was refused). No data, so no password.
//! - `attestation-root.pem`, `attestation-intermediate.pem`: the certificates above the device's
//! - `unplugged`: while this file exists, the connector has no device
//! - `sessions-in-use`: how many of the 16 sessions other programs use
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
