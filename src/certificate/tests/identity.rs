//! Which certificate belongs to a key, and which are above it.

use std::time::Duration;

use super::*;

/// A certificate of tests/samples/identities, whose make.sh says what is in it.
fn sample(name: &str) -> Certificate {
    let path = format!("{}/tests/samples/identities/{name}.pem", env!("CARGO_MANIFEST_DIR"));
    let certificates = certificates_from_pem(&std::fs::read(&path).expect(&path)).expect(&path);
    certificates.into_iter().next().expect(&path)
}

/// The day on which the samples are judged: 2027-01-15.
fn day_in_2027() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_800_000_000)
}

#[test]
fn a_certificate_belongs_to_the_key_that_it_certifies() {
    let (own, other) = (sample("k"), sample("other"));
    let key = own.public_key();
    assert!(own.certifies(key) && !other.certifies(key));
    assert_eq!(identity_of(Some(key), [&other, &own], day_in_2027()), Some(&own));
    assert_eq!(identity_of(Some(key), [&other], day_in_2027()), None);
    // Nothing is known of a hidden key: any certificate may be its own.
    assert_eq!(identity_of(None, [&other], day_in_2027()), Some(&other));
    assert_eq!(identity_of::<&Certificate>(None, [], day_in_2027()), None);
}

#[test]
fn a_keys_certificate_is_chosen_by_validity_then_usage_then_not_being_a_ca_then_expiry() {
    // Each is better than all after it.
    let order =
        ["k_no_key_usage", "k", "k_until_2029", "k_ca", "k_no_signature", "k_from_2028", "k_until_2026"];
    let all: Vec<Certificate> = order.map(sample).into();
    for (index, best) in all.iter().enumerate() {
        for rotation in 0..all.len() - index {
            let mut rest = all[index..].to_vec();
            rest.rotate_left(rotation);
            let chosen = identity_of(Some(rest[0].public_key()), &rest, day_in_2027());
            assert_eq!(chosen, Some(best), "{}", order[index]);
        }
    }
}

#[test]
fn an_attestation_is_not_an_identity() {
    let attestation = sample("k_attestation");
    assert!(attestation.is_attestation());
    let identity = sample("k_until_2026");
    let key = identity.public_key();
    for known in [Some(key), None] {
        assert_eq!(identity_of(known, [&attestation], day_in_2027()), None);
        assert_eq!(identity_of(known, [&attestation, &identity], day_in_2027()), Some(&identity));
    }
}

#[test]
fn an_attestation_is_found_by_the_key_that_it_attests() {
    let (attestation, identity, other) = (sample("k_attestation"), sample("k"), sample("other"));
    let all = [&other, &identity, &attestation];
    assert_eq!(attestation_of(identity.public_key(), all), Some(&attestation));
    assert_eq!(attestation_of(other.public_key(), all), None);
}

#[test]
fn a_chain_is_built_of_signatures_and_not_of_names() {
    let [root, intermediate, impostor, own] = ["root", "intermediate", "impostor", "k"].map(sample);
    let pool = [impostor.clone(), own.clone(), root.clone(), intermediate.clone()];
    assert_eq!(chain_of(&own, &pool, day_in_2027()), [intermediate.clone(), root.clone()]);
    assert_eq!(chain_of(&own, &pool[..3], day_in_2027()), []);
    assert_eq!(chain_of(&own, std::slice::from_ref(&intermediate), day_in_2027()), [intermediate]);
    assert_eq!(chain_of(&root, &pool, day_in_2027()), []);
}

#[test]
fn a_circular_chain_ends() {
    let [own, a, b] = ["k_in_loop", "loop_a", "loop_b"].map(sample);
    assert!(a.is_signed_by(&b) && b.is_signed_by(&a));
    let pool = [own.clone(), a.clone(), b.clone()];
    assert_eq!(chain_of(&own, &pool, day_in_2027()), [a.clone(), b.clone()]);
    assert_eq!(chain_of(&a, &pool, day_in_2027()), [b]);
}

#[test]
fn what_a_certificate_is_for_is_read_from_its_extensions() {
    let [root, intermediate] = ["root", "intermediate"].map(sample);
    assert!(root.is_ca() && intermediate.is_ca() && sample("k_ca").is_ca());
    assert!(!sample("k").is_ca() && !sample("k_no_key_usage").is_ca());
    assert_eq!(sample("k_no_key_usage").digital_signature(), None);
    assert_eq!(sample("k_no_signature").digital_signature(), Some(false));
    assert_eq!(sample("k").digital_signature(), Some(true));
}

#[test]
fn pem_is_found_among_other_text_and_in_any_number() {
    let pem = certificates_to_pem(&[sample("k"), sample("other")]).unwrap();
    let around = format!("Bag Attributes\r\n{}\ntrailing", pem.replace('\n', "\r\n"));
    for text in [&pem, &around] {
        let found = certificates_from_pem(text.as_bytes()).expect("certificates");
        assert_eq!(found, [sample("k"), sample("other")]);
    }
    assert_eq!(certificates_from_pem(sample("k").der()), Ok(vec![sample("k")]));
    assert_eq!(certificates_from_pem(b""), Err(CertificateError::NoPem));
    let key = "-----BEGIN PRIVATE KEY-----\nMAA=\n-----END PRIVATE KEY-----\n";
    let other = CertificateError::OtherPem { found: "PRIVATE KEY".into() };
    assert_eq!(certificates_from_pem(key.as_bytes()), Err(other));
    // A key beside the certificate, as in a server's file, is passed over.
    assert_eq!(certificates_from_pem(format!("{key}{pem}").as_bytes()).map(|found| found.len()), Ok(2));
}
