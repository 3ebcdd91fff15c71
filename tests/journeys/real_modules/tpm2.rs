//! A TPM: swtpm behind its resource manager, and tpm2-pkcs11, which also tends to write to stderr.

use std::fs;

use crate::support::desk::{Desk, SIGNKEY as SOFTHSM_KEY};
use crate::support::faults::behind_faults_of;
use crate::support::openssl::openssl_accepts;
use crate::support::parts::softhsm_module;
use crate::support::real_modules::{
    device_is_gone, lists_and_signs, module, only_countersign_speaks, wait_for_second_signature,
};
use crate::support::token_files::UNSIGNED;
use crate::support::tpm::Tpm;

const KEY: &str = "pkcs11:token=officer;object=signkey;type=private";

const SIGN: [&str; 4] = ["sign", "--key", KEY, "tokens.json"];

#[test]
fn a_key_in_the_tpm_signs() {
    let tpm = Tpm::new().with_key("signkey", &[]);
    let run = |arguments: &[&str]| tpm.countersign(arguments);
    lists_and_signs(&tpm.desk, KEY, &[], run).says("RSA-2048, cannot leave the device");
    tpm.desk.write("officer.token", b"any bytes");
    let detached = ["sign", "--detached", "--json", "--key", KEY, "officer.token"];
    let document = tpm.countersign(&detached).go().exits(0).json();
    assert_eq!(document["mechanism"], "CKM_SHA256_RSA_PKCS");
    let verify = ["verify", "--detached", "--public-key", "officer.pub", "officer.token"];
    tpm.countersign(&verify).go().exits(0);
}

#[test]
fn a_key_that_requires_its_pin_each_time_gets_it() {
    let tpm = Tpm::new().with_key("alwayskey", &["--attr-always-authenticate"]);
    let key = "pkcs11:token=officer;object=alwayskey;type=private";
    lists_and_signs(&tpm.desk, key, &[], |arguments| tpm.countersign(arguments));
    let listed = tpm.countersign(&["list", "--login"]).go().exits(0);
    assert!(listed.stdout().contains("PIN for each signature"), "{}", listed.stdout());
}

#[test]
fn wrong_pins_are_reported_until_the_tpm_locks() {
    let tpm = Tpm::new().with_key("signkey", &[]);
    let wrong = [&SIGN[..], &["--pin-source", "file:wrong-pin"]].concat();
    tpm.countersign(&wrong).go().exits(5).says("CKR_PIN_INCORRECT");
    let mut tries = 1;
    while !tpm.countersign(&wrong).go().exits(5).stderr().contains("is locked") {
        tries += 1;
        assert!(tries < 10, "not locked after {tries}");
    }
    // Also for the right PIN, which the TPM no longer checks.
    tpm.countersign(&SIGN).go().exits(5).says("is locked");
    assert_eq!(tpm.desk.read("tokens.json"), UNSIGNED);
}

#[test]
fn a_tpm_that_goes_away_leaves_the_file_alone() {
    let mut tpm = Tpm::new().with_key("signkey", &[]);
    let run = tpm.countersign(&SIGN);
    let run = behind_faults_of(&module("libtpm2_pkcs11.so"), run, &tpm.desk, "C_Sign:2=delay:2000");
    let signing = std::thread::spawn(|| run.go());
    wait_for_second_signature(&tpm.desk);
    tpm.chip.kill();
    device_is_gone(&tpm.desk, &signing.join().unwrap());
    device_is_gone(&tpm.desk, &tpm.countersign(&SIGN).go());
}

#[test]
fn what_the_module_writes_on_stderr_is_not_shown() {
    let mut tpm = Tpm::new().with_key("signkey", &[]);
    let wrong = [&SIGN[..], &["--pin-source", "file:wrong-pin"]].concat();
    only_countersign_speaks(&tpm.countersign(&wrong).go().exits(5));
    tpm.chip.kill();
    only_countersign_speaks(&tpm.countersign(&SIGN).go());
}

#[test]
fn a_module_that_is_registered_and_has_no_tpm_is_skipped_in_silence() {
    let desk = Desk::new();
    let modules = desk.path("p11-kit-modules");
    fs::create_dir(&modules).unwrap();
    let tpm2 = module("libtpm2_pkcs11.so").display().to_string();
    for (name, path) in [("a-tpm2", tpm2.as_str()), ("softhsm2", softhsm_module())] {
        fs::write(modules.join(format!("{name}.module")), format!("module: {path}\n")).unwrap();
    }
    let script = format!("mount --bind '{}' /usr/share/p11-kit/modules && exec \"$@\"", modules.display());
    // Two places where it looks for a TPM: a simulator's socket, and a resource manager, whose own library
    // prints as well.
    for place in ["swtpm:path=/nowhere", "tabrmd:bus_type=session"] {
        let run = |arguments: &[&str]| {
            desk.countersign_after_mounting(&script, arguments)
                .without_env("COUNTERSIGN_MODULE")
                .env("TPM2_PKCS11_TCTI", place)
                .env("TPM2_PKCS11_STORE", desk.folder())
                .env("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nowhere")
                .with_pin()
                .go()
                .exits(0)
        };
        desk.write("tokens.json", UNSIGNED);
        let done = run(&["sign", "--key", SOFTHSM_KEY, "tokens.json"]);
        assert!(openssl_accepts(&desk, "tokens.json", "device/signkey.pub.pem"));
        assert!(run(&["list"]).stdout().contains("skipped: C_Initialize said CKR_GENERAL_ERROR"));
        only_countersign_speaks(&done);
    }
}
