//! Advice knows what kind of device it is about, and which options are in use: nothing that it says contradicts the rest.

use std::os::unix::fs::symlink;

use crate::support::desk::{Desk, PIN, SIGNKEY};
use crate::support::faults::{behind_faults, calls, with_faults};
use crate::support::parts::fault_module;
use crate::support::piv_card::{MANAGEMENT_KEY, PivCard, YKCS11};
use crate::support::preparing::pkcs11_tool;
use crate::support::run::Done;
use crate::support::token_files::UNSIGNED;

#[track_caller]
fn says_not(done: &Done, texts: &[&str]) {
    let said = done.stderr();
    for text in texts {
        assert!(!said.contains(text), "says {text:?}: {said}");
    }
}

#[test]
fn a_wrong_management_key_is_called_that_and_costs_nothing() {
    let (card, desk) = (PivCard::inserted(&["--blank"]), Desk::without_device());
    let wrong = card.pin_source(&"42".repeat(24));
    let keygen = ["keygen", "--slot", "9a", "--so-pin-source", &wrong];
    let done = card.countersign(&desk, YKCS11, &keygen).go().exits(5);
    let done = done.says("the management key for YubiKey").says("wrong ones lock nothing");
    says_not(&done, &["security officer", "costs one attempt", "PIN for"]);
    done.says("help: correct the PIN source, then repeat the command");
}

#[test]
fn a_pin_in_place_of_the_management_key_is_sent_only_where_that_is_asked_for() {
    let (card, desk) = (PivCard::inserted(&["--blank"]), Desk::without_device());
    let keygen = |secret: &str, options: &[&str]| {
        let source = card.pin_source(secret);
        let keygen = ["keygen", "--slot", "9a", "--so-pin-source", &source];
        card.countersign(&desk, YKCS11, &[&keygen, options].concat()).go()
    };
    // ykcs11 would send each of them as the PIN.
    for secret in [PIN, "000000", "1234567"] {
        let done = keygen(secret, &[]).exits(5).says("the management key for YubiKey");
        let done = done.says("it was not sent, as the device accepts 48 hexadecimal digits");
        says_not(&done, &["the PIN for", "is wrong", "correct the PIN source"]);
        assert_eq!(card.pin_tries(), "3");
    }
    // A YubiKey can keep its management key behind the PIN; this one does not.
    keygen(PIN, &["--use-last-try"]).exits(3).says("give the key as 48 hexadecimal digits");
    assert_eq!(card.pin_tries(), "3");
    keygen("000000", &["--use-last-try"]).exits(5).says("the PIN for YubiKey").says("is wrong");
    assert_eq!(card.pin_tries(), "2");
}

#[test]
fn a_slot_that_is_in_use_is_not_answered_with_id_or_label() {
    let (card, desk) = (PivCard::inserted(&[]), Desk::without_device());
    let key = card.pin_source(MANAGEMENT_KEY);
    let done =
        card.countersign(&desk, YKCS11, &["keygen", "--slot", "9a", "--so-pin-source", &key]).go().exits(4);
    says_not(&done.says("choose another --slot, or empty this one: ykman piv"), &["--id", "--label"]);
}

#[test]
fn what_a_wrong_pin_costs_is_what_it_costs_this_kind_of_device() {
    let desk = Desk::new();
    desk.write("tokens.json", UNSIGNED);
    let wrong_on = |name: &str| {
        let module = desk.path(name);
        symlink(fault_module(), &module).unwrap();
        let run = desk.countersign(&["sign", "--key", SIGNKEY, "tokens.json"]);
        let run = behind_faults(run.with_pin(), &desk, "C_Login=0xa0");
        let done = run.env("COUNTERSIGN_MODULE", &module).go().exits(5);
        assert_eq!(calls(&desk, "C_Login"), 1);
        std::fs::remove_file(desk.path("calls")).unwrap();
        done
    };
    let done = wrong_on("yubihsm_pkcs11.so").says("a YubiHSM locks nothing");
    says_not(&done, &["after three", "costs one attempt", "does not say how many"]);
    let done = wrong_on("libykcs11.so").says("a YubiKey locks after three").says("costs one attempt");
    says_not(&done, &["most lock"]);
    // What is known of the device counts, and else that of most.
    says_not(&wrong_on("libacme.so").says("SoftHSM locks nothing"), &["costs one attempt", "most lock"]);
}

#[test]
fn a_mechanism_is_only_left_out_where_one_was_given() {
    let desk = Desk::new();
    let none =
        "C_GetMechanismList=mechanism:0x1,C_GetMechanismList=mechanism:0x3,C_GetMechanismList=mechanism:0x40";
    let sign = ["sign", "--key", SIGNKEY, "tokens.json"];
    let done = with_faults(&desk, &sign, none).go().exits(6);
    says_not(&done.says("supports none of the suitable mechanisms"), &["--mechanism"]);
    let given = with_faults(&desk, &[&sign[..], &["--mechanism", "rsa-pkcs"]].concat(), none).go().exits(6);
    given.says("help: leave --mechanism out");
}

#[test]
fn a_key_of_a_kind_that_is_not_known_is_not_measured_by_cloudhsms_files() {
    let desk = Desk::new();
    let made = ["--keypairgen", "--key-type", "EC:edwards25519", "--id", "07", "--label", "ed"];
    pkcs11_tool(&desk, &made);
    let key = "pkcs11:id=%07;type=private";
    let done = desk.countersign(&["csr", "--key", key, "--subject", "CN=ed"]).with_pin().go().exits(4);
    says_not(
        &done
            .says("it is Ed25519; EC keys on P-256, P-384 and P-521 and RSA keys")
            .says("countersign keygen"),
        &["CloudHSM", "RSA-2048 key"],
    );
}

#[test]
fn unplugging_is_said_of_what_can_be_unplugged_and_sessions_that_ran_out_are_named() {
    let desk = Desk::new();
    let sign = ["sign", "--key", SIGNKEY, "tokens.json"];
    let done = with_faults(&desk, &sign, "C_OpenSession=0xb1").go().exits(3);
    let done = done.says("CKR_SESSION_COUNT").says("help: all sessions of the device are in use");
    says_not(&done, &["plug"]);
    for call in ["C_OpenSession=0x30", "C_Login=0x30", "C_SignInit=0x30"] {
        let done = with_faults(&desk, &sign, call).go();
        says_not(&done.says("CKR_DEVICE_ERROR"), &["unplug"]);
    }
    let ykcs11 = desk.path("libykcs11.so");
    symlink(fault_module(), &ykcs11).unwrap();
    let run = with_faults(&desk, &sign, "C_OpenSession=0x30").env("COUNTERSIGN_MODULE", &ykcs11);
    run.go().exits(3).says("help: unplug the device, plug it in again");
}

#[test]
fn doctor_says_that_it_has_seen_no_key_and_how_to_look_behind_the_login() {
    let desk = Desk::provisioned(&["--keys", "none"]);
    let done = desk.countersign(&["doctor"]).go().exits(0);
    assert!(done.stdout().contains("none is seen on officer"), "{}", done.stdout());
    assert!(done.stdout().contains("countersign list --login asks for the PIN"), "{}", done.stdout());
    says_not(&done, &["Nothing is wrong"]);
}
