//! What YubiKeys have since firmware 5.7: a management key for AES-192, PINs that must not be trivial, and keys that older
//! middleware does not know. What a module cannot do is explained.

use crate::support::desk::{Desk, PIN};
use crate::support::openssl::openssl_accepts;
use crate::support::piv_card::{BOTH, MANAGEMENT_KEY, OPENSC, PivCard, YKCS11, module_version, sign};
use crate::support::token_files::UNSIGNED;

const NEW: [&str; 3] = ["--blank", "--firmware", "5.7.1"];
const KEY: &str = "pkcs11:id=%01";

fn new_card(options: &[&str]) -> (PivCard, Desk) {
    (PivCard::inserted(&[&NEW, options].concat()), Desk::without_device())
}

#[test]
fn a_card_whose_management_key_is_for_aes_is_prepared_by_ykcs11_or_it_is_said_what_else_does_it() {
    let (card, desk) = new_card(&[]);
    let management_key = card.pin_source(MANAGEMENT_KEY);
    let run = |arguments: &[&str]| card.countersign(&desk, YKCS11, arguments).go();
    let keygen = ["keygen", "--slot", "9a", "--so-pin-source", &management_key, "-o", "officer.pub"];
    // ykcs11 knows AES from 2.3 on (https://github.com/Yubico/yubico-piv-tool/issues/333).
    let knows_aes = module_version(&card, &desk, YKCS11) >= (2, 30);
    if knows_aes {
        run(&keygen).exits(0);
    } else {
        let done = run(&keygen).exits(5).says("the management key for YubiKey").says("CKR_PIN_INCORRECT");
        done.says("it may be one for AES").says("ykman piv keys generate").says("--algorithm TDES");
        assert!(!desk.path("officer.pub").exists());
        let generate = ["keys", "generate", "--management-key", MANAGEMENT_KEY, "9a", "officer.pub"];
        card.ykman(&desk, &generate);
    }
    let csr = ["csr", "--key", KEY, "--subject", "CN=officer", "--self-signed", "9", "-o", "officer.pem"];
    run(&csr).exits(0);
    let import = ["import-certificate", "--key", KEY, "--so-pin-source", &management_key, "officer.pem"];
    if knows_aes {
        run(&import).exits(0);
    } else {
        run(&import).exits(5).says("ykman piv certificates import");
        card.ykman(
            &desk,
            &["certificates", "import", "--management-key", MANAGEMENT_KEY, "9a", "officer.pem"],
        );
    }
    for module in BOTH {
        sign(&card, &desk, module, &["sign", "--key", KEY, "tokens.json"]).exits(0);
        assert!(openssl_accepts(&desk, "tokens.json", "officer.pub"), "{module}");
    }
    assert_eq!(card.pin_tries(), "3");
}

#[test]
fn a_management_key_that_was_made_one_for_triple_des_serves_any_ykcs11() {
    let (card, desk) = new_card(&[]);
    let old = ["--management-key", MANAGEMENT_KEY, "--new-management-key", MANAGEMENT_KEY];
    card.ykman(&desk, &[&["access", "change-management-key", "--algorithm", "TDES"], &old[..]].concat());
    let management_key = card.pin_source(MANAGEMENT_KEY);
    let keygen = ["keygen", "--slot", "9a", "--so-pin-source", &management_key, "-o", "officer.pub"];
    card.countersign(&desk, YKCS11, &keygen).go().exits(0);
}

