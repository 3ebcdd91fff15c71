//! `countersign keygen`: either the key on the device is as required, according to other tools, or there is
//! none.

use std::process::Command;

use crate::support::desk::Desk;
use crate::support::faults::{calls, with_faults};
use crate::support::openssl::{openssl, openssl_reads_request};
use crate::support::pinned::pinned;
use crate::support::piv_card::{MANAGEMENT_KEY, PivCard, YKCS11};
use crate::support::preparing::{
    DEVICE, empty_desk, has_no_key, keygen, labels, p11tool, pkcs11_tool, text, uri,
};
use crate::support::run::Done;

const KINDS: [(&str, &str, &str); 5] = [
    ("rsa:2048", "RSA-2048", "Public-Key: (2048 bit)"),
    ("rsa:3072", "RSA-3072", "Public-Key: (3072 bit)"),
    ("rsa:4096", "RSA-4096", "Public-Key: (4096 bit)"),
    ("ec:p256", "EC P-256", "ASN1 OID: prime256v1"),
    ("ec:p384", "EC P-384", "ASN1 OID: secp384r1"),
];

const SHORT: [&str; 5] = ["keygen", "--device", DEVICE, "--label", "signkey"];

const COMMAND: &str = "countersign keygen --device pkcs11:token=officer --label signkey";

#[test]
fn every_kind_of_key_can_sign_and_never_leave() {
    let desk = empty_desk();
    for (number, (kind, name, in_openssl)) in (1..).zip(KINDS) {
        let done = keygen(&desk, &["--label", kind, "--type", kind, "-o", "key.pub"]).exits(0);
        // Ids are assigned from 01 on.
        assert_eq!(uri(&done), format!("pkcs11:token=officer;id=%{number:02X};type=private"));
        assert!(done.stderr().contains(name), "{}", done.stderr());
        let said = openssl(&["pkey", "-pubin", "-in", &text(&desk, "key.pub"), "-noout", "-text"]);
        assert!(String::from_utf8(said).unwrap().contains(in_openssl), "{kind}");
        let exported = format!("pkcs11:token=officer;id=%{number:02X};type=public");
        let exported = p11tool(&desk, &["--export", &exported]);
        assert_eq!(exported.trim(), String::from_utf8(desk.read("key.pub")).unwrap().trim(), "{kind}");

        let flags = p11tool(&desk, &["--info", &uri(&done)]);
        assert!(flags.contains("CKA_PRIVATE; CKA_NEVER_EXTRACTABLE; CKA_SENSITIVE;"), "{kind}: {flags}");
    }
    let listed = pkcs11_tool(&desk, &["--list-objects", "--type", "privkey"]);
    let lines = |start: &str, end: &str| {
        listed.lines().filter(|line| line.trim().starts_with(start) && line.ends_with(end)).count()
    };
    assert_eq!(lines("Usage:", "  sign"), KINDS.len(), "{listed}");
    assert_eq!(
        lines("Access:", "  sensitive, always sensitive, never extractable, local"),
        KINDS.len(),
        "{listed}"
    );
}

#[test]
fn the_public_half_can_only_verify() {
    let desk = empty_desk();
    keygen(&desk, &["--label", "signkey"]).exits(0);
    let listed = pkcs11_tool(&desk, &["--list-objects", "--type", "pubkey"]);
    assert!(listed.lines().any(|line| line.trim_end().ends_with("Usage:      verify")), "{listed}");
}

/// Judged by what SoftHSM itself has stored: by default it allows both, and OpenSC 0.23's tool does not say.
#[test]
fn neither_half_is_for_signatures_with_recovery() {
    for kind in ["rsa:2048", "ec:p256"] {
        let desk = empty_desk();
        keygen(&desk, &["--label", "signkey", "--type", kind]).exits(0);
        let stored = stored_by_softhsm(&desk);
        assert_eq!(of_attribute(&stored, "CKA_SIGN_RECOVER"), ["FALSE"], "{kind}");
        assert_eq!(of_attribute(&stored, "CKA_VERIFY_RECOVER"), ["FALSE"], "{kind}");
        assert_eq!(of_attribute(&stored, "CKA_SIGN"), ["TRUE"], "{kind}");
        assert_eq!(of_attribute(&stored, "CKA_VERIFY"), ["TRUE"], "{kind}");
    }
}

