//! `countersign attest` and `sign --require-attested`: what is proof, what is a claim, and what only looks
//! like proof.

use std::path::Path;

use serde_json::json;

use crate::support::desk::Desk;
use crate::support::openssl::{openssl, openssl_accepts};
use crate::support::pinned::pinned;
use crate::support::piv_card::{PivCard, YKCS11};
use crate::support::preparing::{KEY, desk_with_key, put_certificate, text};
use crate::support::run::Done;
use crate::support::token_files::UNSIGNED;

const SLOT_9A: &str = "pkcs11:id=%01;type=private";

fn on_card(card: &PivCard, desk: &Desk, arguments: &[&str]) -> Done {
    card.countersign(desk, YKCS11, arguments).go()
}

fn root_of(card: &PivCard) -> String {
    card.path("attestation-root.pem").to_str().unwrap().to_owned()
}

#[test]
fn a_card_proves_by_its_maker_s_root_that_it_made_the_key() {
    let (card, desk) =
        (PivCard::inserted(&["--blank", "--key", "9a=rsa2048:once:cached"]), Desk::without_device());
    let root = root_of(&card);
    let done = on_card(&card, &desk, &["attest", "--key", SLOT_9A, "--root", &root]).exits(0);
    for proven in
        ["serial number: 11223344", "firmware: 5.4.3", "PIN: once", "touch: cached", "CN=Virtual PIV Root CA"]
    {
        assert!(done.stdout().contains(proven), "{proven} is not in: {}", done.stdout());
    }
    let document =
        on_card(&card, &desk, &["attest", "--json", "--key", SLOT_9A, "--root", &root, "-o", "proof.pem"]);
    let proof = &document.exits(0).json()["attestation"];
    assert_eq!(proof["serial"], 11_223_344);
    assert_eq!(proof["firmware"], "5.4.3");
    assert_eq!(proof["pin_policy"], "once");
    assert_eq!(proof["touch_policy"], "cached");
    // The written files are what openssl needs to come to the same conclusion.
    let proof = text(&desk, "proof.pem");
    openssl(&["verify", "-CAfile", &root, "-untrusted", &proof, &proof]);
    let of_statement = openssl(&["x509", "-in", &proof, "-noout", "-pubkey"]);
    assert_eq!(of_statement, std::fs::read(card.public_key("9a")).unwrap());
}

#[test]
fn without_a_root_nothing_is_proven() {
    let (card, desk) = (PivCard::inserted(&["--blank", "--key", "9a=rsa2048"]), Desk::without_device());
    let done = on_card(&card, &desk, &["attest", "--key", SLOT_9A]).exits(0);
    assert!(done.stdout().contains("by a certificate that was not checked"), "{}", done.stdout());
    assert!(!done.stdout().contains("firmware"), "{}", done.stdout());
}

#[test]
fn another_maker_s_root_proves_nothing() {
    let (card, desk) = (PivCard::inserted(&["--blank", "--key", "9a=rsa2048"]), Desk::without_device());
    Maker::new(&desk);
    let done = on_card(&card, &desk, &["attest", "--key", SLOT_9A, "--root", "root.pem"]).exits(4);
    done.says("does not lead to a trusted root").says("Yubico PIV Attestation");
    let sign = ["sign", "--key", SLOT_9A, "--require-attested", "root.pem", "tokens.json"];
    desk.write("tokens.json", UNSIGNED);
    on_card(&card, &desk, &sign).exits(4);
    assert_eq!(desk.read("tokens.json"), UNSIGNED);
}

#[test]
fn a_signature_can_be_made_to_depend_on_the_proof() {
    let (card, desk) = (PivCard::inserted(&["--blank", "--key", "9a=rsa2048"]), Desk::without_device());
    let root = root_of(&card);
    desk.write("tokens.json", UNSIGNED);
    on_card(&card, &desk, &["sign", "--key", SLOT_9A, "--require-attested", &root, "tokens.json"]).exits(0);
    assert!(openssl_accepts(&desk, "tokens.json", &card.public_key("9a")));
}

#[test]
fn a_card_that_does_not_attest_signs_nothing_that_depends_on_it() {
    let options = ["--blank", "--key", "9a=rsa2048", "--without-attestation"];
    let (card, desk) = (PivCard::inserted(&options), Desk::without_device());
    Maker::new(&desk);
    let attest = on_card(&card, &desk, &["attest", "--key", SLOT_9A, "--root", "root.pem"]);
    pinned(
        "attest_none",
        &desk,
        "countersign attest --key 'pkcs11:id=%01;type=private' --root root.pem",
        &without_module(attest),
    );
    desk.write("tokens.json", UNSIGNED);
    let sign = ["sign", "--key", SLOT_9A, "--require-attested", "root.pem", "tokens.json"];
    on_card(&card, &desk, &sign).exits(4).says("the device returns no attestation for the key");
    assert_eq!(desk.read("tokens.json"), UNSIGNED);
    assert_eq!(card.count("87 079a", "9000"), 0, "nothing was signed");
}

