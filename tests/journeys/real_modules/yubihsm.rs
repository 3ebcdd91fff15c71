//! A YubiHSM 2 in software, under Yubico's own module: nothing is seen before login, ids are numbers of objects, and the
//! PIN begins with the number of an authentication key.

use crate::support::desk::Desk;
use crate::support::openssl::{openssl_accepts, openssl_accepts_both_ways};
use crate::support::preparing::{text, uri};
use crate::support::token_files::{UNSIGNED, base64, json};
use crate::support::yubihsm::{DEVICE, YubiHsm};

const QUORUM: &[u8] = include_bytes!("../../samples/aws-quorum-user-unsigned.json");

/// Of a key that Yubico's tool made.
const KEY: &str = "pkcs11:token=YubiHSM;id=%01%02;type=private";

fn with_key() -> (YubiHsm, Desk) {
    (YubiHsm::new().with_key("0x0102", "signkey", "rsa2048", "sign-pkcs"), Desk::without_device())
}

#[test]
fn a_key_of_yubicos_tool_signs() {
    let (device, desk) = with_key();
    let run = |arguments: &[&str]| device.countersign(&desk, arguments).go().exits(0);
    let without_login = run(&["list"]).stdout();
    assert!(without_login.contains(DEVICE) && !without_login.contains("signkey"), "{without_login}");
    let listed = run(&["list", "--login"]).stdout();
    for text in [KEY, "RSA-2048, not exportable"] {
        assert!(listed.contains(text), "{text} is not in: {listed}");
    }
    run(&["public-key", "--key", KEY, "-o", "officer.pub"]);
    device.shell(&[
        "--action",
        "get-public-key",
        "--object-id",
        "0x0102",
        "--out",
        &text(&desk, "shell.pub"),
    ]);
    assert_eq!(desk.read("officer.pub"), desk.read("shell.pub"));
    desk.write("tokens.json", UNSIGNED);
    run(&["sign", "--key", KEY, "tokens.json"]);
    assert!(openssl_accepts(&desk, "tokens.json", "officer.pub"));
    run(&["doctor", "--sign", "--key", KEY]);
}

#[test]
fn bytes_are_hashed_for_the_device_and_an_approval_is_signed() {
    let (device, desk) = with_key();
    let run = |arguments: &[&str]| device.countersign(&desk, arguments).go().exits(0);
    run(&["public-key", "--key", KEY, "-o", "officer.pub"]);
    desk.write("officer.token", b"any bytes");
    let document = run(&["sign", "--detached", "--json", "--key", KEY, "officer.token"]).json();
    assert_eq!(document["mechanism"], "CKM_SHA256_RSA_PKCS");
    run(&["verify", "--detached", "--public-key", "officer.pub", "officer.token"]);
    desk.write("quorum.json", QUORUM);
    run(&["sign", "--key", KEY, "--username", "alice", "quorum.json"]);
    let document = json(&desk, "quorum.json");
    openssl_accepts_both_ways(
        &desk,
        &base64(&document["approval_data"]),
        &base64(&document["signatures"][0]["signature"]),
        "officer.pub",
    );
}

#[test]
fn a_key_is_made_that_signs_and_not_one_that_wraps() {
    let (device, desk) = (YubiHsm::new(), Desk::without_device());
    let run = |arguments: &[&str]| device.countersign(&desk, arguments).go().exits(0);
    for (kind, algorithm) in [("rsa:2048", "rsa2048"), ("ec:p256", "ecp256"), ("ec:p384", "ecp384")] {
        let keygen = ["keygen", "--device", DEVICE, "--label", algorithm, "--type", kind, "-o", "key.pub"];
        let key = uri(&run(&keygen));
        run(&["public-key", "--key", &key, "-o", "again.pub"]);
        assert_eq!(desk.read("again.pub"), desk.read("key.pub"), "{kind}");
        run(&["doctor", "--sign", "--key", &key]);
        let listed = device.shell(&["--action", "list-objects"]);
        assert!(listed.contains(&format!("type: asymmetric-key, algo: {algorithm}")), "{kind}: {listed}");
    }
    assert_eq!(device.count("5b", ""), 0, "the module was asked for a wrap key");
}
