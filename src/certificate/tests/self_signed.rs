use std::process::Command;
use std::time::{Duration, SystemTime};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair};

use crate::certificate::{
    AlternativeName, AlternativeNames, Certificate, CertificateRequest, NameKind, Validity,
};
use crate::signature::{Payload, PublicKey};

/// A certificate signed by its own key, which is then discarded.
fn self_signed(request: &CertificateRequest) -> (Certificate, String) {
    let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap();
    // RFC 5480 section 2: the point behind what says P-256.
    let head = b"\x30\x59\x30\x13\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07\x03\x42\0";
    let public_key = PublicKey::from_spki_der(&[head, key.public_key().as_ref()].concat()).unwrap();
    let validity = Validity { from: SystemTime::now() - Duration::from_secs(60), days: 30_000 };
    let unsigned = request.self_signed(&public_key, validity, [0xff; 16]).unwrap();
    let Payload::Message { bytes, .. } = unsigned.payload() else { panic!("no message") };
    let signature = key.sign(&SystemRandom::new(), &bytes).unwrap();
    let certificate = Certificate::from_der(&unsigned.der(signature.as_ref()).unwrap()).unwrap();
    (certificate, unsigned.pem(signature.as_ref()).unwrap())
}

#[test]
fn openssl_accepts_a_self_signed_certificate_for_its_names_and_purpose() {
    for (names, client_auth, purpose) in [
        (&[][..], false, "any"),
        (&["server1.example.com", "*.example.com"], true, "sslclient"),
        (&["server1.example.com"], false, "sslserver"),
    ] {
        let subject = "CN=server1,O=Example".parse().unwrap();
        let mut request = CertificateRequest { subject, names: AlternativeNames::default(), client_auth };
        for name in names {
            request.names.add(AlternativeName::new(NameKind::Dns, name).unwrap()).unwrap();
        }
        let (certificate, pem) = self_signed(&request);
        assert!(certificate.is_signed_by(&certificate));
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("self-signed.pem");
        std::fs::write(&file, pem).unwrap();
        let mut openssl = Command::new("openssl");
        openssl.args(["verify", "-x509_strict", "-check_ss_sig", "-policy_check", "-purpose", purpose]);
        if let [name, ..] = names {
            openssl.args(["-verify_hostname", name]);
        }
        let output = openssl.arg("-CAfile").args([&file, &file]).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{names:?}: {said}");
    }
}
