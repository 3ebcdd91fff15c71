//! A PIV card filled with Yubico's own tools, and then used.

use std::process::Command;

use crate::support::desk::{Desk, PIN};
use crate::support::openssl::{openssl, openssl_accepts};
use crate::support::piv_card::{BOTH, OPENSC, PivCard, sign};
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
    ykman(&card, &desk, &["access", "change-pin", "--pin", PIN, "--new-pin", "246810"]);
    ykman(&card, &desk, &["access", "change-puk", "--puk", "12345678", "--new-puk", "87654321"]);
    let management = ["--management-key", "010203040506070801020304050607080102030405060708"];
    let generate =
        ["keys", "generate", "--algorithm", "RSA2048", "--pin-policy", "ONCE", "--touch-policy", "CACHED"];
    ykman(&card, &desk, &[&generate[..], &management, &["9a", "pub.pem"]].concat());
    let certify = ["certificates", "generate", "--subject", "CN=officer", "--pin", "246810"];
    ykman(&card, &desk, &[&certify[..], &management, &["9a", "pub.pem"]].concat());
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
    ykman(&card, &desk, &["access", "unblock-pin", "--puk", "87654321", "--new-pin", PIN]);
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

fn piv_tool(card: &PivCard, desk: &Desk, arguments: &[&str]) {
    run("yubico-piv-tool", card, desk, arguments);
}

/// ykman looks for devices on USB, unless it is given a reader.
fn ykman(card: &PivCard, desk: &Desk, arguments: &[&str]) {
    run("ykman", card, desk, &[&["--reader", "CCID 00 00", "piv"], arguments].concat());
}

fn run(program: &str, card: &PivCard, desk: &Desk, arguments: &[&str]) {
    let (name, socket) = card.socket_variable();
    let mut command = Command::new(program);
    let output = command.args(arguments).env(name, socket).current_dir(desk.folder()).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}

fn text(desk: &Desk, name: &str) -> String {
    desk.path(name).to_str().unwrap().to_owned()
}
