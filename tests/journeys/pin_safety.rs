//! The PIN: no try is wasted, and the last one is not taken unasked.

use crate::support::desk::{Desk, SIGNKEY};
use crate::support::faults::{COMMAND, SIGN, calls, untouched, with_faults};
use crate::support::pinned::pinned;

#[test]
fn a_locked_pin_is_reported_before_any_try() {
    let desk = Desk::new();
    let done = with_faults(&desk, &SIGN, "C_GetTokenInfo=flags:0x40000").go().exits(5);
    pinned("sign_locked_pin", &desk, COMMAND, &done);
    assert_eq!(calls(&desk, "C_Login"), 0);
    untouched(&desk);
}

#[test]
fn a_pin_that_the_login_finds_locked_is_reported_the_same() {
    let desk = Desk::new();
    with_faults(&desk, &SIGN, "C_Login=0xa4").go().exits(5).says("is locked (CKR_PIN_LOCKED)");
    assert_eq!(calls(&desk, "C_Login"), 1);
    untouched(&desk);
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
fn a_device_without_a_user_pin_is_reported() {
    let desk = Desk::new();
    let done = with_faults(&desk, &SIGN, "C_GetTokenInfo=noflags:0x8").go().exits(5);
    pinned("sign_no_pin_set", &desk, COMMAND, &done);
}

#[test]
fn a_wrong_pin_from_a_file_is_tried_once() {
    let desk = Desk::new();
    desk.write("wrong", b"999999");
    with_faults(&desk, &[&SIGN[..], &["--pin-source", "file:wrong"]].concat(), "").go().exits(5);
    assert_eq!(calls(&desk, "C_Login"), 1);
    untouched(&desk);
}

#[test]
fn a_wrong_pin_is_never_tried_on_a_second_device() {
    let desk = Desk::provisioned(&["--keys", "signkey", "--also", "backup"]);
    desk.write("wrong", b"999999");
    let backup = "pkcs11:token=backup;id=%01;type=private";
    let sign = ["sign", "--key", SIGNKEY, "--key", backup, "--pin-source", "file:wrong", "tokens.json"];
    with_faults(&desk, &sign, "").go().exits(5).says("the PIN for officer");
    assert_eq!(calls(&desk, "C_Login"), 1);
    untouched(&desk);
}

#[test]
fn the_state_of_the_pin_is_read_before_and_after_a_try() {
    let desk = Desk::new();
    desk.write("wrong", b"999999");
    let sign = [&SIGN[..], &["--pin-source", "file:wrong"]].concat();
    // SoftHSM says CKF_USER_PIN_COUNT_LOW after a wrong one; the flag of the last try comes from here.
    with_faults(&desk, &sign, "").go().exits(5).says("CKF_USER_PIN_COUNT_LOW");
    let reads = calls(&desk, "C_GetTokenInfo");
    let last = format!("C_GetTokenInfo:{reads}=flags:0x20000");
    with_faults(&desk, &sign, &last).go().exits(5).says("one try is left before the PIN is locked");
    let locks = format!("C_GetTokenInfo:{reads}=flags:0x40000");
    with_faults(&desk, &sign, &locks)
        .go()
        .exits(5)
        .says("is locked (CKR_PIN_LOCKED)")
        .says("help: set a new one");
    assert_eq!(calls(&desk, "C_Login"), 1);
    untouched(&desk);
}

#[test]
fn a_pin_that_has_expired_is_no_wrong_one() {
    let desk = Desk::new();
    with_faults(&desk, &SIGN, "C_Login=0xa3").go().exits(5).says("has expired (CKR_PIN_EXPIRED)");
    untouched(&desk);
}

#[test]
fn no_pin_is_sent_while_the_state_of_it_is_unknown() {
    let desk = Desk::new();
    with_faults(&desk, &SIGN, "C_GetTokenInfo=flags:0x20000").go().exits(5);
    let reads = calls(&desk, "C_GetTokenInfo");
    let faults = format!("C_GetTokenInfo=flags:0x20000,C_GetTokenInfo:{reads}=0x30");
    with_faults(&desk, &SIGN, &faults).go().exits(3).says("C_GetTokenInfo said CKR_DEVICE_ERROR");
    assert_eq!(calls(&desk, "C_Login"), 0);
    untouched(&desk);
}

#[test]
fn a_pin_does_not_go_to_another_device_because_one_cannot_be_read() {
    let desk = Desk::provisioned(&["--keys", "signkey", "--also", "backup"]);
    for faults in
        ["C_FindObjectsInit:1=0x30", "C_OpenSession:1=0x30,C_OpenSession:2=0x30", "C_GetTokenInfo:1=0x30"]
    {
        with_faults(&desk, &["sign", "tokens.json"], faults).go().exits(3);
        assert_eq!(calls(&desk, "C_Login"), 0, "{faults}");
        untouched(&desk);
    }
}
