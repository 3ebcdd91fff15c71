use proptest::prelude::*;
use proptest::sample::Index;

use super::{sample, samples};
use crate::certificate::{Attestation, AttestationError, Certificate, FormFactor, PinPolicy, TouchPolicy};

fn verify(
    statement: &Certificate,
    above: &[Certificate],
    roots: &[Certificate],
) -> Result<Attestation, AttestationError> {
    let device = [std::slice::from_ref(statement), above].concat();
    Attestation::verify(statement.public_key(), &device, roots)
}

#[test]
fn a_statement_by_a_device_of_firmware_5_counts() {
    let proof = verify(&sample("statement"), &[sample("device")], &[sample("root")]);
    let expected = Attestation {
        firmware: Some("5.4.3".into()),
        serial: Some("19088855".into()),
        form_factor: Some(FormFactor::UsbAKeychain),
        // From the device's certificate.
        fips: Some(true),
        pin_policy: Some(PinPolicy::Once),
        touch_policy: Some(TouchPolicy::Cached),
        root: "CN=Test PIV Root CA".into(),
    };
    assert_eq!(proof, Ok(expected));
}

#[test]
fn a_statement_in_the_shape_of_firmware_4_counts_without_constraints_below_a_root_limited_to_zero() {
    let proof = verify(&sample("old-statement"), &[sample("old-device")], &[sample("old-root")]).unwrap();
    assert_eq!((proof.firmware.as_deref(), proof.serial), (Some("4.3.7"), None));
    assert_eq!((proof.form_factor, proof.fips), (None, None));
}

#[test]
fn a_statement_by_a_device_below_two_cas_counts_whether_the_cas_are_trusted_or_not() {
    let [statement, device, ca, intermediate, root] =
        samples(["new-statement", "new-device", "new-ca", "new-intermediate", "new-root"]);
    let cas = [device.clone(), ca.clone(), intermediate.clone()];
    let proof = verify(&statement, &cas, std::slice::from_ref(&root)).unwrap();
    assert_eq!(proof.root, "CN=Test Attestation Root 1");
    // Its values are OCTET STRINGs within.
    assert_eq!((proof.firmware.as_deref(), proof.pin_policy), (Some("5.7.4"), Some(PinPolicy::Always)));
    assert!(verify(&statement, std::slice::from_ref(&device), &[root, intermediate, ca.clone()]).is_ok());
    assert!(verify(&statement, &[device], &[ca]).is_ok());
}

#[test]
fn a_statement_by_a_signer_without_the_right_does_not_count() {
    for (forged, above) in [
        ("forged-by-slot-key", &["statement", "device"][..]),
        ("forged-by-slots-ca", &["slots-ca", "statement", "device"]),
        ("forged-by-leaf", &["leaf"]),
        ("forged-by-bare-leaf", &["bare-leaf"]),
        ("forged-by-malformed", &["malformed"]),
        ("forged-by-no-signer", &["no-signer"]),
        ("forged-by-critical", &["critical"]),
        ("forged-below-zero", &["below-zero", "device"]),
        ("forged-below-old-root", &["under-that", "under-old-root"]),
        ("forged-by-root", &[]),
        ("forged-by-root", &["root", "root-again"]),
    ] {
        let above: Vec<Certificate> = above.iter().map(|name| sample(name)).collect();
        let roots = samples(["root", "old-root", "root-again"]);
        let forged_one = sample(forged);
        let found = verify(&forged_one, &above, &roots);
        let signer = forged_one.issuer();
        assert_eq!(found, Err(AttestationError::Unfit { signer }), "{forged}");
    }
}

#[test]
fn a_devices_own_certificate_is_not_a_statement() {
    let device = sample("new-device");
    let above = samples(["new-ca", "new-intermediate"]);
    assert_eq!(verify(&device, &above, &[sample("new-root")]), Err(AttestationError::None));
}

#[test]
fn a_statement_of_another_root_or_key_does_not_count() {
    let [statement, device, root] = samples(["statement", "device", "root"]);
    let certificates = [statement.clone(), device.clone()];
    let untrusted = Err(AttestationError::Untrusted {
        last: "CN=Test PIV Attestation".into(),
        issuer: "CN=Test PIV Root CA".into(),
    });
    assert_eq!(Attestation::verify(statement.public_key(), &certificates, &[sample("old-root")]), untrusted);
    assert_eq!(Attestation::verify(statement.public_key(), &certificates, &[]), untrusted);
    let other = device.public_key();
    assert_eq!(Attestation::verify(other, &certificates, &[root]), Err(AttestationError::OtherKey));
}

#[test]
fn dead_ends_and_foreign_statements_before_the_genuine_ones_do_not_matter() {
    let [statement, device, root] = samples(["statement", "device", "root"]);
    let mut certificates =
        samples(["strangers-statement", "stranger-statement", "dead-end", "stranger"]).to_vec();
    certificates.extend([statement.clone(), device]);
    for turn in 0..certificates.len() {
        certificates.rotate_left(1);
        assert!(
            Attestation::verify(statement.public_key(), &certificates, std::slice::from_ref(&root)).is_ok(),
            "{turn}"
        );
    }
}

#[test]
fn many_certificates_of_one_name_take_no_longer() {
    let [statement, device, root] = samples(["statement", "device", "root"]);
    let mut certificates = vec![statement.clone(), device];
    // All differ in their signatures.
    for byte in 0..=255 {
        let mut der = sample("dead-end").der().to_vec();
        *der.last_mut().unwrap() = byte;
        certificates.push(Certificate::from_der(&der).unwrap());
    }
    assert!(Attestation::verify(statement.public_key(), &certificates, &[root]).is_ok());
}

proptest! {
    #[test]
    fn a_changed_byte_anywhere_invalidates_an_attestation(
        at in any::<Index>(), change in 1_u8..=255, in_device in any::<bool>()
    ) {
        let [statement, device, root] = samples(["statement", "device", "root"]);
        let mut changed = if in_device { &device } else { &statement }.der().to_vec();
        let at = at.index(changed.len());
        changed[at] ^= change;
        if let Ok(changed) = Certificate::from_der(&changed) {
            let other = if in_device { statement.clone() } else { device };
            let found = Attestation::verify(statement.public_key(), &[changed.clone(), other], std::slice::from_ref(&root));
            prop_assert!(found.is_err());
            prop_assert!(Attestation::verify(changed.public_key(), std::slice::from_ref(&changed), &[root]).is_err());
        }
    }

    #[test]
    fn lost_or_doubled_bytes_anywhere_invalidate_an_attestation(
        from in any::<Index>(), until in any::<Index>(), doubled in any::<bool>()
    ) {
        let [statement, device, root] = samples(["statement", "device", "root"]);
        let mut der = statement.der().to_vec();
        let (from, until) = (from.index(der.len()), until.index(der.len()));
        let range = from.min(until)..from.max(until) + 1;
        let part = if doubled { der[range.clone()].repeat(2) } else { Vec::new() };
        der.splice(range, part);
        if let Ok(changed) = Certificate::from_der(&der) {
            prop_assert!(Attestation::verify(statement.public_key(), &[changed, device], &[root]).is_err());
        }
    }
}
