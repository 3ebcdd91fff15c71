//! From an empty device to a signed file, using only countersign, on each kind of device; openssl's authority
//! issues, and openssl judges.

use crate::support::authority::{Authority, Leaf};
use crate::support::desk::Desk;
use crate::support::kryoptic::Kryoptic;
use crate::support::openssl::{openssl_accepts, openssl_reads_request};
use crate::support::pinned::pinned;
use crate::support::piv_card::{MANAGEMENT_KEY, OPENSC, PivCard, YKCS11};
use crate::support::preparing::{DEVICE, empty_desk, openssl_verifies, text, uri};
use crate::support::run::Run;
use crate::support::token_files::UNSIGNED;
use crate::support::tpm::Tpm;

const SUBJECT: &str = "CN=server1-demo,O=Example,L=Boston,ST=MA,C=US";

#[test]
fn softhsm_is_prepared_and_signs() {
    let desk = empty_desk();
    prepares_and_signs(&desk, &|arguments| desk.countersign(arguments).with_pin());
}

#[test]
fn kryoptic_is_prepared_and_signs() {
    let kryoptic = Kryoptic::new();
    prepares_and_signs(&kryoptic.desk, &|arguments| kryoptic.countersign(arguments));
}

#[test]
fn a_tpm_is_prepared_and_signs() {
    let tpm = Tpm::new();
    prepares_and_signs(&tpm.desk, &|arguments| tpm.countersign(arguments));
}

/// The whole journey, and the renewal a year later.
fn prepares_and_signs(desk: &Desk, run: &dyn Fn(&[&str]) -> Run) {
    let keygen = ["keygen", "--device", DEVICE, "--label", "signkey", "-o", "officer.pub"];
    let key = uri(&run(&keygen).go().exits(0));
    certify_and_sign(desk, run, &key, &[]);
    let first = run(&["certificate", "--key", &key]).go().exits(0).stdout();
    certify_and_sign(desk, run, &key, &["--replace"]);
    let second = run(&["certificate", "--key", &key]).go().exits(0).stdout();
    assert_ne!(first, second);
    let listed = run(&["list", "--login"]).go().exits(0).stdout();
    assert_eq!(listed.matches("CN=server1-demo").count(), 1, "the old one is gone: {listed}");
}

/// A request, a certificate with those above it, and a file signed using the certificate's URI.
fn certify_and_sign(desk: &Desk, run: &dyn Fn(&[&str]) -> Run, key: &str, import_options: &[&str]) {
    let authority = Authority::with_intermediate();
    run(&["csr", "--key", key, "--subject", SUBJECT, "-o", "csr.pem"]).go().exits(0);
    authority.certify(&desk.path("csr.pem"), &Leaf::default(), &desk.path("officer.pem"));
    let [root, intermediate] =
        [authority.anchor(), authority.intermediates()].map(|path| std::fs::read(path).unwrap());
    desk.write("all.pem", &[root, intermediate, desk.read("officer.pem")].concat());
    let import = ["import-certificate", "--key", key, "--with-chain"];
    let certificate = uri(&run(&[&import, import_options, &["all.pem"]].concat()).go().exits(0));
    assert!(certificate.ends_with("type=cert"), "{certificate}");

    signs(desk, run, &certificate);
    run(&["certificate", "--key", &certificate, "-o", "back.pem"]).go().exits(0);
    assert_eq!(desk.read("back.pem"), desk.read("officer.pem"));
    run(&["certificate", "--key", key, "--chain", "-o", "chain.pem"]).go().exits(0);
    let [root, chain] = [authority.anchor().to_str().unwrap(), &text(desk, "chain.pem")].map(str::to_owned);
    openssl_verifies(&root, &chain, &chain);
    assert_eq!(String::from_utf8(desk.read("chain.pem")).unwrap().matches("BEGIN CERTIFICATE").count(), 3);
}

/// Signs AWS's sample, which openssl and `verify` then accept under officer.pub.
fn signs(desk: &Desk, run: &dyn Fn(&[&str]) -> Run, key: &str) {
    desk.write("tokens.json", UNSIGNED);
    run(&["sign", "--key", key, "tokens.json"]).go().exits(0);
    run(&["verify", "--public-key", "officer.pub", "tokens.json"]).go().exits(0);
    assert!(openssl_accepts(desk, "tokens.json", "officer.pub"));
}

#[test]
fn ec_keys_of_softhsm_make_requests_and_sign_messages() {
    let desk = empty_desk();
    makes_ec_signatures(&desk, &|arguments| desk.countersign(arguments).with_pin());
}

#[test]
fn ec_keys_of_kryoptic_make_requests_and_sign_messages() {
    let kryoptic = Kryoptic::new();
    makes_ec_signatures(&kryoptic.desk, &|arguments| kryoptic.countersign(arguments));
}