#[test]
fn a_device_that_does_not_know_recovery_still_gets_all_other_denials() {
    for unknown in ["0x109", "0x10b"] {
        let desk = empty_desk();
        faulty(&desk, &[], &format!("C_GenerateKeyPair=unknown:{unknown}")).exits(0);
        assert_eq!(calls(&desk, "C_GenerateKeyPair"), 2, "{unknown}");
        let stored = stored_by_softhsm(&desk);
        for denied in ["CKA_ENCRYPT", "CKA_WRAP", "CKA_DECRYPT", "CKA_UNWRAP"] {
            assert_eq!(of_attribute(&stored, denied), ["FALSE"], "{unknown}: {denied}");
        }
    }
}

/// Everything that SoftHSM has in its files, according to its own tool.
fn stored_by_softhsm(desk: &Desk) -> String {
    let find = ["device/tokens", "-name", "*.object", "-exec", "softhsm2-dump-file", "{}", ";"];
    let output = Command::new("find").args(find).current_dir(desk.folder()).output().unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// The values of a boolean attribute in all objects that have it. The value is two lines below the name.
fn of_attribute<'a>(stored: &'a str, name: &str) -> Vec<&'a str> {
    let words: Vec<&str> = stored.lines().map(|line| line.rsplit(' ').next().unwrap_or_default()).collect();
    words.windows(3).filter(|words| words[0] == name).map(|words| words[2]).collect()
}

#[test]
fn its_messages_are_as_reviewed() {
    let desk = empty_desk();
    pinned("keygen", &desk, COMMAND, &keygen(&desk, &["--label", "signkey"]));
    let json =
        keygen(&desk, &["--label", "other", "--id", "0a0b", "--type", "ec:p256", "--json"]).exits(0).json();
    assert_eq!(json["uri"], "pkcs11:token=officer;id=%0A%0B;type=private");
    assert_eq!(json["kind"], "EC P-256");
    assert_eq!(json["exportable"], false);
    assert_eq!(json["made_on_device"], true);
}

#[test]
fn without_a_device_s_name_the_one_that_is_present_is_meant() {
    let desk = empty_desk();
    desk.countersign(&["keygen", "--label", "signkey"]).with_pin().go().exits(0);
    let two = Desk::provisioned(&["--keys", "none", "--also", "backup"]);
    let done = two.countersign(&["keygen", "--label", "signkey"]).with_pin().go();
    pinned("keygen_two_devices", &two, "countersign keygen --label signkey", &done);
    assert!([3, 4].contains(&done.code()));
    has_no_key(&two);
}

#[test]
fn a_key_can_require_its_pin_each_time() {
    let desk = empty_desk();
    let key = uri(&keygen(&desk, &["--label", "always", "--always-authenticate"]).exits(0));
    let listed = pkcs11_tool(&desk, &["--list-objects", "--type", "privkey"]);
    assert!(
        listed.contains("always authenticate, sensitive, always sensitive, never extractable, local"),
        "{listed}"
    );
    let csr = ["csr", "--key", &key, "--subject", "CN=always", "-o", "csr.pem"];
    desk.countersign(&csr).with_pin().go().exits(0);
    openssl_reads_request(&text(&desk, "csr.pem"), &[]);
}

