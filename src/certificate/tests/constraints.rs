use std::time::{Duration, UNIX_EPOCH};

use super::sample;
use crate::certificate::identity_of;

#[test]
fn malformed_constraints_count_as_a_cas_and_malformed_usage_allows_nothing() {
    for (name, is_ca) in [
        ("root", true),
        ("device", true),
        ("malformed", true),
        ("twice", true),
        ("leaf", false),
        ("bare-leaf", false),
        ("statement", false),
    ] {
        assert_eq!(sample(name).is_ca(), is_ca, "{name}");
    }
    for (name, may_sign) in
        [("malformed-usage", Some(false)), ("no-signer", Some(true)), ("root", Some(false)), ("leaf", None)]
    {
        assert_eq!(sample(name).digital_signature(), may_sign, "{name}");
    }
}

#[test]
fn whether_a_certificate_may_issue_is_decided_by_all_of_its_extensions() {
    for (name, below, may_issue) in [
        ("root", 1, true),
        ("root", 2, false),
        ("device", 0, true),
        ("device", 1, false),
        ("stranger", 7, true),
        ("leaf", 0, false),
        ("bare-leaf", 0, false),
        ("malformed", 0, false),
        ("malformed-usage", 0, false),
        ("twice", 0, false),
        ("no-signer", 0, false),
        ("critical", 0, false),
    ] {
        assert_eq!(sample(name).may_issue(below), may_issue, "{name} with {below} below");
    }
}

#[test]
fn a_sound_certificate_is_preferred_to_a_malformed_one() {
    let now = UNIX_EPOCH + Duration::from_secs(2_000_000_000);
    for malformed in ["malformed-usage", "twice"] {
        let candidates = [sample(malformed), sample("bare-leaf"), sample(malformed)];
        let found = identity_of(None, &candidates, now);
        assert_eq!(found.map(|found| found.subject()).as_deref(), Some("CN=Test Bare Leaf"));
    }
}
