//! A PIV card filled with Yubico's own tools, and then used.

use crate::support::desk::{Desk, PIN};
use crate::support::openssl::{openssl, openssl_accepts};
use crate::support::piv_card::{BOTH, MANAGEMENT_KEY, OPENSC, PivCard, YKCS11, sign};
use crate::support::token_files::UNSIGNED;

#[test]
fn a_key_made_by_yubico_s_tool_signs_after_it_has_a_certificate() {
    let (card, desk) = (PivCard::inserted(&["--blank"]), Desk::without_device());
    piv_tool(&card, &desk, &["--action=generate", "--slot=9a", "--algorithm=RSA2048", "--output=pub.pem"]);
    openssl(&["genrsa", "-out", &text(&desk, "issuer.pem"), "2048"]);
    let (public_key, issuer) = (text(&desk, "pub.pem"), text(&desk, "issuer.pem"));
    let names = ["-subj", "/CN=made", "-out", &text(&desk, "certificate.pem")];
    openssl(&[&["x509", "-new", "-force_pubkey", &public_key, "-signkey", &issuer], &names[..]].concat());
    piv_tool(&card, &desk, &["--action=import-certificate", "--slot=9a", "--input=certificate.pem"]);
    for module in BOTH {
        sign(&card, &desk, module, &["sign", "tokens.json"]).exits(0);
        assert!(openssl_accepts(&desk, "tokens.json", "pub.pem"));
    }
}

#[test]
fn a_key_made_by_ykman_signs_with_the_new_pin() {
    let (card, desk) = (PivCard::inserted(&["--blank"]), Desk::without_device());
    // The lines of docs/yubikey.md, with the answers to their questions.
    card.ykman(&desk, &["access", "change-pin", "--pin", PIN, "--new-pin", "246810"]);
    card.ykman(&desk, &["access", "change-puk", "--puk", "12345678", "--new-puk", "87654321"]);
    let management = ["--management-key", MANAGEMENT_KEY];
    let generate =
        ["keys", "generate", "--algorithm", "RSA2048", "--pin-policy", "ONCE", "--touch-policy", "CACHED"];
    card.ykman(&desk, &[&generate[..], &management, &["9a", "pub.pem"]].concat());
    let certify = ["certificates", "generate", "--subject", "CN=officer", "--pin", "246810"];
    card.ykman(&desk, &[&certify[..], &management, &["9a", "pub.pem"]].concat());
    for module in BOTH {
        let pin = card.pin_source("246810");
        let go = |arguments: &[&str]| {
            card.countersign(&desk, module, arguments).env("COUNTERSIGN_PIN_SOURCE", &pin).go().exits(0)
        };
        go(&["public-key", "-o", "officer.pub"]);
        assert_eq!(desk.read("officer.pub"), desk.read("pub.pem"));
        desk.write("tokens.json", UNSIGNED);
        go(&["sign", "tokens.json"]);
        assert!(openssl_accepts(&desk, "tokens.json", "pub.pem"));
    }
    card.ykman(&desk, &["access", "unblock-pin", "--puk", "87654321", "--new-pin", PIN]);
    sign(&card, &desk, OPENSC, &["sign", "tokens.json"]).exits(0);
}

#[test]
fn the_card_attests_that_it_made_a_key() {
    let (card, desk) = (PivCard::inserted(&["--blank", "--serial", "7654321"]), Desk::without_device());
    let generate = ["--action=generate", "--slot=9a", "--output=pub.pem"];
    let policies = ["--pin-policy=once", "--touch-policy=cached"];
    piv_tool(&card, &desk, &[&generate[..], &policies].concat());
    piv_tool(&card, &desk, &["--action=attest", "--slot=9a", "--output=attestation.pem"]);
    piv_tool(&card, &desk, &["--action=read-certificate", "--slot=f9", "--output=attester.pem"]);
    let [attestation, attester] = ["attestation.pem", "attester.pem"].map(|name| text(&desk, name));
    let root = card.path("attestation-root.pem").to_str().unwrap().to_owned();
    openssl(&["verify", "-CAfile", &root, "-untrusted", &attester, &attestation]);
    assert_eq!(openssl(&["x509", "-in", &attestation, "-noout", "-pubkey"]), desk.read("pub.pem"));
    // Yubico's extensions: the serial number as an INTEGER; PIN once (2), touch cached (3).
    let parsed = String::from_utf8(openssl(&["asn1parse", "-in", &attestation])).unwrap();
    let extension = |oid: &str| parsed.lines().skip_while(|line| !line.ends_with(oid)).nth(1).unwrap();
    assert!(extension(":1.3.6.1.4.1.41482.3.7").ends_with("[HEX DUMP]:020374CBB1"), "{parsed}");
    assert!(extension(":1.3.6.1.4.1.41482.3.8").ends_with("[HEX DUMP]:0203"), "{parsed}");
}

