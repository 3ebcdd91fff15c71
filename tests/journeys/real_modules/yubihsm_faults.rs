//! What goes wrong with a YubiHSM 2, its connector and its authentication keys: no signature is written, and
//! each wrong password is sent once.

use crate::support::desk::{Desk, PIN};
use crate::support::openssl::openssl_accepts;
use crate::support::run::{Done, Run};
use crate::support::token_files::UNSIGNED;
use crate::support::yubihsm::{DEVICE, YubiHsm};

const KEY: &str = "pkcs11:token=YubiHSM;id=%01%02;type=private";

fn with_key() -> (YubiHsm, Desk) {
    (YubiHsm::new().with_key("0x0102", "signkey", "rsa2048", "sign-pkcs"), Desk::without_device())
}

/// Signs AWS's sample with the given PIN, or with the usual one.
fn sign(device: &YubiHsm, desk: &Desk, pin: Option<&str>) -> Done {
    desk.write("tokens.json", UNSIGNED);
    let run = device.countersign(desk, &["sign", "--key", KEY, "tokens.json"]);
    match pin {
        Some(pin) => run.env("COUNTERSIGN_PIN_SOURCE", device.pin_source(pin)).go(),
        None => run.go(),
    }
}

#[track_caller]
fn refused(desk: &Desk, done: Done, code: i32) -> Done {
    let done = done.exits(code);
    assert_eq!(desk.read("tokens.json"), UNSIGNED, "the file was changed");
    done
}

#[test]
fn a_wrong_password_is_sent_once_and_nothing_is_locked() {
    let (device, desk) = with_key();
    let before = device.login_attempts();
    for count in 1..=12 {
        let done = refused(&desk, sign(&device, &desk, Some("0001wrong-password")), 5);
        done.says("CKR_PIN_INCORRECT").says("number of the authentication key as 4 hexadecimal digits");
        assert_eq!(device.login_attempts(), before + count);
    }
    sign(&device, &desk, None).exits(0);
}

#[test]
fn a_pin_without_the_number_of_an_authentication_key_never_reaches_the_device() {
    let (device, desk) = with_key();
    let before = device.login_attempts();
    for pin in ["password", "0001short"] {
        let done = refused(&desk, sign(&device, &desk, Some(pin)), 5);
        done.says("the wrong form").says("0001password").says("no attempt was used up");
    }
    // The module reports this one as wrong.
    refused(&desk, sign(&device, &desk, Some("wrong-password")), 5).says("0001password");
    assert_eq!(device.login_attempts(), before);
    refused(&desk, sign(&device, &desk, Some(&format!("0002{PIN}"))), 5)
        .says("the device has no authentication key with the number that the PIN begins with")
        .says("0001password");
    assert_eq!(device.login_attempts(), before + 1);
}

#[test]
fn an_absent_device_leaves_the_file_alone_and_works_when_it_is_back() {
    let (mut device, desk) = with_key();
    device.unplug();
    refused(&desk, sign(&device, &desk, None), 3);
    device.plug_in();
    sign(&device, &desk, None).exits(0);
    device.stop_connector();
    refused(&desk, sign(&device, &desk, None), 3);
    device.start_connector(&[]);
    sign(&device, &desk, None).exits(0);
}

#[test]
fn what_stops_a_device_midway_stops_the_file() {
    let (mut device, desk) = with_key();
    // The device is unplugged; the connector ends; the log is full; the device fails.
    for event in ["unplug", "stop", "0a", "ff"] {
        device.start_connector(&["--at", &format!("2={event}")]);
        let before = device.login_attempts();
        let done = refused(&desk, sign(&device, &desk, None), 6);
        done.says("1 of 3 signatures had been made; none of them was written");
        assert!(device.login_attempts() <= before + 2, "{event}");
        if event == "unplug" {
            device.plug_in();
        }
    }
}

#[test]
fn a_session_that_has_ended_is_opened_again() {
    let (mut device, desk) = with_key();
    device.start_connector(&["--at", "2=03"]);
    let before = device.login_attempts();
    sign(&device, &desk, None).exits(0);
    assert_eq!(device.login_attempts(), before + 2);
    device.countersign(&desk, &["public-key", "--key", KEY, "-o", "officer.pub"]).go().exits(0);
    assert!(openssl_accepts(&desk, "tokens.json", "officer.pub"));
}

#[test]
fn no_session_is_left_behind() {
    let (device, desk) = with_key();
    // One session is free. If a run left it open, the next would find none.
    device.sessions_in_use(15);
    for _ in 0..3 {
        sign(&device, &desk, None).exits(0);
        refused(&desk, sign(&device, &desk, Some("0001wrong-password")), 5);
    }
}

