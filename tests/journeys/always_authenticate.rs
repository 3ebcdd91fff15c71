//! Keys that want their PIN for each signature.

use crate::support::desk::{Desk, PIN};
use crate::support::faults::{calls, untouched, with_faults};
use crate::support::openssl::openssl_accepts;

const SIGN: [&str; 4] = ["sign", "--key", "pkcs11:object=alwayskey", "tokens.json"];

fn desk() -> Desk {
    let desk = Desk::provisioned(&["--keys", "alwayskey"]);
    desk.countersign(&["public-key", "--key", "pkcs11:object=alwayskey", "-o", "always.pub"]).go().exits(0);
    desk
}

#[test]
fn the_pin_is_given_between_sign_init_and_sign_and_nothing_else_is() {
    let desk = desk();
    with_faults(&desk, &SIGN, "").go().exits(0);
    assert!(openssl_accepts(&desk, "tokens.json", "always.pub"));
    let log = String::from_utf8(desk.read("calls")).unwrap();
    let calls: Vec<&str> = log.lines().collect();
    let first = calls.iter().position(|call| *call == "C_SignInit").unwrap();
    let each = ["C_SignInit", "C_Login context", "C_Sign"];
    assert_eq!(calls[first..first + 9], [each, each, each].concat(), "three tokens");
}

#[test]
fn a_login_that_the_key_does_not_know_is_no_reason_not_to_sign() {
    // Modules that let the user's login count for all signatures, and say so when it is repeated: the operation goes on.
    for code in ["0x91", "0x100", "0x103"] {
        let desk = Desk::new();
        let sign = crate::support::faults::SIGN;
        let faults =
            format!("C_GetAttributeValue=give:0x202:01,C_Login:2={code},C_Login:3={code},C_Login:4={code}");
        with_faults(&desk, &sign, &faults).go().exits(0);
        assert!(openssl_accepts(&desk, "tokens.json", "device/signkey.pub.pem"), "{code}");
        assert_eq!(calls(&desk, "C_SignInit"), 3);
    }
}

#[test]
fn a_pin_that_is_refused_in_the_middle_is_not_sent_again() {
    let desk = desk();
    with_faults(&desk, &SIGN, "C_Login:3=0xa0")
        .go()
        .exits(5)
        .says("is wrong (C_Login said CKR_PIN_INCORRECT)")
        .says("1 of 3 signatures had been made; none of them was written.")
        .says("tokens.json was not changed.");
    assert_eq!(calls(&desk, "C_Login"), 3);
    untouched(&desk);
    with_faults(&desk, &SIGN, "C_Login:3=0xa4").go().exits(5).says("is locked (CKR_PIN_LOCKED)");
    untouched(&desk);
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
fn a_device_that_wants_no_login_gets_a_pin_that_was_asked_for() {
    // SoftHSM shows the key, which was made public, to anybody, and wants the user's login for a signature all the same.
    let desk = Desk::new();
    let script = format!(
        "SOFTHSM2_CONF='{}' pkcs11-tool --module {} --token-label officer --login --pin {PIN} --keypairgen \
         --key-type rsa:2048 --id 77 --label open --usage-sign --sensitive --private",
        desk.path("device/softhsm2.conf").display(),
        crate::support::parts::softhsm_module()
    );
    crate::support::parts::tool("sh", &["-c".as_ref(), script.replace(" --private", "").as_ref()]);
    let sign = ["sign", "--key", "pkcs11:object=open", "tokens.json"];
    let faults = "C_GetTokenInfo=noflags:0x4,C_GetAttributeValue=give:0x202:01";
    let done = with_faults(&desk, &sign, faults).without_env("COUNTERSIGN_PIN_SOURCE").go();
    // Whether SoftHSM shows the key without a login or not: nothing but a PIN that somebody gave is ever sent.
    assert_ne!(done.code(), 0, "{}", done.stderr());
    assert!([4, 5].contains(&done.code()), "{}", done.stderr());
    assert_eq!(calls(&desk, "C_Login"), 0);
    untouched(&desk);
}
