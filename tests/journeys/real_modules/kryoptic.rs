//! Kryoptic, a software device in Rust: PKCS#11 3.2, keys that require their PIN each time, and a PIN that
//! locks.

use crate::support::kryoptic::Kryoptic;
use crate::support::openssl::openssl_accepts;
use crate::support::real_modules::{lists_and_signs, only_countersign_speaks};
use crate::support::token_files::UNSIGNED;

const SIGNKEY: &str = "pkcs11:token=officer;id=%01;type=private";

#[test]
fn a_module_with_interfaces_of_pkcs11_3_lists_and_signs() {
    let kryoptic = Kryoptic::new().with_key("01", "signkey", &[]);
    lists_and_signs(&kryoptic.desk, SIGNKEY, &[], |arguments| kryoptic.countersign(arguments));
    // Bytes whose digest the device computes.
    kryoptic.desk.write("officer.token", b"any bytes");
    let detached = ["sign", "--detached", "--json", "--key", SIGNKEY, "officer.token"];
    let document = kryoptic.countersign(&detached).go().exits(0).json();
    assert_eq!(document["mechanism"], "CKM_SHA256_RSA_PKCS");
    let verify = ["verify", "--detached", "--public-key", "officer.pub", "officer.token"];
    kryoptic.countersign(&verify).go().exits(0);
}

#[test]
fn a_key_that_requires_its_pin_each_time_gets_it() {
    let kryoptic = Kryoptic::new().with_key("02", "alwayskey", &["--always-auth"]);
    let key = "pkcs11:token=officer;id=%02;type=private";
    lists_and_signs(&kryoptic.desk, key, &[], |arguments| kryoptic.countersign(arguments));
    let listed = kryoptic.countersign(&["list", "--login"]).go().exits(0);
    assert!(listed.stdout().contains("PIN for each signature"), "{}", listed.stdout());
}

#[test]
fn wrong_pins_lock_the_device_after_the_last_attempt_that_was_requested() {
    let kryoptic = Kryoptic::new().with_key("01", "signkey", &[]);
    let wrong = ["sign", "--key", SIGNKEY, "--pin-source", "file:wrong-pin", "tokens.json"];
    let refused = || kryoptic.countersign(&wrong).go().exits(5);
    let mut tries = 1;
    while !refused().stderr().contains("one attempt is left before the PIN is locked") {
        tries += 1;
        assert!(tries < 10, "no last attempt after {tries}");
    }
    // The last of ten attempts is kept, however often the command is repeated.
    assert_eq!(tries, 9);
    for _ in 0..2 {
        refused().says("it was not used").says("--use-last-try");
    }
    let last = [&wrong[..], &["--use-last-try"]].concat();
    kryoptic.countersign(&last).go().exits(5).says("is locked");
    let locked = kryoptic.countersign(&["sign", "--key", SIGNKEY, "tokens.json"]).go().exits(5);
    only_countersign_speaks(&locked.says("is locked"));
    assert_eq!(kryoptic.desk.read("tokens.json"), UNSIGNED);
}

#[test]
fn the_right_pin_is_accepted_at_the_last_attempt_and_restores_all_attempts() {
    let kryoptic = Kryoptic::new().with_key("01", "signkey", &[]);
    for _ in 0..9 {
        let wrong = ["sign", "--key", SIGNKEY, "--pin-source", "file:wrong-pin", "tokens.json"];
        kryoptic.countersign(&wrong).go().exits(5);
    }
    let sign = ["sign", "--key", SIGNKEY, "--write-public-key", "officer.pub", "tokens.json"];
    kryoptic.countersign(&sign).go().exits(5).says("it was not used");
    kryoptic.countersign(&[&sign[..], &["--use-last-try"]].concat()).go().exits(0);
    assert!(openssl_accepts(&kryoptic.desk, "tokens.json", "officer.pub"));
    kryoptic.countersign(&["list", "--login"]).go().exits(0);
}