#[test]
fn other_devices_make_claims_that_are_called_claims() {
    let desk = desk_with_key("rsa:2048");
    let attest = ["attest", "--key", KEY];
    pinned(
        "attest_claims",
        &desk,
        "countersign attest --key KEY",
        &desk.countersign(&attest).with_pin().go().exits(0),
    );
    let document = desk.countersign(&["attest", "--json", "--key", KEY]).with_pin().go().exits(0).json();
    assert_eq!(document["attestation"], serde_json::Value::Null);
    assert_eq!(document["claims"]["never_extractable"], true);
    let exportable = Desk::provisioned(&["--keys", "exportable"]);
    let claims =
        exportable.countersign(&["attest", "--key", "pkcs11:id=%05"]).with_pin().go().exits(0).stdout();
    assert!(claims.contains("cannot leave (not CKA_EXTRACTABLE): NO"), "{claims}");
}

#[test]
fn an_unreadable_root_is_reported_before_the_pin_is_requested() {
    let desk = desk_with_key("rsa:2048");
    desk.write("garbage", b"garbage");
    for (root, code) in [("nowhere.pem", 1), ("garbage", 7), ("officer.pub", 7)] {
        desk.countersign(&["attest", "--key", KEY, "--root", root]).go().exits(code).says(root);
        desk.write("tokens.json", UNSIGNED);
        desk.countersign(&["sign", "--key", KEY, "--require-attested", root, "tokens.json"])
            .go()
            .exits(code)
            .says(root);
        assert_eq!(desk.read("tokens.json"), UNSIGNED);
    }
}

/// Certificates as Yubico and a YubiKey make them, with keys in files: `root`, and below it `f9`.
struct Maker<'a>(&'a Desk);

const CA: &str = "basicConstraints = critical, CA:TRUE\nkeyUsage = critical, keyCertSign, cRLSign\n";

/// Firmware 5.4.3, serial number 7654321, PIN once, touch cached.
const STATEMENT: &str = "1.3.6.1.4.1.41482.3.3 = DER:050403\n1.3.6.1.4.1.41482.3.7 = DER:020374CBB1\n\
                         1.3.6.1.4.1.41482.3.8 = DER:0203\n";

impl<'a> Maker<'a> {
    fn new(desk: &'a Desk) -> Self {
        let maker = Maker(desk);
        maker.make_key("root");
        maker.issue("root", "Maker Root", "root.pub", "root", CA);
        maker.make_key("f9");
        maker.issue("f9", "Yubico PIV Attestation", "f9.pub", "root", CA);
        maker
    }

    fn make_key(&self, name: &str) {
        let (key, public) = (text(self.0, &format!("{name}.key")), text(self.0, &format!("{name}.pub")));
        openssl(&[
            "genpkey",
            "-quiet",
            "-algorithm",
            "RSA",
            "-pkeyopt",
            "rsa_keygen_bits:2048",
            "-out",
            &key,
        ]);
        openssl(&["pkey", "-in", &key, "-pubout", "-out", &public]);
    }

    /// NAME.pem, a certificate for a public key, issued with ISSUER's key, or self-signed if that is the same
    /// name.
    fn issue(&self, name: &str, subject: &str, public_key: &str, issuer: &str, extensions: &str) {
        let at = |name: &str| text(self.0, name);
        self.0.write("extensions", extensions.as_bytes());
        let key = at(&format!("{issuer}.key"));
        let certificate = at(&format!("{issuer}.pem"));
        let by: &[&str] = if Path::new(&certificate).exists() {
            &["-CA", &certificate, "-CAkey", &key]
        } else {
            &["-signkey", &key]
        };
        let (subject, public_key) = (format!("/CN={subject}"), at(public_key));
        let what =
            ["x509", "-new", "-force_pubkey", &public_key, "-subj", &subject, "-days", "30", "-sha256"];
        openssl(&[&what, by, &["-extfile", &at("extensions"), "-out", &at(&format!("{name}.pem"))]].concat());
    }

    /// Puts certificates beside the device's key, as if they had been on it from the start.
    fn put(&self, names: &[&str]) {
        for (number, name) in (0x20..).zip(names) {
            put_certificate(self.0, &format!("{name}.pem"), &format!("{number:x}"), name);
        }
    }

