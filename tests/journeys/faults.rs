//! What no real device here can be made to show: a locked PIN, a last try, a wrong signature, a device that waits.

use crate::device::{Desk, Run, SIGNKEY, UNSIGNED, fault_module, openssl_accepts, softhsm_module};
use crate::pinned::pinned;

fn with_faults(desk: &Desk, arguments: &[&str], faults: &str) -> Run {
    desk.write("tokens.json", UNSIGNED);
    desk.countersign(arguments)
        .with_pin()
        .env("COUNTERSIGN_MODULE", fault_module())
        .env("FAULT_MODULE", softhsm_module())
        .env("FAULTS", faults)
        .env("FAULT_LOG", desk.path("calls"))
}

const SIGN: [&str; 4] = ["sign", "--key", SIGNKEY, "tokens.json"];
const COMMAND: &str = "countersign sign --key 'pkcs11:token=officer;id=%01;type=private' tokens.json";

fn calls(desk: &Desk, call: &str) -> usize {
    String::from_utf8(desk.read("calls")).unwrap().lines().filter(|line| *line == call).count()
}

#[test]
fn a_locked_pin_is_reported_before_any_try() {
    let desk = Desk::new();
    let done = with_faults(&desk, &SIGN, "C_GetTokenInfo=flags:0x40000").go().exits(5);
    pinned("sign_locked_pin", &desk, COMMAND, &done);
    assert_eq!(calls(&desk, "C_Login"), 0);
    assert_eq!(desk.read("tokens.json"), UNSIGNED);
}

#[test]
fn a_pin_that_the_login_finds_locked_is_reported_the_same() {
    let desk = Desk::new();
    with_faults(&desk, &SIGN, "C_Login=0xa4").go().exits(5).says("is locked (CKR_PIN_LOCKED)");
    assert_eq!(calls(&desk, "C_Login"), 1);
    assert_eq!(desk.read("tokens.json"), UNSIGNED);
}

#[test]
fn the_last_try_is_withheld_unless_asked_for() {
    let desk = Desk::new();
    let done = with_faults(&desk, &SIGN, "C_GetTokenInfo=flags:0x20000").go().exits(5);
    pinned("sign_last_try", &desk, COMMAND, &done);
    assert_eq!(calls(&desk, "C_Login"), 0);
    let last = [&SIGN[..], &["--use-last-try"]].concat();
    with_faults(&desk, &last, "C_GetTokenInfo=flags:0x20000").go().exits(0);
}

#[test]
fn a_wrong_signature_is_never_written() {
    let desk = Desk::new();
    let done = with_faults(&desk, &SIGN, "C_Sign:3=corrupt").go().exits(6);
    pinned("sign_device_signs_wrongly", &desk, COMMAND, &done);
    assert_eq!(desk.read("tokens.json"), UNSIGNED);
}

#[test]
fn a_device_that_fails_in_the_middle_leaves_the_file_alone() {
    let desk = Desk::new();
    let done = with_faults(&desk, &SIGN, "C_Sign:2=0x30").go().exits(6);
    pinned("sign_device_fails_midway", &desk, COMMAND, &done);
    assert_eq!(desk.read("tokens.json"), UNSIGNED);
}

#[test]
fn a_key_that_turns_out_to_want_its_pin_each_time_gets_it() {
    // The device does not say CKA_ALWAYS_AUTHENTICATE, and the key wants it all the same.
    let desk = Desk::provisioned(&["--keys", "alwayskey"]);
    let sign = ["sign", "--key", "pkcs11:object=alwayskey", "tokens.json"];
    with_faults(&desk, &sign, "C_GetAttributeValue=hide:0x202").go().exits(0);
    desk.countersign(&["public-key", "--key", "pkcs11:object=alwayskey", "-o", "always.pub"]).go().exits(0);
    assert!(openssl_accepts(&desk, "tokens.json", "always.pub"));
    // One login for the user, one for each token.
    assert_eq!(calls(&desk, "C_Login"), 4);
}

#[test]
fn an_attribute_that_the_device_does_not_know_is_unknown_and_not_false() {
    let desk = Desk::new();
    with_faults(&desk, &SIGN, "C_GetAttributeValue=hide:0x162")
        .go()
        .exits(0)
        .says("warning: the device does not say whether this key can leave it");
}

#[test]
fn a_device_without_a_user_pin_is_reported() {
    let desk = Desk::new();
    let done = with_faults(&desk, &SIGN, "C_GetTokenInfo=noflags:0x8").go().exits(5);
    pinned("sign_no_pin_set", &desk, COMMAND, &done);
}