#[test]
fn a_label_or_an_id_in_use_is_refused() {
    // The certificate's label and id count as well as the key's.
    let desk = Desk::new();
    let label = keygen(&desk, &["--label", "signkey"]).exits(4);
    pinned("keygen_label_in_use", &desk, COMMAND, &label);
    let id = keygen(&desk, &["--label", "new", "--id", "01"]).exits(4);
    pinned(
        "keygen_id_in_use",
        &desk,
        "countersign keygen --device pkcs11:token=officer --label new --id 01",
        &id,
    );
    pkcs11_tool(&desk, &["--delete-object", "--type", "privkey", "--id", "01"]);
    pkcs11_tool(&desk, &["--delete-object", "--type", "pubkey", "--id", "01"]);
    keygen(&desk, &["--label", "signkey"]).exits(4).says("type=cert");
    keygen(&desk, &["--label", "new", "--id", "01"]).exits(4).says("type=cert");
    // Without an option it takes a free one.
    assert_eq!(uri(&keygen(&desk, &["--label", "new"]).exits(0)), "pkcs11:token=officer;id=%02;type=private");
}

#[test]
fn options_that_make_no_sense_are_refused_before_the_pin_is_requested() {
    let desk = empty_desk();
    let cases: [(&str, &[&str], i32); 7] = [
        ("keygen_type", &["--label", "x", "--type", "rsa:1024"], 2),
        ("keygen_type_of_curve", &["--label", "x", "--type", "ec:p521"], 2),
        ("keygen_odd_id", &["--label", "x", "--id", "abc"], 2),
        ("keygen_empty_id", &["--label", "x", "--id", ""], 2),
        ("keygen_no_label", &[], 2),
        ("keygen_id_and_slot", &["--label", "x", "--id", "01", "--slot", "9a"], 2),
        ("keygen_no_folder", &["--label", "x", "-o", "nowhere/x.pub"], 1),
    ];
    for (name, options, code) in cases {
        let done = desk.countersign(&[&["keygen", "--device", DEVICE], options].concat()).go();
        pinned(name, &desk, &format!("countersign keygen --device {DEVICE} {}", options.join(" ")), &done);
        assert_eq!(done.code(), code, "{name}");
    }
    has_no_key(&desk);
}

#[test]
fn a_key_that_could_not_be_named_is_not_generated() {
    let desk = empty_desk();
    keygen(&desk, &["--label", ""]).exits(2);
    has_no_key(&desk);
}

#[test]
fn a_missing_device_is_reported() {
    let desk = empty_desk();
    let run =
        |device: &str| desk.countersign(&["keygen", "--device", device, "--label", "x"]).with_pin().go();
    pinned(
        "keygen_no_device",
        &desk,
        "countersign keygen --device pkcs11:token=none --label x",
        &run("pkcs11:token=none").exits(3),
    );
    run("pkcs11:token=%zz").exits(7);
    has_no_key(&desk);
}

#[test]
fn a_wrong_pin_makes_no_key() {
    let desk = empty_desk();
    desk.write("wrong-pin", b"000000");
    keygen(&desk, &["--label", "x", "--pin-source", "file:wrong-pin"]).exits(5).says("CKR_PIN_INCORRECT");
    let officer = keygen(&desk, &["--label", "x", "--so-pin-source", "file:wrong-pin"]).exits(5);
    let officer = officer.says("the PIN for the security officer of officer").says("CKR_PIN_INCORRECT");
    assert!(!officer.stderr().contains("CKF_USER_PIN"), "another's counter: {}", officer.stderr());
    has_no_key(&desk);
}

/// SoftHSM's security officer manages PINs, and sees no private key.
#[test]
fn the_advice_for_a_security_officer_who_may_not_generate_keys_is_not_circular() {
    let desk = empty_desk();
    desk.write("so-pin", b"12345678");
    let done = keygen(&desk, &["--label", "x", "--so-pin-source", "file:so-pin"]).exits(3);
    let done = done.says("did not generate the key").says("CKR_USER_NOT_LOGGED_IN");
    assert!(!done.stderr().contains("--so-pin-source logs in"), "{}", done.stderr());
    has_no_key(&desk);
}

