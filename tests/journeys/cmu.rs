//! The older CloudHSM management utility: its two-factor files, and quorum tokens that are signed whole.

use crate::support::desk::{Desk, SIGNKEY};
use crate::support::openssl::{openssl_accepts_both_ways, openssl_accepts_digest};
use crate::support::pinned::pinned;
use crate::support::token_files::{authdata, base64, json};

#[test]
fn a_two_factor_file_of_the_older_cmu_gets_signatures_and_public_key() {
    let desk = Desk::new();
    desk.write("authdata.json", &authdata());
    desk.countersign(&["sign", "--key", SIGNKEY, "authdata.json"])
        .with_pin()
        .go()
        .exits(0)
        .says("authdata.json is ready: continue in the CloudHSM management utility.");
    let document = json(&desk, "authdata.json");
    assert_eq!(document["PublicKey"].as_str().unwrap().as_bytes(), desk.read("device/signkey.pub.pem"));
    for entry in document["Data"].as_array().unwrap() {
        let (token, signature) = (base64(&entry["Digest"]), base64(&entry["Signature"]));
        assert!(openssl_accepts_digest(&desk, &token, &signature, "device/signkey.pub.pem"));
    }
    desk.countersign(&["verify", "--public-key", "device/signkey.pub.pem", "authdata.json"]).go().exits(0);
    let before = desk.read("authdata.json");
    desk.countersign(&["sign", "--key", SIGNKEY, "authdata.json"]).go().exits(0).says("Nothing was changed.");
    assert_eq!(desk.read("authdata.json"), before);
}

#[test]
fn the_public_key_is_left_out_for_a_login_and_never_replaced_unasked() {
    let desk = Desk::provisioned(&["--keys", "signkey,alwayskey"]);
    desk.write("authdata.json", &authdata());
    desk.countersign(&["sign", "--no-public-key", "--key", SIGNKEY, "authdata.json"])
        .with_pin()
        .go()
        .exits(0);
    assert_eq!(json(&desk, "authdata.json")["PublicKey"], "");

    desk.write("authdata.json", &authdata());
    let other = ["sign", "--key", "pkcs11:object=alwayskey", "authdata.json"];
    desk.countersign(&other).with_pin().go().exits(0);
    let text = String::from_utf8(desk.read("authdata.json")).unwrap();
    let mut document: serde_json::Value = serde_json::from_str(&text).unwrap();
    for entry in document["Data"].as_array_mut().unwrap() {
        entry["Signature"] = "".into();
    }
    desk.write("authdata.json", document.to_string().as_bytes());
    let before = desk.read("authdata.json");
    let done = desk.countersign(&["sign", "--key", SIGNKEY, "authdata.json"]).with_pin().go().exits(4);
    pinned("cmu_other_public_key", &desk, "countersign sign --key … authdata.json", &done);
    assert_eq!(desk.read("authdata.json"), before);
    desk.countersign(&["sign", "--force", "--key", SIGNKEY, "authdata.json"]).with_pin().go().exits(0);
    desk.countersign(&["verify", "--public-key", "device/signkey.pub.pem", "authdata.json"]).go().exits(0);
}

#[test]
fn a_cmu_file_whose_public_key_is_another_one_does_not_verify() {
    let desk = Desk::provisioned(&["--keys", "signkey,alwayskey"]);
    desk.write("authdata.json", &authdata());
    desk.countersign(&["sign", "--key", SIGNKEY, "authdata.json"]).with_pin().go().exits(0);
    desk.countersign(&["public-key", "--key", "pkcs11:object=alwayskey", "-o", "other.pub"]).go().exits(0);
    let mut document = json(&desk, "authdata.json");
    document["PublicKey"] = String::from_utf8(desk.read("other.pub")).unwrap().into();
    desk.write("authdata.json", document.to_string().as_bytes());
    let verify = ["verify", "--public-key", "device/signkey.pub.pem", "authdata.json"];
    desk.countersign(&verify).go().exits(8).says("its \"PublicKey\" is not the key");
    // Replaced signatures must not stay beside another key.
    let sign = ["sign", "--force", "--no-public-key", "--key", SIGNKEY, "authdata.json"];
    desk.countersign(&sign).with_pin().go().exits(0);
    assert_eq!(json(&desk, "authdata.json")["PublicKey"], "");
}

