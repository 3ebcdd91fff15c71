//! The PIN: no attempt is wasted, and the last one is used only on request.

use expectrl::Expect;

use crate::support::desk::{Desk, PIN, SIGNKEY};
use crate::support::faults::{COMMAND, SIGN, behind_faults, behind_faults_of, calls, untouched, with_faults};
use crate::support::pinned::pinned;
use crate::support::piv_card::{OPENSC, PivCard, YKCS11, module_path};
use crate::support::real_modules::module;
use crate::support::terminal;
use crate::support::token_files::UNSIGNED;
use crate::support::yubihsm::YubiHsm;

#[test]
fn a_locked_pin_is_reported_before_any_attempt() {
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
fn the_last_attempt_is_withheld_unless_requested() {
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
fn the_state_of_the_pin_is_read_before_and_after_an_attempt() {
    let desk = Desk::new();
    desk.write("wrong", b"999999");
    let sign = [&SIGN[..], &["--pin-source", "file:wrong"]].concat();
    // SoftHSM reports CKF_USER_PIN_COUNT_LOW after a wrong PIN; the flag of the last attempt comes from here.
    with_faults(&desk, &sign, "").go().exits(5).says("CKF_USER_PIN_COUNT_LOW");
    let reads = calls(&desk, "C_GetTokenInfo");
    let last = format!("C_GetTokenInfo:{reads}=flags:0x20000");
    with_faults(&desk, &sign, &last).go().exits(5).says("one attempt is left before the PIN is locked");
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
fn an_expired_pin_is_not_a_wrong_one() {
    let desk = Desk::new();
    with_faults(&desk, &SIGN, "C_Login=0xa3").go().exits(5).says("has expired (CKR_PIN_EXPIRED)");
    untouched(&desk);
}

#[test]
fn no_pin_is_sent_while_its_state_is_unknown() {
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

#[test]
fn a_pin_of_the_wrong_form_is_not_a_wrong_one() {
    let (card, desk) = (PivCard::inserted(&["--blank", "--key", "9a=rsa2048"]), Desk::without_device());
    // PINs outside the lengths that the module states are not sent. ykcs11 states the management key's as the
    // longest; it checks a PIN's length before it asks the card, and returns CKR_ARGUMENTS_BAD.
    for (module, pin, is_sent, accepts) in [
        (YKCS11, "1234", false, "6 to 8"),
        (YKCS11, "123456789", true, "6 to 8"),
        (YKCS11, "1234567890123", true, "6 to 8"),
        (OPENSC, "123456789", false, "4 to 8"),
    ] {
        desk.write("tokens.json", UNSIGNED);
        let _ = std::fs::remove_file(desk.path("calls"));
        let run = card.countersign(&desk, module, &["sign", "tokens.json"]);
        let run = run.env("COUNTERSIGN_PIN_SOURCE", card.pin_source(pin));
        let count = pin.len();
        let done = behind_faults_of(&module_path(module), run, &desk, "").go().exits(5);
        if is_sent {
            done.says(&format!(
                "has the wrong form (C_Login said CKR_ARGUMENTS_BAD): {count} characters were sent"
            ))
            .says(&format!("the device accepts PINs of {accepts} characters"))
            .says("no attempt was used up")
            .says("help: correct the PIN source, then repeat the command");
        } else {
            done.says(&format!(
                "has {count} characters; it was not sent, as the device accepts {accepts} characters"
            ))
            .says("help: correct the PIN source; --use-last-try sends the PIN all the same");
        }
        assert_eq!(calls(&desk, "C_Login"), usize::from(is_sent), "{module}: {count}");
        untouched(&desk);
    }
    assert_eq!(card.count("20 0080 8", ""), 0, "no PIN came to the card");
    assert_eq!(card.pin_tries(), "3");
}

#[test]
fn for_a_malformed_management_key_the_right_form_is_named() {
    let (card, desk) = (PivCard::inserted(&["--blank"]), Desk::without_device());
    // ykcs11 2.7 treats 46 digits as a wrong key, not as a malformed one.
    for digits in [46, 10] {
        desk.write("key", "01".repeat(digits / 2).as_bytes());
        let keygen = ["keygen", "--slot", "9a", "--so-pin-source", "file:key"];
        let said = card.countersign(&desk, YKCS11, &keygen).go().exits(5).stderr();
        let name = "the management key for YubiKey PIV #11223344 (YubiKey YK5)";
        let form =
            format!("has the wrong form (C_Login said CKR_ARGUMENTS_BAD): {digits} characters were sent");
        let wrong = "is wrong (C_Login said CKR_PIN_INCORRECT)";
        assert!([&form, wrong].iter().any(|what| said.contains(&format!("{name} {what}"))), "{said}");
        assert!(said.contains("48 hexadecimal digits"), "{said}");
    }
}

#[test]
fn a_pin_of_the_wrong_form_is_a_wrong_one_where_the_device_counts_it() {
    let desk = Desk::new();
    with_faults(&desk, &SIGN, "C_Login=0xa2").go().exits(5).says("no attempt was used up");
    let reads = calls(&desk, "C_GetTokenInfo");
    // CKR_PIN_LEN_RANGE, CKR_PIN_INVALID, CKR_ARGUMENTS_BAD, CKR_OBJECT_HANDLE_INVALID.
    for code in ["0xa2", "0xa1", "0x7", "0x82"] {
        let faults = format!("C_Login={code}");
        with_faults(&desk, &SIGN, &faults)
            .go()
            .exits(5)
            .says("has the wrong form")
            .says(&format!("{} characters were sent", PIN.len()))
            .says("no attempt was used up");
        assert_eq!(calls(&desk, "C_Login"), 1, "{code}");
        untouched(&desk);
        // The counter has moved, or was moved before, or is unknown.
        let moved = format!("C_GetTokenInfo:{}=flags:0x10000", reads - 1);
        let (before, unknown) =
            ("C_GetTokenInfo=flags:0x10000", format!("C_GetTokenInfo:{}=0x30", reads - 1));
        for flags in [&moved, before, &unknown] {
            let said = with_faults(&desk, &SIGN, &format!("{faults},{flags}")).go().exits(5).stderr();
            assert!(!said.contains("no attempt"), "{code}, {flags}: {said}");
            assert_eq!(said.contains("is wrong (C_Login said"), flags == moved, "{code}, {flags}: {said}");
            assert_eq!(calls(&desk, "C_Login"), 1, "{code}, {flags}");
        }
    }
}

#[test]
fn a_pin_that_the_device_cannot_have_costs_no_attempt() {
    let desk = Desk::new();
    // Outside the lengths that SoftHSM states.
    for pin in ["123", &"1".repeat(256)] {
        desk.write("given", pin.as_bytes());
        let sign = [&SIGN[..], &["--pin-source", "file:given"]].concat();
        with_faults(&desk, &sign, "")
            .go()
            .exits(5)
            .says(&format!(
                ") has {} characters; it was not sent, as the device accepts 4 to 255 characters",
                pin.len()
            ))
            .says("help: correct the PIN source; --use-last-try sends the PIN all the same");
        assert_eq!(calls(&desk, "C_Login"), 0);
        untouched(&desk);
        // Some devices state lengths that their PINs do not have.
        with_faults(&desk, &[&sign[..], &["--use-last-try"]].concat(), "C_Login=0xa2")
            .go()
            .exits(5)
            .says("has the wrong form (C_Login said CKR_PIN_LEN_RANGE)")
            .says("the device accepts PINs of 4 to 255 characters");
        assert_eq!(calls(&desk, "C_Login"), 1);
    }
    for (pin, why) in
        [("1".repeat(1025), "is longer than 1024 bytes"), ("12\u{7}34".into(), "is not plain UTF-8 text")]
    {
        let run = desk.countersign(&[&SIGN[..], &["--pin-source", "env:GIVEN"]].concat()).env("GIVEN", &pin);
        desk.write("tokens.json", UNSIGNED);
        let _ = std::fs::remove_file(desk.path("calls"));
        behind_faults(run, &desk, "").go().exits(5).says(&format!(
            "the PIN from the environment variable GIVEN {why}; it was not sent to the device"
        ));
        assert_eq!(calls(&desk, "C_Login"), 0);
        untouched(&desk);
    }
}

#[test]
fn for_a_yubihsm_pin_that_is_malformed_or_names_nobody_the_right_form_is_named() {
    let desk = Desk::provisioned(&["--keys", "signkey", "--label", "YubiHSM"]);
    let sign = ["sign", "--key", "pkcs11:token=YubiHSM;id=%01", "tokens.json"];
    // Without the number of an authentication key, and with the number of one that does not exist.
    for (code, found) in
        [("0x7", "has the wrong form"), ("0x82", "has no user by the number or name in the PIN")]
    {
        with_faults(&desk, &sign, &format!("C_Login={code}")).go().exits(5).says(found).says("0001password");
        assert_eq!(calls(&desk, "C_Login"), 1);
    }
}

#[test]
fn a_person_is_asked_again_for_a_pin_that_the_device_did_not_count() {
    let (card, desk) = (PivCard::inserted(&["--blank", "--key", "9a=rsa2048"]), Desk::without_device());
    let module = module_path(YKCS11);
    let (name, socket) = card.socket_variable();
    let environment = [("COUNTERSIGN_MODULE", module.to_str().unwrap()), (name, socket.to_str().unwrap())];
    for second in [PIN, "12345"] {
        desk.write("tokens.json", UNSIGNED);
        let mut terminal = terminal::run(&desk, &["sign", "tokens.json"], &environment);
        terminal.expect("): ").unwrap();
        terminal.send_line("12345").unwrap();
        terminal.expect("a PIN of 5 characters has the wrong form for YubiKey PIV #11223344").unwrap();
        terminal.expect("which accepts 6 to 8 characters; no attempt was used up").unwrap();
        terminal.expect("): ").unwrap();
        terminal.send_line(second).unwrap();
        terminal::ends(terminal, if second == PIN { 0 } else { 5 });
        assert_eq!(card.pin_tries(), "3");
    }
    assert_eq!(card.count("20 0080 8", ""), 1);
}

#[test]
fn a_person_is_asked_again_who_named_an_authentication_key_that_is_not_there() {
    let (device, desk) =
        (YubiHsm::new().with_key("0x0102", "signkey", "rsa2048", "sign-pkcs"), Desk::without_device());
    let module = module("yubihsm_pkcs11.so");
    let configuration = device.configuration();
    let environment = [
        ("COUNTERSIGN_MODULE", module.to_str().unwrap()),
        ("YUBIHSM_PKCS11_CONF", configuration.to_str().unwrap()),
    ];
    desk.write("tokens.json", UNSIGNED);
    let sign = ["sign", "--key", "pkcs11:token=YubiHSM;id=%01%02", "tokens.json"];
    let mut terminal = terminal::run(&desk, &sign, &environment);
    terminal.expect("): ").unwrap();
    terminal.send_line(format!("0002{PIN}")).unwrap();
    terminal.expect("has no user by the number or name in that PIN; you can try again").unwrap();
    terminal.expect("): ").unwrap();
    terminal.send_line(format!("0001{PIN}")).unwrap();
    terminal::ends(terminal, 0);
}

#[test]
fn a_blank_at_the_end_of_a_pin_is_warned_of_before_it_is_sent() {
    let desk = Desk::new();
    for (pin, code) in [(format!("{PIN} \n"), 5), (format!(" {PIN}"), 5), (PIN.to_owned(), 0)] {
        desk.write("given", pin.as_bytes());
        let sign = [&SIGN[..], &["--pin-source", "file:given"]].concat();
        let done = with_faults(&desk, &sign, "").go().exits(code);
        let (said, warning) =
            (done.stderr(), "warning: the PIN from the file \"given\" begins or ends with a blank");
        assert_eq!(said.contains(warning), code == 5, "{said}");
        assert_eq!(calls(&desk, "C_Login"), 1);
        desk.restore_device();
    }
}

#[test]
fn a_pin_that_nobody_enters_on_the_device_is_not_a_fault_of_the_device() {
    let desk = Desk::new();
    for code in ["0x50", "0x200"] {
        let faults = format!("C_GetTokenInfo=flags:0x100,C_Login={code}");
        with_faults(&desk, &SIGN, &faults)
            .go()
            .exits(5)
            .says("enter the PIN on the device officer")
            .says("error: the PIN was not entered on officer")
            .says("help: repeat the command, and enter the PIN on the device");
        assert_eq!(calls(&desk, "C_Login"), 1);
        untouched(&desk);
    }
}