fn faulty(desk: &Desk, options: &[&str], faults: &str) -> Done {
    let done = with_faults(desk, &[&SHORT[..], options].concat(), faults).go();
    assert_eq!(calls(desk, "CONCURRENT"), 0, "two calls at once");
    done
}

#[test]
fn a_device_that_generates_no_key_says_why_and_nothing_is_left_behind() {
    let desk = empty_desk();
    for (name, faults) in [
        ("keygen_full", "C_GenerateKeyPair=0x31"),
        ("keygen_read_only", "C_OpenSession=rw:0xe2"),
        ("keygen_pulled_out", "C_GenerateKeyPair=gone:0x32"),
        ("keygen_cannot_generate", "C_GenerateKeyPair=0x54"),
    ] {
        let done = makes_nothing(&desk, faults);
        pinned(name, &desk, COMMAND, &done);
    }
    for (faults, says) in [
        ("C_GenerateKeyPair=0x70", "use another --type"),
        ("C_GenerateKeyPair=0x30", "C_GenerateKeyPair said CKR_DEVICE_ERROR"),
        ("C_FindObjectsInit=0x30", "C_FindObjectsInit said CKR_DEVICE_ERROR"),
    ] {
        makes_nothing(&desk, faults).says(says);
    }
}

#[track_caller]
fn makes_nothing(desk: &Desk, faults: &str) -> Done {
    let done = faulty(desk, &["-o", "key.pub"], faults).exits(3);
    assert!(!desk.path("key.pub").exists(), "{faults}");
    assert!(done.stdout().is_empty(), "{faults}");
    has_no_key(desk);
    done
}

#[test]
fn a_key_that_is_not_as_requested_is_removed_again() {
    let desk = empty_desk();
    pinned("keygen_extractable", &desk, COMMAND, &faulty(&desk, &[], "C_GetAttributeValue=give:0x162:01"));
    has_no_key(&desk);
    let always: &[&str] = &["--always-authenticate"];
    for (options, fault, says) in [
        (&[][..], "give:0x103:00", "it can leave the device (CKA_EXTRACTABLE, CKA_SENSITIVE)"),
        (&[], "give:0x163:00", "CKA_LOCAL is false"),
        (&[], "give:0x164:00", "CKA_NEVER_EXTRACTABLE is false"),
        (&[], "give:0x165:00", "CKA_ALWAYS_SENSITIVE is false"),
        (&[], "give:0x108:00", "CKA_SIGN is false"),
        (always, "give:0x202:00", "CKA_ALWAYS_AUTHENTICATE is false"),
        (&[], "hide:0x120", "its public key cannot be read"),
    ] {
        let done =
            faulty(&desk, &[options, &["-o", "key.pub"]].concat(), &format!("C_GetAttributeValue={fault}"));
        let done = done.exits(4).says(says).says("it was removed again");
        assert!(!desk.path("key.pub").exists(), "{fault}");
        assert!(done.stdout().is_empty(), "{fault}");
        assert_eq!(calls(&desk, "C_DestroyObject"), 2, "{fault}: both halves");
        has_no_key(&desk);
    }
}

#[test]
fn a_key_that_cannot_be_removed_again_is_reported() {
    let desk = empty_desk();
    let faults = "C_GetAttributeValue=give:0x162:01,C_DestroyObject=0x30";
    pinned("keygen_not_removed", &desk, COMMAND, &faulty(&desk, &[], faults).exits(4));
    assert_eq!(labels(&desk, "privkey"), ["signkey"]);
}

#[test]
fn what_the_device_does_not_say_is_not_claimed() {
    let desk = empty_desk();
    let done = faulty(&desk, &[], "C_GetAttributeValue=hide:0x162").exits(0);
    let done = done.says("the device does not say CKA_EXTRACTABLE");
    assert!(!done.stderr().contains("not exportable"), "it does not say so: {}", done.stderr());
}

