//! What the device says about its keys: SIGN ATTESTATION CERTIFICATE, and the preloaded key and certificate
//! with the id 0 (<https://docs.yubico.com/hardware/oid/oid-product-arc.html>). The certificates above are
//! this device's own.

use aws_lc_rs::rand::{SecureRandom, SystemRandom};

use crate::asymmetric;
use crate::capability;
use crate::certificate::{Certificate, integer, pem};
use crate::device::FIRMWARE;
use crate::key::{Algorithm, PrivateKey};
use crate::memory::Memory;
use crate::object::{ASYMMETRIC_KEY, GENERATED, IMPORTED, OPAQUE, Object};
use crate::tlv::{find, tlv};

const ROOT: &str = "Virtual YubiHSM Root CA";
const INTERMEDIATE: &str = "Virtual YubiHSM Intermediate CA";
const RSA_2048: u8 = 9;
const X509_CERTIFICATE: u8 = 31;

/// 1.3.6.1.4.1.41482.4
const YUBICO_HSM: &[u8] = &[0x2b, 6, 1, 4, 1, 0x82, 0xc4, 0x0a, 4];

/// The objects that a device comes with. The private keys of the CAs are used once, then discarded.
pub fn preloaded(memory: &Memory, serial: u32) -> [Object; 2] {
    let [root, intermediate] = [(); 2].map(|()| PrivateKey::generate(Algorithm::P256));
    let device = PrivateKey::generate(Algorithm::Rsa2048);
    let authority = |subject, number| Certificate {
        subject,
        issuer: ROOT,
        serial: integer(&[number]),
        is_authority: true,
        extensions: Vec::new(),
    };
    let save = |name, certificate: &[u8]| memory.write(name, &pem("CERTIFICATE", certificate));
    save("attestation-root.pem", &authority(ROOT, 1).issue(&root.public_key(), &root));
    let below = authority(INTERMEDIATE, 2).issue(&intermediate.public_key(), &root);
    save("attestation-intermediate.pem", &below);
    let certificate = Certificate {
        subject: &format!("YubiHSM Attestation ({serial})"),
        issuer: INTERMEDIATE,
        serial: integer(&[3]),
        is_authority: true,
        extensions: of_device(serial),
    };
    let certificate = certificate.issue(&device.public_key(), &intermediate);
    let object = |object_type, algorithm, origin, content| Object {
        id: 0,
        object_type,
        label: Object::labelled(""),
        domains: u16::MAX,
        capabilities: capability::SIGN_ATTESTATION_CERTIFICATE,
        delegated: 0,
        algorithm,
        origin,
        sequence: 0,
        content,
    };
    [
        object(ASYMMETRIC_KEY, RSA_2048, GENERATED, device.to_pkcs8()),
        object(OPAQUE, X509_CERTIFICATE, IMPORTED, certificate),
    ]
}

/// A statement about `key` by the attesting key, whose certificate is `attester`.
pub fn attest(serial: u32, key: &Object, by: &Object, attester: &Object) -> Vec<u8> {
    let mut number = [0; 16];
    SystemRandom::new().fill(&mut number).expect("random bytes");
    let mut extensions = of_device(serial);
    extensions.extend([
        (oid(3), bit_string(&[key.origin])),
        (oid(4), bit_string(&key.domains.to_be_bytes())),
        (oid(5), bit_string(&key.capabilities.to_be_bytes())),
        (oid(6), integer(&key.id.to_be_bytes())),
        (oid(9), tlv(0x0c, key.label_without_padding())),
    ]);
    let certificate = Certificate {
        subject: &format!("YubiHSM Attestation id:0x{:04x}", key.id),
        issuer: &subject_of(&attester.content),
        serial: integer(&number),
        is_authority: false,
        extensions,
    };
    certificate.issue(&asymmetric::key(key).public_key(), &asymmetric::key(by))
}

fn of_device(serial: u32) -> Vec<(Vec<u8>, Vec<u8>)> {
    vec![(oid(1), tlv(0x04, &FIRMWARE)), (oid(2), integer(&serial.to_be_bytes()))]
}

fn oid(number: u8) -> Vec<u8> {
    [YUBICO_HSM, &[number]].concat()
}

fn bit_string(bytes: &[u8]) -> Vec<u8> {
    tlv(0x03, &[&[0], bytes].concat())
}

/// The common name of a certificate's subject, if its name has nothing else.
fn subject_of(certificate: &[u8]) -> String {
    let body = find(certificate, 0x30).and_then(|certificate| find(certificate, 0x30)).unwrap_or_default();
    // Algorithm, issuer, validity, subject.
    let mut sequences = crate::tlv::objects(body).filter(|(tag, _)| *tag == 0x30).map(|(_, content)| content);
    let subject = sequences.nth(3).unwrap_or_default();
    let attribute = find(subject, 0x31).and_then(|set| find(set, 0x30)).unwrap_or_default();
    String::from_utf8_lossy(find(attribute, 0x0c).unwrap_or_default()).into_owned()
}