#[test]
fn a_certificate_of_another_key_in_the_slot_is_overwritten_only_where_that_is_asked_for() {
    let (card, desk) =
        (PivCard::inserted(&["--blank", "--name", "old", "--key", "9a=rsa2048"]), Desk::without_device());
    // A new key in the slot leaves the old one's certificate there.
    card.ykman(&desk, &["keys", "generate", "--management-key", MANAGEMENT_KEY, "9a", "pub.pem"]);
    let run = |arguments: &[&str]| card.countersign(&desk, YKCS11, arguments).go();
    let key = "pkcs11:id=%01;type=private";
    run(&["csr", "--key", key, "--subject", "CN=new", "--self-signed", "9", "-o", "new.pem"]).exits(0);
    let management_key = card.pin_source(MANAGEMENT_KEY);
    let import = ["import-certificate", "--key", key, "--so-pin-source", &management_key, "new.pem"];
    let there = || run(&["list"]).exits(0).stdout();
    run(&import)
        .exits(4)
        .says("another key's certificate is in the place of this key's on YubiKey")
        .says("id=%01;type=cert  CN=old, until")
        .says("--replace overwrites");
    assert!(there().contains("CN=old") && !there().contains("CN=new"), "{}", there());
    run(&[&import[..], &["--replace", "--with-chain"]].concat()).exits(4).says("none of CAs (--with-chain)");
    assert!(there().contains("CN=old") && !there().contains("CN=new"), "{}", there());
    let done = run(&[&import[..], &["--replace"]].concat()).exits(0);
    let done = done.says("Took the place of CN=old, a certificate of another key.");
    assert!(done.stdout().contains("id=%01;type=cert"));
    assert!(there().contains("CN=new") && !there().contains("CN=old"), "{}", there());
    for module in BOTH {
        sign(&card, &desk, module, &["sign", "--key", "pkcs11:id=%01", "tokens.json"]).exits(0);
        assert!(openssl_accepts(&desk, "tokens.json", "pub.pem"));
    }
}

#[test]
fn a_card_whose_pin_and_puk_are_locked_is_of_use_again_after_a_reset_and_with_a_new_key() {
    let (card, desk) = (PivCard::inserted(&["--blank", "--key", "9a=rsa2048"]), Desk::without_device());
    for counter in ["pin-tries", "puk-tries"] {
        std::fs::write(card.path(counter), "0").unwrap();
    }
    for module in BOTH {
        sign(&card, &desk, module, &["sign", "tokens.json"])
            .exits(5)
            .says("is locked (CKR_PIN_LOCKED)")
            .says("ykman piv reset");
        let doctor = card.countersign(&desk, module, &["doctor"]).go().exits(5).stdout();
        let first = doctor.lines().find(|line| line.starts_with("FAULT")).unwrap();
        assert!(first.contains("device") && first.ends_with("the PIN is locked"), "{module}: {doctor}");
        assert!(doctor.contains("unblock it with the PUK") && doctor.contains("ykman piv reset"), "{doctor}");
    }
    let unblock = ["access", "unblock-pin", "--puk", "12345678", "--new-pin", PIN];
    assert!(!card.ykman_ends(&desk, &unblock).status.success());
    card.ykman(&desk, &["reset", "--force"]);
    // As it was delivered: without keys, and with the factory's PIN and management key.
    let (pin, management_key) = (card.pin_source("123456"), card.pin_source(MANAGEMENT_KEY));
    let run = |arguments: &[&str]| {
        card.countersign(&desk, YKCS11, arguments).env("COUNTERSIGN_PIN_SOURCE", &pin).go().exits(0)
    };
    run(&["keygen", "--slot", "9a", "--so-pin-source", &management_key, "-o", "new.pub"]);
    desk.write("tokens.json", UNSIGNED);
    run(&["sign", "--key", "pkcs11:id=%01", "tokens.json"]);
    assert!(openssl_accepts(&desk, "tokens.json", "new.pub"));
}

fn piv_tool(card: &PivCard, desk: &Desk, arguments: &[&str]) {
    card.tool(desk, "yubico-piv-tool", arguments);
}

fn text(desk: &Desk, name: &str) -> String {
    desk.path(name).to_str().unwrap().to_owned()
}