#[test]
fn a_trivial_new_pin_is_refused_by_the_card_and_the_old_one_goes_on() {
    let (card, desk) = new_card(&["--pin-complexity", "--key", "9a=rsa2048"]);
    for (command, secret) in [("change-pin", ["--pin", PIN]), ("unblock-pin", ["--puk", "12345678"])] {
        for trivial in ["111111", "123456"] {
            let output = card
                .ykman_ends(&desk, &[&["access", command], &secret[..], &["--new-pin", trivial]].concat());
            assert!(!output.status.success(), "{command} {trivial}");
        }
    }
    assert_eq!((card.count("24 0080", "6985"), card.count("2c 0080", "6985")), (2, 2));
    for module in BOTH {
        sign(&card, &desk, module, &["sign", "--key", KEY, "tokens.json"]).exits(0);
    }
    assert_eq!(card.pin_tries(), "3");
    card.ykman(&desk, &["access", "change-pin", "--pin", PIN, "--new-pin", "246810"]);
    desk.write("tokens.json", UNSIGNED);
    let run = card.countersign(&desk, OPENSC, &["sign", "--key", KEY, "tokens.json"]);
    run.env("COUNTERSIGN_PIN_SOURCE", card.pin_source("246810")).go().exits(0);
}

#[test]
fn a_larger_rsa_key_signs_or_the_module_is_named_as_what_does_not_know_its_size() {
    for (kind, bits) in [("rsa3072", 3072), ("rsa4096", 4096)] {
        let (card, desk) = new_card(&["--key", &format!("9a={kind}"), "--key", "9c=rsa2048"]);
        for module in BOTH {
            let run = |arguments: &[&str]| sign(&card, &desk, module, arguments);
            let name = format!("RSA-{bits}");
            let listed = card.countersign(&desk, module, &["list", "--login"]).go().exits(0).stdout();
            assert!(listed.contains(&name), "{module}: {listed}");
            run(&["sign", "--key", KEY, "tokens.json"]).exits(4).says(&format!("it is {name}"));
            // The one that CloudHSM accepts is found without being named.
            run(&["sign", "tokens.json"]).exits(0);
            assert!(openssl_accepts(&desk, "tokens.json", &card.public_key("9c")), "{module}");
            let done = run(&["sign", "--allow-key-size", "--key", KEY, "tokens.json"]);
            // OpenSC 0.23 and ykcs11 2.6 know 3072 bits.
            let must_sign = match module {
                OPENSC => bits == 3072,
                _ => module_version(&card, &desk, module) >= (2, 60),
            };
            if must_sign || done.code() == 0 {
                done.exits(0);
                assert!(openssl_accepts(&desk, "tokens.json", &card.public_key("9a")), "{module} {kind}");
            } else {
                let done = done.exits(6).says(&format!("and this one has {bits} (C_Sign said CKR_"));
                done.says("its module supports RSA keys of 1024 to").says("another module of the device");
                assert_eq!(desk.read("tokens.json"), UNSIGNED);
            }
        }
    }
}

#[test]
fn an_ed25519_key_is_refused_by_its_name_and_hides_no_other() {
    let (card, desk) = new_card(&["--key", "9a=ed25519", "--key", "9c=rsa2048"]);
    for module in BOTH {
        let run = |arguments: &[&str]| card.countersign(&desk, module, arguments).go();
        let listed = run(&["list", "--login"]).exits(0).stdout();
        assert!(listed.contains("Ed25519") && listed.contains("RSA-2048"), "{module}: {listed}");
        let of_9a = listed.lines().filter(|line| line.ends_with("id=%01;type=private"));
        assert_eq!(of_9a.count(), 1, "its public half is listed again: {listed}");
        for arguments in [
            &["sign", "--key", KEY, "tokens.json"][..],
            &["csr", "--key", KEY, "--subject", "CN=x"],
            &["public-key", "--key", KEY],
        ] {
            desk.write("tokens.json", UNSIGNED);
            let said = run(arguments).exits(4).stderr();
            assert!(said.contains("Ed25519"), "{module}, {arguments:?}: {said}");
            assert!(!said.contains("store the key's public key"), "{module}, {arguments:?}: {said}");
        }
        assert_eq!(desk.read("tokens.json"), UNSIGNED);
        sign(&card, &desk, module, &["sign", "tokens.json"]).exits(0);
        assert!(openssl_accepts(&desk, "tokens.json", &card.public_key("9c")), "{module}");
    }
    assert_eq!(card.pin_tries(), "3");
}