#[test]
fn any_other_file_is_signed_whole_only_when_asked_for() {
    let desk = Desk::new();
    let token: Vec<u8> = (0..=244).collect();
    desk.write("officer1.token", &token);
    let done = desk.countersign(&["sign", "--key", SIGNKEY, "officer1.token"]).with_pin().go().exits(7);
    pinned("detached_not_asked_for", &desk, "countersign sign --key … officer1.token", &done);
    assert!(!desk.path("officer1.token.sig").exists());

    let sign = ["sign", "--detached", "--key", SIGNKEY, "officer1.token"];
    let done = desk.countersign(&sign).with_pin().go().exits(0);
    pinned("detached_sign", &desk, "countersign sign --detached --key … officer1.token", &done);
    assert_eq!(desk.read("officer1.token.sig").len(), 256);
    assert_eq!(desk.read("officer1.token"), token);
    openssl_accepts_both_ways(&desk, &token, &desk.read("officer1.token.sig"), "device/signkey.pub.pem");
    let verify = ["verify", "--detached", "--public-key", "device/signkey.pub.pem", "officer1.token"];
    desk.countersign(&verify).go().exits(0);
    // Again: the signature is there.
    desk.countersign(&sign).go().exits(0).says("Nothing was changed.");

    desk.write("officer1.token", b"something else");
    desk.countersign(&verify).go().exits(8);
    desk.countersign(&sign)
        .with_pin()
        .go()
        .exits(8)
        .says("the signature is signed already, but not by this key");
    let elsewhere = ["sign", "--detached", "--key", SIGNKEY, "-o", "raw", "officer1.token"];
    desk.countersign(&elsewhere).with_pin().go().exits(0);
    openssl_accepts_both_ways(&desk, b"something else", &desk.read("raw"), "device/signkey.pub.pem");
}

#[test]
fn a_detached_signature_is_verified_wherever_it_is() {
    let desk = Desk::new();
    desk.write("officer.token", b"token");
    let sign = ["sign", "--detached", "--key", SIGNKEY, "-o", "officer.token.sig1", "officer.token"];
    desk.countersign(&sign).with_pin().go().exits(0);
    let key = ["--public-key", "device/signkey.pub.pem"];
    let verify = |extra: &[&str]| {
        desk.countersign(&[&["verify", "--detached"], &key[..], extra, &["officer.token"]].concat()).go()
    };
    verify(&["--signature", "officer.token.sig1"]).exits(0);
    verify(&[]).exits(8).says("no such file: \"officer.token.sig\"");
}

#[test]
fn the_template_that_approve_token_reads_is_on_the_page() {
    let page = std::fs::read_to_string(crate::support::parts::root().join("docs/cmu.md")).unwrap();
    for line in [
        "Multi Token File Path = officer1.token;",
        "Number of Approvals = 2;",
        "Approval File = officer1.token.sig1;",
    ] {
        assert!(page.contains(line), "{line}");
    }
}

#[test]
fn a_larger_key_makes_a_larger_signature_and_says_so() {
    let desk = Desk::provisioned(&["--keys", "rsa3072"]);
    desk.write("officer.token", b"token");
    let sign = ["sign", "--detached", "--allow-key-size", "--key", "pkcs11:object=rsa3072", "officer.token"];
    desk.countersign(&sign)
        .with_pin()
        .go()
        .exits(0)
        .says("The signature is in officer.token.sig, 384 bytes.");
    assert_eq!(desk.read("officer.token.sig").len(), 384);
}