#[test]
fn a_pin_pad_gets_no_pin_from_here() {
    let desk = Desk::new();
    // SoftHSM has no pad: that it refuses a login without a PIN shows that none was sent.
    with_faults(&desk, &SIGN, "C_GetTokenInfo=flags:0x100")
        .go()
        .says("enter the PIN on the device officer")
        .exits(3)
        .says("CKR_ARGUMENTS_BAD");
    assert_eq!(desk.read("tokens.json"), UNSIGNED);
}

#[test]
fn a_module_that_knows_only_read_write_sessions_is_used_with_those() {
    let desk = Desk::new();
    // The first C_OpenSession of each opening is read-only.
    with_faults(&desk, &SIGN, "C_OpenSession:1=0x6,C_OpenSession:3=0x6").go().exits(0);
    assert!(openssl_accepts(&desk, "tokens.json", "device/signkey.pub.pem"));
}

#[test]
fn a_device_whose_clock_cannot_be_read_is_used_all_the_same() {
    let desk = Desk::new();
    with_faults(&desk, &SIGN, "C_GetTokenInfo=clock").go().exits(0);
    assert!(openssl_accepts(&desk, "tokens.json", "device/signkey.pub.pem"));
    // Its PIN's state is read too.
    with_faults(&desk, &SIGN, "C_GetTokenInfo=clock,C_GetTokenInfo=flags:0x40000")
        .go()
        .exits(5)
        .says("is locked");
}

/// SoftHSM lists, and accepts, only the mechanisms that its configuration names.
fn offering(desk: &Desk, mechanisms: &str) {
    let configuration = String::from_utf8(desk.read("device/softhsm2.conf")).unwrap();
    desk.write(
        "device/softhsm2.conf",
        format!("{configuration}\nslots.mechanisms = {mechanisms}\n").as_bytes(),
    );
}

#[test]
fn a_digest_is_signed_by_what_the_device_offers() {
    for (mechanisms, used) in
        [("CKM_RSA_PKCS,CKM_RSA_X_509", "CKM_RSA_PKCS"), ("CKM_RSA_X_509", "CKM_RSA_X_509")]
    {
        let desk = Desk::new();
        offering(&desk, mechanisms);
        desk.write("tokens.json", UNSIGNED);
        let arguments = [&SIGN[..], &["--json"]].concat();
        let document = desk.countersign(&arguments).with_pin().go().exits(0).json();
        assert_eq!(document["mechanism"], used);
        assert!(openssl_accepts(&desk, "tokens.json", "device/signkey.pub.pem"), "{used}");
    }
}

#[test]
fn a_message_is_hashed_here_where_the_device_does_not_hash() {
    let mut results = Vec::new();
    let maker = Desk::without_device();
    let key = maker.path("key.pem").to_str().unwrap().to_owned();
    crate::device::openssl(&["genrsa", "-out", &key, "2048"]);
    let all = "CKM_SHA256_RSA_PKCS,CKM_RSA_PKCS,CKM_RSA_X_509";
    for (mechanisms, used) in [
        (all, "CKM_SHA256_RSA_PKCS"),
        ("CKM_RSA_PKCS,CKM_RSA_X_509", "CKM_RSA_PKCS"),
        ("CKM_RSA_X_509", "CKM_RSA_X_509"),
    ] {
        let desk = Desk::provisioned(&["--keys", "none", "--import", &key]);
        offering(&desk, mechanisms);
        desk.write("officer.token", b"any bytes");
        let arguments = ["sign", "--json", "--detached", "officer.token"];
        let document = desk.countersign(&arguments).with_pin().go().exits(0).json();
        assert_eq!(document["mechanism"], used);
        results.push(desk.read("officer.token.sig"));
    }
    assert!(results.iter().all(|signature| *signature == results[0]), "all mechanisms give the same bytes");
}

#[test]
fn a_device_that_offers_nothing_that_would_do_is_reported() {
    let desk = Desk::new();
    offering(&desk, "CKM_SHA256_RSA_PKCS");
    desk.write("tokens.json", UNSIGNED);
    let done = desk.countersign(&SIGN).with_pin().go().exits(6);
    pinned("sign_no_mechanism", &desk, COMMAND, &done);
    assert_eq!(desk.read("tokens.json"), UNSIGNED);
}

#[test]
fn a_mechanism_that_is_listed_and_refused_gives_way_to_the_next() {
    let desk = Desk::new();
    let arguments = [&SIGN[..], &["--json"]].concat();
    let document = with_faults(&desk, &arguments, "C_SignInit:1=0x70,C_SignInit:3=0x70,C_SignInit:5=0x70")
        .go()
        .exits(0)
        .json();
    assert_eq!(document["mechanism"], "CKM_RSA_X_509");
    assert!(openssl_accepts(&desk, "tokens.json", "device/signkey.pub.pem"));
}
