//! Certificates, as devices and files provide them: none makes the program panic, every fact about one can be
//! printed, chains end, and no attestation counts except the genuine one.
#![no_main]

use std::sync::LazyLock;
use std::time::SystemTime;

use countersign::certificate::{
    Attestation, Certificate, certificates_from_pem, certificates_to_pem, chain_at_any_time, chain_of,
};
use libfuzzer_sys::fuzz_target;

/// The root, a device below it, and the device's statement.
static GENUINE: LazyLock<[Certificate; 3]> = LazyLock::new(|| {
    let samples: [&[u8]; 3] = [
        include_bytes!("../../samples/certificates/root.pem"),
        include_bytes!("../../samples/certificates/device.pem"),
        include_bytes!("../../samples/certificates/statement.pem"),
    ];
    samples.map(|pem| certificates_from_pem(pem).unwrap().remove(0))
});

fuzz_target!(|bytes: &[u8]| {
    if let Ok(read) = certificates_from_pem(bytes) {
        assert_eq!(certificates_from_pem(certificates_to_pem(&read).unwrap().as_bytes()).unwrap(), read);
    }
    // One after the other.
    let mut certificates = Vec::new();
    let mut left = bytes;
    while let Some((der, behind)) = sequence(left) {
        left = behind;
        match Certificate::from_der(der) {
            Ok(certificate) => {
                assert_eq!(certificate.der(), der);
                tell(&certificate);
                certificates.push(certificate);
            }
            Err(error) => drop(error.to_string()),
        }
    }
    let Some(first) = certificates.first() else { return };
    assert!(chain_at_any_time(first, &certificates).len() <= 8);
    assert!(chain_of(first, &certificates, SystemTime::now()).len() <= 8);
    let [root, device, statement] = &*GENUINE;
    let is_genuine = certificates.contains(statement);
    // The device's certificate is there, so only a statement has to be forged.
    certificates.push(device.clone());
    let keys: Vec<_> = certificates.iter().map(|certificate| certificate.public_key().clone()).collect();
    for key in keys {
        let found = Attestation::verify(&key, &certificates, std::slice::from_ref(root));
        assert!(found.is_err() || is_genuine, "{found:?}");
    }
});

fn tell(certificate: &Certificate) {
    let _ = (certificate.subject(), certificate.public_key().describe(), certificate.serial_decimal());
    let _ = (certificate.not_after(), certificate.last_day(), certificate.signature_hash());
    let _ = (certificate.is_ca(), certificate.digital_signature(), certificate.is_attestation());
}

/// The SEQUENCE at its start, and the rest. The length of a certificate's takes two bytes.
fn sequence(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let [0x30, 0x82, high, low, ..] = *bytes else {
        return (!bytes.is_empty()).then_some((bytes, &[]));
    };
    let length = 4 + usize::from(u16::from_be_bytes([high, low]));
    Some(bytes.split_at(length.min(bytes.len())))
}