#[test]
fn ec_keys_of_a_tpm_make_requests_and_sign_messages() {
    let tpm = Tpm::new();
    makes_ec_signatures(&tpm.desk, &|arguments| tpm.countersign(arguments));
}

fn makes_ec_signatures(desk: &Desk, run: &dyn Fn(&[&str]) -> Run) {
    for (kind, name) in [("ec:p256", "EC P-256"), ("ec:p384", "EC P-384")] {
        let keygen = ["keygen", "--device", DEVICE, "--label", kind, "--type", kind, "-o", "ec.pub"];
        let key = uri(&run(&keygen).go().exits(0).says(name));
        run(&["csr", "--key", &key, "--subject", SUBJECT, "-o", "csr.pem"]).go().exits(0);
        let of_request = openssl_reads_request(&text(desk, "csr.pem"), &["-pubkey"]);
        assert_eq!(of_request, desk.read("ec.pub"), "{kind}");
        run(&["public-key", "--key", &key, "-o", "again.pub"]).go().exits(0);
        assert_eq!(desk.read("again.pub"), desk.read("ec.pub"), "{kind}");
        let checked = run(&["doctor", "--sign", "--key", &key]).go();
        assert_eq!(checked.code(), 0, "{kind}: {}{}", checked.stdout(), checked.stderr());
        // CloudHSM's files require RSA-2048.
        desk.write("tokens.json", UNSIGNED);
        run(&["sign", "--key", &key, "tokens.json"]).go().exits(4).says("CloudHSM accepts RSA-2048");
        assert_eq!(desk.read("tokens.json"), UNSIGNED);
    }
}

#[test]
fn a_yubikey_is_prepared_with_its_management_key_and_signs() {
    let (card, desk) = (PivCard::inserted(&["--blank"]), Desk::without_device());
    let management_key = card.pin_source(MANAGEMENT_KEY);
    let run = |arguments: &[&str]| card.countersign(&desk, YKCS11, arguments);
    let keygen = ["keygen", "--slot", "9a", "--so-pin-source", &management_key, "-o", "officer.pub"];
    let key = uri(&run(&keygen).go().exits(0));
    assert!(key.ends_with(";id=%01;type=private"), "{key}");
    certify_and_sign_on_card(&card, &desk, &key, &management_key, &[]);
    certify_and_sign_on_card(&card, &desk, &key, &management_key, &["--replace"]);
    // The other module shows what the first one stored.
    desk.write("tokens.json", UNSIGNED);
    card.countersign(&desk, OPENSC, &["sign", "--key", "pkcs11:id=%01", "tokens.json"]).go().exits(0);
    assert!(openssl_accepts(&desk, "tokens.json", "officer.pub"));
    assert_eq!(card.pin_tries(), "3");
}

/// A slot holds one certificate, so the authority's goes elsewhere.
fn certify_and_sign_on_card(card: &PivCard, desk: &Desk, key: &str, management_key: &str, options: &[&str]) {
    let run = |arguments: &[&str]| card.countersign(desk, YKCS11, arguments);
    let authority = Authority::new();
    run(&["csr", "--key", key, "--subject", SUBJECT, "-o", "csr.pem"]).go().exits(0);
    authority.certify(&desk.path("csr.pem"), &Leaf::default(), &desk.path("officer.pem"));
    let import = ["import-certificate", "--key", key, "--so-pin-source", management_key];
    let certificate = uri(&run(&[&import, options, &["officer.pem"]].concat()).go().exits(0));
    signs(desk, &run, &certificate);
    assert_eq!(run(&["certificate", "--key", key]).go().exits(0).stdout_bytes(), desk.read("officer.pem"));
}

#[test]
fn each_slot_of_a_yubikey_is_named_by_its_number() {
    let (card, desk) = (PivCard::inserted(&["--blank"]), Desk::without_device());
    let management_key = card.pin_source(MANAGEMENT_KEY);
    for (slot, id, kind) in
        [("9a", "01", "ec:p256"), ("9c", "02", "rsa:2048"), ("9d", "03", "ec:p384"), ("9e", "04", "ec:p256")]
    {
        let keygen =
            ["keygen", "--slot", slot, "--type", kind, "--so-pin-source", &management_key, "-o", "key.pub"];
        let done = card.countersign(&desk, YKCS11, &keygen).go();
        assert_eq!(done.code(), 0, "{slot} {kind}: {}", done.stderr());
        assert!(uri(&done).contains(&format!(";id=%{id};")), "{slot}: {}", uri(&done));
        let there = std::fs::read(card.public_key(slot)).unwrap();
        assert_eq!(desk.read("key.pub"), there, "{slot}");
    }
}

