//! A PIV card in software, for the real middleware: pcscd, OpenSC and Yubico's ykcs11 take it for a YubiKey. It
//! connects to vpcd, the virtual reader of pcscd, and answers as NIST SP 800-73-4 and Yubico's additions to it say.
//!
//! `piv_card FOLDER --port PORT` inserts the card; ending the program removes it. FOLDER is the card's
//! memory, which remains: keys, certificates, PIN and its counter. Its contents can be examined:
//!
//! - `pin-tries`: how many attempts are left, `9a.pub.pem`: the public key of a slot, `attestation-root.pem`
//! - `ready`: made when the reader has asked for the card's ATR
//! - `commands`: what was asked, a line each: instruction, parameters, length of data, and the answer's status word.
//!   No data, so no PIN.
//!
//! Not an example to copy: the private keys are in files, and the arithmetic leaks timing.

#![allow(missing_docs, unreachable_pub)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod algorithm;
mod apdu;
mod attestation;
mod card;
#[path = "../simulation/certificate.rs"]
mod certificate;
mod factory;
#[path = "../simulation/key.rs"]
mod key;
mod management;
#[path = "../simulation/memory.rs"]
mod memory;
mod objects;
mod options;
mod pin;
#[path = "../simulation/schedule.rs"]
mod schedule;
mod slot;
#[path = "../simulation/tlv.rs"]
mod tlv;
mod wire;

use clap::Parser;

fn main() {
    let options = options::Options::parse();
    let port = options.port;
    let mut card = card::Card::insert(options);
    wire::serve(port, &mut card).expect("the reader is there");
}