#[test]
fn a_key_without_the_capability_is_refused_before_anything_is_signed() {
    let (device, desk) =
        (YubiHsm::new().with_key("0x0102", "pss", "rsa2048", "sign-pss"), Desk::without_device());
    refused(&desk, sign(&device, &desk, None), 4)
        .says("may not sign by CKM_RSA_PKCS")
        .says("the key lacks the capability for it, sign-pkcs of an RSA key");
}

#[test]
fn a_key_of_another_domain_is_not_seen() {
    let (device, desk) = (YubiHsm::new(), Desk::without_device());
    device.make_key("0x0102", "signkey", "rsa2048", "sign-pkcs", "2");
    let pin = device.make_authentication_key("0x0010", "sign-pkcs", "3");
    refused(&desk, sign(&device, &desk, Some(&pin)), 4).says("no private key");
    let pin = device.make_authentication_key("0x0011", "sign-pkcs", "2,3");
    sign(&device, &desk, Some(&pin)).exits(0);
}

#[test]
fn an_authentication_key_without_the_right_is_refused_by_the_device() {
    let (device, desk) = with_key();
    let pin = device.make_authentication_key("0x0010", "get-opaque", "all");
    refused(&desk, sign(&device, &desk, Some(&pin)), 6).says("CKR_FUNCTION_REJECTED");
    let keygen = ["keygen", "--device", DEVICE, "--label", "new", "-o", "new.pub"];
    let run = device.countersign(&desk, &keygen).env("COUNTERSIGN_PIN_SOURCE", device.pin_source(&pin));
    run.go().exits(3).says("CKR_FUNCTION_REJECTED").says("a capability is missing");
    assert!(!desk.path("new.pub").exists());
}

#[test]
fn a_full_log_with_forced_audit_stops_all_signing_until_it_is_freed() {
    let (device, desk) = with_key();
    device.shell(&["--action", "put-option", "--opt-name", "force-audit", "--opt-value", "01"]);
    let lists = || device.shell_ends(&["--action", "list-objects"]).status.success();
    assert!((0..70).any(|_| !lists()), "the log never filled up");
    refused(&desk, sign(&device, &desk, None), 3)
        .says("CKR_DEVICE_MEMORY")
        .says("if audit is forced, its log is full: read it (yubihsm-shell --action get-logs)");
    let log = device.shell(&["--action", "get-logs"]);
    let last = log.lines().rev().find_map(|line| line.strip_prefix("item:")?.split(" -- ").next());
    device.shell(&["--action", "set-log-index", "--log-index", last.unwrap().trim()]);
    sign(&device, &desk, None).exits(0);
}

/// The command and `doctor` name the cause of each, and neither mentions other devices than a YubiHSM.
#[track_caller]
fn names_the_cause(device: &YubiHsm, desk: &Desk, cause: &[&str], change: impl Fn(Run) -> Run) {
    desk.write("tokens.json", UNSIGNED);
    for arguments in [&["sign", "--key", KEY, "tokens.json"][..], &["doctor", "--sign", "--key", KEY]] {
        let done = change(device.countersign(desk, arguments)).go().exits(3);
        let said = done.stdout() + &done.stderr();
        for word in cause {
            assert!(said.contains(word), "{word:?} is not in what {arguments:?} says: {said}");
        }
        for other in ["SOFTHSM2_CONF", "pcscd:", "touch"] {
            assert!(!said.contains(other), "{other:?} is in what {arguments:?} says: {said}");
        }
    }
    assert_eq!(desk.read("tokens.json"), UNSIGNED);
}

#[test]
fn a_connector_that_is_down_is_named_by_its_address() {
    let (mut device, desk) = with_key();
    device.stop_connector();
    names_the_cause(&device, &desk, &[&device.url(), "YUBIHSM_PKCS11_CONF"], |run| run);
}

#[test]
fn a_connector_without_its_device_is_distinguished_from_one_that_is_down() {
    let (device, desk) = with_key();
    device.unplug();
    names_the_cause(&device, &desk, &[&device.url()], |run| run);
}

#[test]
fn a_missing_configuration_is_named_by_its_variable() {
    let (device, desk) = with_key();
    names_the_cause(&device, &desk, &["YUBIHSM_PKCS11_CONF"], |run| run.without_env("YUBIHSM_PKCS11_CONF"));
    names_the_cause(&device, &desk, &["YUBIHSM_PKCS11_CONF", "nowhere"], |run| {
        run.env("YUBIHSM_PKCS11_CONF", "/nowhere")
    });
}