#[test]
fn a_device_that_refuses_denials_is_asked_again_without_them() {
    for code in ["0x10", "0x12", "0x13", "0xd1"] {
        let desk = empty_desk();
        faulty(&desk, &[], &format!("C_GenerateKeyPair:1={code}")).exits(0);
        assert_eq!(calls(&desk, "C_GenerateKeyPair"), 2, "{code}");
        assert_eq!(labels(&desk, "privkey"), ["signkey"]);
        let desk = empty_desk();
        faulty(&desk, &[], &format!("C_GenerateKeyPair={code}")).exits(3);
        assert_eq!(calls(&desk, "C_GenerateKeyPair"), 3, "{code}: and no fourth time");
        has_no_key(&desk);
    }
    // Any other error is not about the template.
    let desk = empty_desk();
    faulty(&desk, &[], "C_GenerateKeyPair:1=0x30").exits(3);
    assert_eq!(calls(&desk, "C_GenerateKeyPair"), 1);
}

#[test]
fn a_device_that_does_not_answer_is_abandoned() {
    let desk = empty_desk();
    let done = faulty(&desk, &["--timeout", "1"], "C_GenerateKeyPair=delay:30000").exits(3);
    pinned("keygen_no_answer", &desk, COMMAND, &done);
}

#[test]
fn a_key_whose_public_key_cannot_be_written_is_named_all_the_same() {
    let desk = empty_desk();
    let done = keygen(&desk, &["--label", "signkey", "-o", "/dev/full"]).exits(1);
    assert_eq!(labels(&desk, "privkey"), ["signkey"]);
    let said = done.stdout() + &done.stderr();
    assert!(said.contains("id=%01"), "the key is there, and is not named: {said}");
}

#[test]
fn a_name_that_the_device_does_not_store_is_reported_and_the_uri_leads_to_the_key() {
    // CKA_LABEL, CKA_ID, and both, which the device does not store.
    for (faults, says, none) in [
        (
            "C_GenerateKeyPair=drop:0x3",
            "the device did not store the label \"signkey\": the key has no label",
            "label",
        ),
        ("C_GenerateKeyPair=drop:0x102", "the device did not store the id 01: the key has no id", "id"),
    ] {
        let desk = empty_desk();
        let done = faulty(&desk, &["--json"], faults).exits(0).says(says);
        let made = done.json();
        assert_eq!(made["not_stored_by_device"], serde_json::json!([none]));
        let key = made["uri"].as_str().unwrap();
        let found = desk.countersign(&["public-key", "--key", key, "--json"]).with_pin().go().exits(0).json();
        assert_eq!(found["public_key_sha256"], made["public_key_sha256"], "{key}");
    }
    // ykcs11 gives the key in a slot a label of its own.
    let (card, desk) = (PivCard::inserted(&["--blank"]), Desk::without_device());
    let management_key = card.pin_source(MANAGEMENT_KEY);
    let keygen =
        ["keygen", "--slot", "9a", "--label", "officer", "--so-pin-source", &management_key, "--json"];
    let made = card.countersign(&desk, YKCS11, &keygen).go().exits(0);
    let made = made.says("the device did not store the label \"officer\": the key has the label \"").json();
    let key = made["uri"].as_str().unwrap();
    card.countersign(&desk, YKCS11, &["public-key", "--key", key]).go().exits(0);
    let csr = ["csr", "--key", key, "--subject", "CN=officer"];
    card.countersign(&desk, YKCS11, &csr).go().exits(0);
    // Nothing is reported about a label that nobody requested.
    let keygen = ["keygen", "--slot", "9c", "--so-pin-source", &management_key];
    let said = card.countersign(&desk, YKCS11, &keygen).go().exits(0).stderr();
    assert!(!said.contains("did not store"), "{said}");
}
