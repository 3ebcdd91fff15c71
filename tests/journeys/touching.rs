//! A device that waits for a touch, or for its PIN, and which users are told.

use std::time::{Duration, Instant};

use expectrl::{ControlCode, Expect};

use crate::support::desk::{Desk, PIN};
use crate::support::faults::{SIGN, behind_faults_of, calls, with_faults};
use crate::support::openssl::openssl_accepts;
use crate::support::piv_card::{BOTH, PivCard, module_path};
use crate::support::terminal::{ends, sign_slowly};
use crate::support::token_files::UNSIGNED;

#[test]
fn a_device_that_waits_is_reported_as_waiting_for_a_touch() {
    let desk = Desk::new();
    let mut terminal = sign_slowly(&desk, "C_Sign:2=delay:1200");
    terminal.expect("The device is waiting: touch it if it blinks (token 2 of 3)").unwrap();
    ends(terminal, 0);
}

#[test]
fn a_key_whose_policy_requires_a_touch_says_so_at_once() {
    let desk = Desk::new();
    // As ykcs11 2.3 answers for its vendor attribute: always.
    let faults = "C_GetAttributeValue=give:0xD9554201:02,C_Sign:1=delay:400";
    let mut terminal = sign_slowly(&desk, faults);
    terminal.expect("Touch the device now (token 1 of 3)").unwrap();
    // Removed once the device was touched.
    terminal.expect(&*format!("\r{:36}\r", "")).unwrap();
    ends(terminal, 0);
    assert!(openssl_accepts(&desk, "tokens.json", "device/signkey.pub.pem"));
}

#[test]
fn a_pin_that_the_device_requires_for_each_signature_is_asked_for_there() {
    let desk = Desk::new();
    let faults =
        "C_GetAttributeValue=give:0x202:01,C_GetTokenInfo=flags:0x100,C_Login=pad,C_Login:3=delay:400";
    desk.write("tokens.json", UNSIGNED);
    let mut terminal =
        crate::support::terminal::run_with_faults(&desk, &SIGN, faults, &[("FAULT_PAD_PIN", PIN)]);
    terminal.expect("enter the PIN on the device officer").unwrap();
    terminal.expect("Enter the PIN on the device (token 2 of 3)").unwrap();
    // SoftHSM knows no such login for this key, which does not keep it from signing.
    ends(terminal, 0);
    assert!(openssl_accepts(&desk, "tokens.json", "device/signkey.pub.pem"));
}

#[test]
fn nothing_is_said_of_a_touch_where_nobody_watches() {
    let desk = Desk::new();
    let faults = "C_GetAttributeValue=give:0xD9554201:02,C_Sign:1=delay:700";
    let done = with_faults(&desk, &SIGN, faults).go().exits(0);
    assert!(!done.stderr().to_lowercase().contains("touch"), "{}", done.stderr());
}

#[test]
fn a_touch_that_does_not_come_ends_the_run() {
    let desk = Desk::new();
    desk.write("tokens.json", UNSIGNED);
    let start = Instant::now();
    let sign = [&SIGN[..], &["--timeout", "2", "--pin-source", "file:device/pin"]].concat();
    let mut terminal = crate::support::terminal::run_with_faults(&desk, &sign, "C_Sign:2=delay:30000", &[]);
    terminal.expect("touch it if it blinks (token 2 of 3)").unwrap();
    let said = ends(terminal, 6);
    assert!(said.contains("has not answered for 2 seconds (C_Sign)"), "{said}");
    assert!(start.elapsed() < Duration::from_secs(15));
    assert_eq!(desk.read("tokens.json"), UNSIGNED);
}

#[test]
fn ctrl_c_while_the_device_blocks_leaves_the_file_alone() {
    let desk = Desk::new();
    let mut terminal = sign_slowly(&desk, "C_Sign:2=delay:15000");
    terminal.expect("touch it if it blinks").unwrap();
    terminal.send(ControlCode::EndOfText).unwrap();
    ends(terminal, 130);
    assert_eq!(desk.read("tokens.json"), UNSIGNED);
}

#[test]
fn an_error_after_a_wait_for_a_touch_names_the_touch_that_was_missed() {
    // A YubiKey that nobody touches answers 6982, a CanoKey 6600.
    for status in ["6982", "6600"] {
        let options = ["--blank", "--key", "9a=rsa2048:once:always", "--touch-after", "2500"];
        let card = PivCard::inserted(&[&options[..], &["--at", &format!("1-9={status}")]].concat());
        for module in BOTH {
            let desk = Desk::without_device();
            desk.write("tokens.json", UNSIGNED);
            let run = card.countersign(&desk, module, &["sign", "--key", "pkcs11:id=%01", "tokens.json"]);
            behind_faults_of(&module_path(module), run, &desk, "")
                .go()
                .exits(6)
                .says("did not sign; the touch was probably missed (C_Sign said CKR_")
                .says("help: repeat the command, and touch the device as soon as it blinks");
            assert_eq!(desk.read("tokens.json"), UNSIGNED);
            // A touch that is missed does not send the PIN again.
            assert_eq!((calls(&desk, "C_Login"), calls(&desk, "C_SignInit")), (1, 1), "{module}, {status}");
        }
    }
}

#[test]
fn an_error_that_comes_at_once_or_says_its_cause_has_nothing_to_do_with_a_touch() {
    let desk = Desk::new();
    for faults in ["C_Sign:1=0x30", "C_Sign:1=0x101", "C_Sign:1=delay:2500,C_Sign:1=gone:0x30"] {
        let said = with_faults(&desk, &SIGN, faults).go().stderr();
        assert!(!said.contains("touch"), "{faults}: {said}");
    }
    // According to ykcs11 this key requires none.
    let never = "C_GetAttributeValue=give:0xD9554201:01,C_Sign:1=delay:2500,C_Sign:1=0x30";
    let said = with_faults(&desk, &SIGN, never).go().exits(6).stderr();
    assert!(!said.contains("touch"), "{said}");
}