#[test]
fn sessions_that_are_all_in_use_are_the_cause_and_not_the_pin() {
    let (device, desk) = with_key();
    device.sessions_in_use(16);
    names_the_cause(&device, &desk, &["CKR_SESSION_COUNT", "sessions"], |run| run);
}

#[test]
fn a_missing_capability_is_not_a_missed_touch() {
    let (device, desk) = with_key();
    let pin = device.make_authentication_key("0x0010", "get-opaque", "all");
    let done = refused(&desk, sign(&device, &desk, Some(&pin)), 6).says("capabilit");
    assert!(!done.stderr().contains("touch"), "{}", done.stderr());
}

#[test]
fn a_wrong_password_is_not_said_to_cost_an_attempt() {
    let (device, desk) = with_key();
    let done = refused(&desk, sign(&device, &desk, Some("0001wrong-password")), 5);
    for untrue in ["most lock", "costs one attempt", "costs an attempt"] {
        assert!(!done.stderr().contains(untrue), "{untrue:?}: {}", done.stderr());
    }
}

#[test]
fn doctor_names_the_cause_first_from_the_connector_to_the_key() {
    let (mut device, desk) = with_key();
    let first_fault = |device: &YubiHsm, pin: Option<&str>, key: &str, code: i32| {
        let run = device.countersign(&desk, &["doctor", "--sign", "--json", "--key", key]);
        let run = match pin {
            Some(pin) => run.env("COUNTERSIGN_PIN_SOURCE", device.pin_source(pin)),
            None => run,
        };
        let document = run.go().exits(code).json();
        let checks = document["checks"].as_array().unwrap();
        let fault = checks.iter().find(|check| check["status"] == "fault").unwrap();
        let text = |member: &str| fault[member].to_string();
        (text("check"), text("found") + &text("detail"), text("help"))
    };
    let reader = device.make_authentication_key("0x0010", "get-opaque", "all");
    let elsewhere = device.make_authentication_key("0x0011", "sign-pkcs", "3");
    device.make_key("0x0103", "pss", "rsa2048", "sign-pss", "all");
    device.make_key("0x0104", "domain", "rsa2048", "sign-pkcs", "2");
    let of = |id: &str| format!("pkcs11:token=YubiHSM;id=%01%{id};type=private");
    let unknown = format!("0002{PIN}");
    let cases = [
        (Some("0001wrong-password"), of("02"), 5, "authentication key", "is wrong", "correct the PIN source"),
        (
            Some(&*unknown),
            of("02"),
            5,
            "authentication key",
            "no authentication key with the number",
            "correct",
        ),
        (Some("short"), of("02"), 5, "authentication key", "8 to 64 characters", "correct the PIN source"),
        (Some(&*reader), of("02"), 6, "capability", "CKR_FUNCTION_REJECTED", "a capability is missing"),
        (None, of("03"), 4, "capability", "may not sign by CKM_SHA256_RSA_PKCS", "sign-pkcs of an RSA key"),
        (Some(&*elsewhere), of("04"), 4, "key", "no private key on YubiHSM", "correct the key URI"),
        (None, of("09"), 4, "key", "no private key on YubiHSM", "correct the key URI"),
    ];
    for (pin, key, code, check, found, help) in &cases {
        let said = first_fault(&device, *pin, key, *code);
        assert_eq!(said.0, format!("{check:?}"), "{key}: {said:?}");
        assert!(said.1.contains(found) && said.2.contains(help), "{key}: {said:?}");
    }
    device.sessions_in_use(16);
    let said = first_fault(&device, None, KEY, 3);
    assert!(said.0 == "\"device\"" && said.1.contains("CKR_SESSION_COUNT"), "{said:?}");
    device.sessions_in_use(0);
    device.unplug();
    assert_eq!(first_fault(&device, None, KEY, 3).0, "\"connector\"");
    device.plug_in();
    device.stop_connector();
    assert_eq!(first_fault(&device, None, KEY, 3).0, "\"connector\"");
    let run = device.countersign(&desk, &["doctor", "--json"]).without_env("YUBIHSM_PKCS11_CONF");
    let document = run.go().exits(3).json();
    let checks = document["checks"].as_array().unwrap();
    let fault = checks.iter().find(|check| check["status"] == "fault").unwrap();
    assert!(
        fault["check"] == "modules" && fault["help"].to_string().contains("YUBIHSM_PKCS11_CONF"),
        "{fault:#}"
    );
}