    fn attest(&self) -> Done {
        self.0.countersign(&["attest", "--key", KEY, "--root", "root.pem"]).with_pin().go()
    }
}

#[test]
fn a_chain_of_the_same_shape_is_proof() {
    let desk = desk_with_key("rsa:2048");
    let maker = Maker::new(&desk);
    maker.issue("statement", "YubiKey PIV Attestation 9a", "officer.pub", "f9", STATEMENT);
    maker.put(&["statement", "f9"]);
    pinned("attest_proof", &desk, "countersign attest --key KEY --root root.pem", &maker.attest().exits(0));
}

#[test]
fn facts_about_newer_devices_are_shown_and_unknown_ones_as_numbers() {
    const HEAD: &str = "1.3.6.1.4.1.41482.3.3 = DER:050704\n1.3.6.1.4.1.41482.3.7 = DER:020374CBB1\n";
    const FIPS: &str = "1.3.6.1.4.1.41482.3.10 = DER:07\n";
    for (policies, form, of_device, said, of_json) in [
        // A YubiKey Bio, a FIPS device by its form factor, and one by its own certificate.
        (
            "0401",
            "06",
            "",
            ["USB-A bio", "no", "match-once", "never"],
            json!(["USB-A bio", false, "match-once", "never"]),
        ),
        (
            "0502",
            "83",
            "",
            ["USB-C keychain", "yes", "match-always", "always"],
            json!(["USB-C keychain", true, "match-always", "always"]),
        ),
        (
            "0303",
            "02",
            FIPS,
            ["USB-A nano", "yes", "always", "cached"],
            json!(["USB-A nano", true, "always", "cached"]),
        ),
        (
            "0604",
            "08",
            "",
            ["number 8, which is not known here", "no", "number 6, ", "number 4, "],
            json!([8, false, 6, 4]),
        ),
        ("00", "00", "", ["number 0, ", "no", "number 0, ", "not stated"], json!([0, false, 0, null])),
    ] {
        let desk = desk_with_key("rsa:2048");
        let maker = Maker::new(&desk);
        std::fs::remove_file(desk.path("f9.pem")).unwrap();
        maker.issue("device", "Yubico PIV Attestation", "f9.pub", "root", &format!("{CA}{of_device}"));
        std::fs::rename(desk.path("device.pem"), desk.path("f9.pem")).unwrap();
        let extensions =
            format!("{HEAD}1.3.6.1.4.1.41482.3.8 = DER:{policies}\n1.3.6.1.4.1.41482.3.9 = DER:{form}\n");
        maker.issue("statement", "YubiKey PIV Attestation 9a", "officer.pub", "f9", &extensions);
        maker.put(&["statement", "f9"]);
        let done = maker.attest().exits(0);
        for (what, said) in ["form factor", "FIPS device", "PIN", "touch"].iter().zip(said) {
            let line = format!("attested:  {what}: {said}");
            assert!(done.stdout().contains(&line), "{line:?} is not in: {}", done.stdout());
        }
        let run = desk.countersign(&["attest", "--json", "--key", KEY, "--root", "root.pem"]).with_pin();
        let proof = run.go().exits(0).json()["attestation"].clone();
        let members = ["form_factor", "fips", "pin_policy", "touch_policy"].map(|name| proof[name].clone());
        assert_eq!(json!(members), of_json);
        assert_eq!(proof["serial"], 7_654_321);
    }
}

/// `attest` and `sign` both refuse each of them.
#[test]
fn what_only_looks_like_proof_is_refused() {
    let refused = |prepare: &dyn Fn(&Maker), says: &str| {
        let desk = desk_with_key("rsa:2048");
        let maker = Maker::new(&desk);
        prepare(&maker);
        let done = maker.attest();
        assert_eq!(done.code(), 4, "{says}: {}{}", done.stdout(), done.stderr());
        assert!(!done.stdout().contains("attested:  serial"), "{}", done.stdout());
        let done = done.says(says);
        desk.write("tokens.json", UNSIGNED);
        let sign = ["sign", "--key", KEY, "--require-attested", "root.pem", "tokens.json"];
        desk.countersign(&sign).with_pin().go().exits(4).says(says);
        assert_eq!(desk.read("tokens.json"), UNSIGNED);
        done
    };
    // It is about no key.
    refused(
        &|maker| {
            maker.make_key("self");
            maker.issue("statement", "YubiKey PIV Attestation 9a", "officer.pub", "self", STATEMENT);
            maker.put(&["statement", "f9"]);
        },
        "does not lead to a trusted root",
    );
    // Signed by somebody who has the maker's name but not its key.
    refused(
        &|maker| {
            maker.make_key("pretender");
            maker.issue("pretender", "Yubico PIV Attestation", "pretender.pub", "pretender", CA);
            maker.issue("statement", "YubiKey PIV Attestation 9a", "officer.pub", "pretender", STATEMENT);
            maker.put(&["statement", "f9", "pretender"]);
        },
        "does not lead to a trusted root",
    );
    // Correct, but for another key.
    refused(
        &|maker| {
            maker.make_key("other");
            maker.issue("statement", "YubiKey PIV Attestation 9a", "other.pub", "f9", STATEMENT);
            maker.put(&["statement", "f9"]);
        },
        "the attestation is for another key",
    );
    // A certificate below the root without the extensions that make it a statement.
    refused(
        &|maker| {
            maker.issue("plain", "officer", "officer.pub", "f9", "basicConstraints = CA:FALSE\n");
            maker.put(&["plain", "f9"]);
        },
        "the device returns no attestation for the key",
    );
    // The certificate in between is not on the device.
    refused(
        &|maker| {
            maker.issue("statement", "YubiKey PIV Attestation 9a", "officer.pub", "f9", STATEMENT);
            maker.put(&["statement"]);
        },
        "does not lead to a trusted root",
    );
}

