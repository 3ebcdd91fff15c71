//! Yubico's attestation: a certificate that says of a key that it was made on the card, under a root of this card's own.

use crate::apdu::{Answer, Status};
use crate::certificate::{Certificate, integer, pem};
use crate::key::{Algorithm, PrivateKey};
use crate::memory::Memory;
use crate::objects;
use crate::options::Firmware;
use crate::slot::{Policies, Slot};

const ROOT: &str = "Virtual PIV Root CA";
const ATTESTER: &str = "Yubico PIV Attestation";
/// 1.3.6.1.4.1.41482.3
const YUBICO_PIV: &[u8] = &[0x2b, 6, 1, 4, 1, 0x82, 0xc4, 0x0a, 3];
const USB_KEYCHAIN: u8 = 1;

/// The root's private key is needed once, and forgotten.
pub fn personalise(memory: &Memory) {
    let root = PrivateKey::generate(Algorithm::P256);
    let attester = PrivateKey::generate(Algorithm::Rsa2048);
    let authority = |subject, serial| Certificate {
        subject,
        issuer: ROOT,
        serial: integer(&[serial]),
        is_authority: true,
        extensions: Vec::new(),
    };
    memory.write(
        "attestation-root.pem",
        &pem("CERTIFICATE", &authority(ROOT, 1).issue(&root.public_key(), &root)),
    );
    let certificate = authority(ATTESTER, 2).issue(&attester.public_key(), &root);
    objects::put_certificate(memory, Slot::ATTESTATION.certificate_object(), &certificate);
    memory.write("f9.key", &attester.to_pkcs8());
}

/// The certificate itself, without the wrapping of a data object.
pub fn attest(
    memory: &Memory,
    (serial, firmware): (u32, Firmware),
    (slot, key): (Slot, &PrivateKey),
    policies: Policies,
) -> Answer {
    let attester = memory.read("f9.key").ok_or(Status::NO_SUCH_REFERENCE)?;
    let extension = |number, value: &[u8]| ([YUBICO_PIV, &[number]].concat(), value.to_vec());
    let certificate = Certificate {
        subject: &format!("YubiKey PIV Attestation {slot}"),
        issuer: ATTESTER,
        serial: integer(&[3]),
        is_authority: false,
        extensions: vec![
            extension(3, &firmware.0),
            extension(7, &integer(&serial.to_be_bytes())),
            extension(8, &policies.to_bytes()),
            extension(9, &[USB_KEYCHAIN]),
        ],
    };
    Ok(certificate.issue(&key.public_key(), &PrivateKey::from_pkcs8(&attester)))
}