#[test]
fn a_yubikey_without_its_management_key_says_what_it_requires() {
    let (card, desk) = (PivCard::inserted(&["--blank"]), Desk::without_device());
    let run = |arguments: &[&str]| card.countersign(&desk, YKCS11, arguments).go();
    run(&["keygen", "--slot", "9a"]).exits(3).says("--so-pin-source").says("management key");
    let wrong = card.pin_source("ff02030405060708010203040506070801020304050607ff");
    let done = run(&["keygen", "--slot", "9a", "--so-pin-source", &wrong]).exits(5).says("CKR_PIN_INCORRECT");
    assert!(!done.stderr().contains("lock after three"), "a management key does not lock: {}", done.stderr());
    assert_eq!(card.pin_tries(), "3");
}

#[test]
fn a_slot_of_a_yubikey_that_is_in_use_is_left_alone() {
    let (card, desk) = (PivCard::inserted(&["--blank", "--key", "9a=rsa2048"]), Desk::without_device());
    let before = std::fs::read(card.public_key("9a")).unwrap();
    let management_key = card.pin_source(MANAGEMENT_KEY);
    let keygen = ["keygen", "--slot", "9a", "--so-pin-source", &management_key];
    card.countersign(&desk, YKCS11, &keygen).go().exits(4).says("is in use");
    assert_eq!(std::fs::read(card.public_key("9a")).unwrap(), before);
}

#[test]
fn opensc_generates_no_keys_and_the_error_says_what_does() {
    let (card, desk) = (PivCard::inserted(&["--blank", "--key", "9c=rsa2048"]), Desk::without_device());
    let done = card.countersign(&desk, OPENSC, &["keygen", "--slot", "9a"]).go().exits(3);
    pinned("keygen_opensc", &desk, "countersign keygen --slot 9a", &done);
}

#[test]
fn opensc_stores_no_certificate_and_leaves_the_one_that_is_there() {
    let (card, desk) = (PivCard::inserted(&["--blank", "--key", "9a=rsa2048"]), Desk::without_device());
    let run = |arguments: &[&str]| card.countersign(&desk, OPENSC, arguments).go();
    let before = run(&["certificate", "--key", "pkcs11:id=%01"]).exits(0).stdout();
    let csr = ["csr", "--key", "pkcs11:id=%01", "--subject", SUBJECT, "--self-signed", "9", "-o", "new.pem"];
    run(&csr).exits(0);
    let import = ["import-certificate", "--key", "pkcs11:id=%01", "--replace", "new.pem"];
    run(&import).exits(3).says("did not store the certificate").says("ykman");
    assert_eq!(run(&["certificate", "--key", "pkcs11:id=%01"]).exits(0).stdout(), before);
}

/// For devices whose middleware cannot generate keys as countersign requires them.
#[test]
fn keys_made_by_the_device_s_own_tool_get_certificates_too() {
    let tpm = Tpm::new().with_key("signkey", &[]);
    let run = |arguments: &[&str]| tpm.countersign(arguments);
    let key = "pkcs11:token=officer;object=signkey;type=private";
    run(&["public-key", "--key", key, "-o", "officer.pub"]).go().exits(0);
    certify_and_sign(&tpm.desk, &run, key, &[]);
    certify_and_sign(&tpm.desk, &run, key, &["--replace"]);

    let options = ["--blank", "--key", "9a=rsa2048", "--without-certificate", "9a"];
    let (card, desk) = (PivCard::inserted(&options), Desk::without_device());
    std::fs::copy(card.public_key("9a"), desk.path("officer.pub")).unwrap();
    let (key, management_key) = ("pkcs11:id=%01;type=private", card.pin_source(MANAGEMENT_KEY));
    certify_and_sign_on_card(&card, &desk, key, &management_key, &[]);
    certify_and_sign_on_card(&card, &desk, key, &management_key, &["--replace"]);
    desk.write("tokens.json", UNSIGNED);
    card.countersign(&desk, OPENSC, &["sign", "--key", "pkcs11:id=%01", "tokens.json"]).go().exits(0);
    assert!(openssl_accepts(&desk, "tokens.json", "officer.pub"));
}

#[test]
fn a_yubikey_stores_no_certificate_without_its_management_key() {
    let (card, desk) = (PivCard::inserted(&["--blank", "--key", "9a=rsa2048"]), Desk::without_device());
    let run = |arguments: &[&str]| card.countersign(&desk, YKCS11, arguments).go();
    let key = "pkcs11:id=%01;type=private";
    let before = run(&["certificate", "--key", key]).exits(0).stdout();
    run(&["csr", "--key", key, "--subject", SUBJECT, "--self-signed", "9", "-o", "new.pem"]).exits(0);
    let done = run(&["import-certificate", "--key", key, "--replace", "new.pem"]).exits(3);
    done.says("--so-pin-source").says("management key");
    assert_eq!(run(&["certificate", "--key", key]).exits(0).stdout(), before);
}