/// The owner of a YubiKey has a key that it attests, and can sign anything with it, even a statement about a
/// key of theirs in a file. Everything in this chain is genuine except its end.
#[test]
fn a_statement_by_a_key_that_is_itself_attested_is_refused() {
    let desk = desk_with_key("rsa:2048");
    let maker = Maker::new(&desk);
    maker.make_key("attested");
    maker.issue("attested", "YubiKey PIV Attestation 9a", "attested.pub", "f9", STATEMENT);
    maker.issue("statement", "YubiKey PIV Attestation 9c", "officer.pub", "attested", STATEMENT);
    maker.put(&["statement", "attested", "f9"]);
    let done = maker.attest();
    assert_eq!(done.code(), 4, "accepted as proof: {}", done.stdout());
    desk.write("tokens.json", UNSIGNED);
    let sign = ["sign", "--key", KEY, "--require-attested", "root.pem", "tokens.json"];
    desk.countersign(&sign).with_pin().go().exits(4);
    assert_eq!(desk.read("tokens.json"), UNSIGNED);
}

/// The same with a certificate that one of the maker's CAs issued to somebody: it cannot attest keys.
#[test]
fn a_statement_by_a_certificate_that_is_not_a_ca_is_refused() {
    let desk = desk_with_key("rsa:2048");
    let maker = Maker::new(&desk);
    maker.make_key("website");
    maker.issue("website", "www.example.com", "website.pub", "root", "basicConstraints = CA:FALSE\n");
    maker.issue("statement", "YubiKey PIV Attestation 9a", "officer.pub", "website", STATEMENT);
    maker.put(&["statement", "website", "f9"]);
    let done = maker.attest();
    assert_eq!(done.code(), 4, "accepted as proof: {}", done.stdout());
}

#[test]
fn a_forged_statement_beside_the_right_one_hides_nothing() {
    let desk = desk_with_key("rsa:2048");
    let maker = Maker::new(&desk);
    maker.make_key("self");
    maker.issue("forged", "YubiKey PIV Attestation 9a", "officer.pub", "self", STATEMENT);
    maker.issue("statement", "YubiKey PIV Attestation 9a", "officer.pub", "f9", STATEMENT);
    // SoftHSM lists its objects in no particular order: with several forged ones, one nearly always comes
    // before the right one.
    maker.put(&["forged", "forged", "forged", "forged", "statement", "f9"]);
    maker.attest().exits(0);
}

#[test]
fn a_statement_is_not_an_identity() {
    let desk = desk_with_key("rsa:2048");
    let maker = Maker::new(&desk);
    maker.issue("statement", "YubiKey PIV Attestation 9a", "officer.pub", "f9", STATEMENT);
    put_certificate(&desk, "statement.pem", "01", "statement");
    desk.countersign(&["certificate", "--key", KEY]).with_pin().go().exits(4).says("has no certificate");
    // It does not hide an identity either.
    let self_signed = ["csr", "--key", KEY, "--subject", "CN=own", "--self-signed", "9", "-o", "own.pem"];
    desk.countersign(&self_signed).with_pin().go().exits(0);
    desk.countersign(&["import-certificate", "--key", KEY, "own.pem"]).with_pin().go().exits(0);
    assert_eq!(
        desk.countersign(&["certificate", "--key", KEY]).with_pin().go().stdout_bytes(),
        desk.read("own.pem")
    );
}

fn without_module(done: Done) -> Done {
    let path = crate::support::piv_card::module_path(YKCS11).display().to_string();
    done.map_stderr(|text| text.replace(&path, "MODULE"))
}
