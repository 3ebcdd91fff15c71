//! Sessions and logins: whatever kind the device allows.

use crate::support::desk::{Desk, PIN};
use crate::support::faults::{SIGN, calls, untouched, with_faults};
use crate::support::openssl::openssl_accepts;

#[test]
fn a_module_that_knows_only_read_write_sessions_is_used_with_those() {
    let desk = Desk::new();
    // The first C_OpenSession of each opening is read-only.
    with_faults(&desk, &SIGN, "C_OpenSession:1=0x6,C_OpenSession:3=0x6").go().exits(0);
    assert!(openssl_accepts(&desk, "tokens.json", "device/signkey.pub.pem"));
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
    untouched(&desk);
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

#[test]
fn an_attribute_that_the_device_does_not_know_is_unknown_and_not_false() {
    let desk = Desk::new();
    with_faults(&desk, &SIGN, "C_GetAttributeValue=hide:0x162")
        .go()
        .exits(0)
        .says("warning: the device does not say whether this key can leave it");
}

#[test]
fn a_module_that_refuses_read_write_sessions_never_sees_one() {
    let desk = Desk::new();
    with_faults(&desk, &SIGN, "C_OpenSession=rw:0xe2").go().exits(0);
    assert!(openssl_accepts(&desk, "tokens.json", "device/signkey.pub.pem"));
    // If both ways are refused, the first answer counts.
    with_faults(&desk, &SIGN, "C_OpenSession=rw:0xe2,C_OpenSession=ro:0x6")
        .go()
        .exits(3)
        .says("C_OpenSession said CKR_FUNCTION_FAILED");
    untouched(&desk);
}

#[test]
fn a_device_that_is_logged_in_already_is_used() {
    let desk = Desk::new();
    // SoftHSM shows no private key without a login: the key is named by what is public.
    with_faults(&desk, &SIGN, "C_Login:1=0x100").go().says("no private key on officer").exits(4);
    untouched(&desk);
}

#[test]
fn a_device_that_requires_no_login_gets_none() {
    let desk = Desk::new();
    with_faults(&desk, &SIGN, "C_GetTokenInfo=noflags:0x4").go().exits(4);
    assert_eq!(calls(&desk, "C_Login"), 0);
    untouched(&desk);
}

#[test]
fn a_pin_that_is_entered_on_the_device_logs_in() {
    let desk = Desk::new();
    with_faults(&desk, &SIGN, "C_GetTokenInfo=flags:0x100,C_Login=pad")
        .env("FAULT_PAD_PIN", PIN)
        .without_env("COUNTERSIGN_PIN_SOURCE")
        .go()
        .says("enter the PIN on the device officer")
        .exits(0);
    assert!(openssl_accepts(&desk, "tokens.json", "device/signkey.pub.pem"));
}

#[test]
fn a_vendors_type_of_user_can_be_named() {
    let desk = Desk::new();
    with_faults(&desk, &SIGN, "C_Login=user:0x80000001")
        .go()
        .exits(3)
        .says("C_Login said CKR_USER_TYPE_INVALID");
    untouched(&desk);
    let sign = [&SIGN[..], &["--user-type", "crypto-user"]].concat();
    with_faults(&desk, &sign, "C_Login=user:0x80000001").go().exits(0);
    assert!(openssl_accepts(&desk, "tokens.json", "device/signkey.pub.pem"));
    let sign = [&SIGN[..], &["--user-type", "0x80000001"]].concat();
    with_faults(&desk, &sign, "C_Login=user:0x80000001").go().exits(0);
    let sign = [&SIGN[..], &["--user-type", "so"]].concat();
    with_faults(&desk, &sign, "").go().exits(2).says("crypto-user");
}

#[test]
fn a_login_ends_with_a_logout() {
    let desk = Desk::new();
    for faults in ["", "C_Sign:2=lost", "C_SignInit:2=0x90"] {
        with_faults(&desk, &SIGN, faults).go().exits(0);
        assert_eq!(calls(&desk, "C_Logout"), 1, "{faults}");
        // cryptoki closes a session twice if the module no longer knows it.
        assert!(calls(&desk, "C_OpenSession") <= calls(&desk, "C_CloseSession"), "{faults}");
    }
}
