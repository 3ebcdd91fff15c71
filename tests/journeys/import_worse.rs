//! `countersign import-certificate --replace`: a certificate is not silently replaced by a worse one.

use crate::support::authority::{Authority, Leaf};
use crate::support::desk::Desk;
use crate::support::pinned::pinned;
use crate::support::preparing::{
    KEY, certificate_of, desk_with_key, import, issue, labels, without_what_varies,
};

fn ends_in(days: f64) -> Leaf {
    Leaf { valid_days: Some((-1.0, days)), ..Leaf::default() }
}

/// A certificate self-signed with the key, in a file.
fn self_signed(desk: &Desk, days: &str, file: &str) {
    let csr = ["csr", "--key", KEY, "--subject", "CN=server1-demo", "--self-signed", days, "-o", file];
    desk.countersign(&csr).with_pin().go().exits(0);
}

#[test]
fn each_kind_of_worse_certificate_is_refused_unless_forced() {
    let authority = Authority::new();
    type Make = fn() -> Leaf;
    let worse: [(&str, Make, &str); 5] = [
        ("expired", Leaf::expired, "it ended on "),
        ("not_yet", Leaf::not_yet_valid, "it is valid from "),
        ("of_a_ca", Leaf::of_a_ca, "it is a CA's (basicConstraints)"),
        ("no_signature", Leaf::without_digital_signature, "its keyUsage has no digitalSignature"),
        ("ends_sooner", || ends_in(5.0), "and the present one on "),
    ];
    for (name, leaf, reason) in worse {
        let desk = desk_with_key("ec:p256");
        issue(&desk, &authority, &ends_in(20.0), "good.pem");
        issue(&desk, &authority, &leaf(), "worse.pem");
        import(&desk, &["good.pem"]).exits(0);
        let done = import(&desk, &["--replace", "worse.pem"]);
        assert_eq!(done.code(), 4, "{name}: {}", done.stderr());
        let done =
            done.says(reason).says("the new certificate is worse than the one on officer").says("--force");
        if name == "no_signature" {
            let command = "countersign import-certificate --key 'pkcs11:token=officer;id=%01;type=private' --replace worse.pem";
            pinned("import_worse", &desk, command, &without_what_varies(done));
        }
        assert_eq!(labels(&desk, "cert"), ["signkey"], "{name}");
        assert_eq!(certificate_of(&desk, KEY).as_bytes(), desk.read("good.pem"), "{name}");
        import(&desk, &["--replace", "--force", "worse.pem"]).exits(0);
        assert_eq!(labels(&desk, "cert"), ["signkey"], "{name}");
        assert_eq!(certificate_of(&desk, KEY).as_bytes(), desk.read("worse.pem"), "{name}");
    }
}

#[test]
fn importing_one_that_is_there_already_removes_no_better_one() {
    let (desk, authority) = (desk_with_key("ec:p256"), Authority::new());
    issue(&desk, &authority, &ends_in(5.0), "old.pem");
    issue(&desk, &authority, &ends_in(20.0), "new.pem");
    import(&desk, &["old.pem"]).exits(0);
    crate::support::preparing::put_certificate(&desk, "new.pem", "01", "renewed");
    import(&desk, &["--replace", "old.pem"]).exits(4).says("and the present one on ");
    assert_eq!(certificate_of(&desk, KEY).as_bytes(), desk.read("new.pem"));
    import(&desk, &["--replace", "new.pem"]).exits(0);
    assert_eq!(labels(&desk, "cert"), ["renewed"]);
}

/// A self-signed certificate bridges the time until the CA's arrives, which nearly always expires earlier.
#[test]
fn a_cas_certificate_replaces_a_self_signed_one_and_not_the_other_way_round() {
    let (desk, authority) = (desk_with_key("ec:p256"), Authority::new());
    self_signed(&desk, "3650", "own.pem");
    issue(&desk, &authority, &ends_in(20.0), "officer.pem");
    import(&desk, &["own.pem"]).exits(0);
    import(&desk, &["--replace", "officer.pem"]).exits(0);
    assert_eq!(certificate_of(&desk, KEY).as_bytes(), desk.read("officer.pem"));
    import(&desk, &["--replace", "own.pem"]).exits(4).says("it is self-signed");
    // An equally bad one that expires later is not worse.
    issue(&desk, &authority, &Leaf::expired(), "expired.pem");
    import(&desk, &["--replace", "--force", "expired.pem"]).exits(0);
    issue(
        &desk,
        &authority,
        &Leaf { valid_days: Some((-30.0, -0.5)), ..Leaf::default() },
        "less_expired.pem",
    );
    import(&desk, &["--replace", "less_expired.pem"]).exits(0);
    assert_eq!(certificate_of(&desk, KEY).as_bytes(), desk.read("less_expired.pem"));
}

#[test]
fn an_unfit_certificate_is_stored_with_a_warning_if_there_is_none() {
    let (desk, authority) = (desk_with_key("ec:p256"), Authority::new());
    issue(&desk, &authority, &Leaf::expired(), "expired.pem");
    import(&desk, &["expired.pem"])
        .exits(0)
        .says("warning: IAM Roles Anywhere refuses this certificate: it ended on ");
    let document = import(&desk, &["--json", "expired.pem"]).exits(0).json();
    assert!(document["flaws"][0].as_str().unwrap().starts_with("it ended on "), "{document}");
    // --force only concerns replacing.
    import(&desk, &["--force", "expired.pem"]).exits(2).says("--replace");
}
