use std::time::{Duration, SystemTime};

use super::{sample, samples};
use crate::certificate::{Certificate, chain_at_any_time, chain_of};

/// A time at which all samples are valid.
fn then() -> SystemTime {
    sample("root").not_before() + Duration::from_secs(86_400)
}

fn subjects(chain: &[Certificate]) -> Vec<String> {
    chain.iter().map(Certificate::subject).collect()
}

#[test]
fn a_chain_goes_up_to_the_root_whatever_the_order_of_the_pool() {
    let mut pool = samples(["new-device", "new-ca", "new-intermediate", "new-root", "stranger", "root"]);
    let leaf = sample("new-statement");
    for _ in 0..pool.len() {
        pool.rotate_left(1);
        let expected = samples(["new-device", "new-ca", "new-intermediate", "new-root"]);
        assert_eq!(subjects(&chain_of(&leaf, &pool, then())), subjects(&expected));
    }
}

#[test]
fn a_dead_end_of_the_same_name_and_key_is_skipped() {
    let mut pool = samples(["dead-end", "device", "root"]);
    for _ in 0..pool.len() {
        pool.rotate_left(1);
        assert_eq!(chain_of(&sample("statement"), &pool, then()), samples(["device", "root"]));
    }
}

#[test]
fn a_chain_without_its_root_is_as_long_as_it_can_be() {
    let pool = samples(["new-ca", "new-device", "new-intermediate"]);
    let expected = samples(["new-device", "new-ca", "new-intermediate"]);
    assert_eq!(chain_of(&sample("new-statement"), &pool, then()), expected);
    assert_eq!(chain_of(&sample("new-statement"), &[sample("new-ca")], then()), []);
    assert_eq!(chain_of(&sample("root"), &samples(["root-again", "root"]), then()), []);
}

#[test]
fn a_signature_is_checked_over_the_bytes_that_were_read() {
    let written_out = sample("written-out");
    assert!(written_out.is_signed_by(&sample("root")));
    assert!(written_out.is_signed_by(&sample("root-again")));
    assert!(!written_out.is_signed_by(&sample("device")));
    assert!(!written_out.is_ca());
}

#[test]
fn a_signature_whose_outer_algorithm_differs_does_not_count() {
    let statement = sample("statement");
    // ecdsa-with-SHA256; the last is outside of what is signed. SHA-384 instead.
    let id = [0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2];
    let mut der = statement.der().to_vec();
    let at = der.windows(id.len()).rposition(|window| window == id).unwrap() + id.len() - 1;
    der[at] = 3;
    assert!(statement.is_signed_by(&sample("device")));
    assert!(!Certificate::from_der(&der).unwrap().is_signed_by(&sample("device")));
}

#[test]
fn if_nothing_is_valid_dates_do_not_matter() {
    let pool = samples(["new-device", "new-ca", "new-intermediate", "new-root"]);
    let leaf = sample("new-statement");
    let long_before = SystemTime::UNIX_EPOCH;
    assert_eq!(chain_of(&leaf, &pool, long_before), chain_at_any_time(&leaf, &pool));
    assert_eq!(chain_of(&leaf, &pool, long_before).len(), 4);
}
