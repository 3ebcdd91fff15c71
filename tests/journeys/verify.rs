//! Checking signatures as the HSM would, and showing files.

use crate::support::desk::{Desk, SIGNKEY};
use crate::support::parts::root;
use crate::support::pinned::pinned;
use crate::support::token_files::{SIGNED, UNSIGNED};

const AWS_KEY: &str = "aws.pub.pem";

fn desk_with_sample() -> Desk {
    let desk = Desk::without_device();
    desk.write("signed.json", SIGNED);
    desk.write(AWS_KEY, &std::fs::read(root().join("tests/samples/aws-mfa-signer.pub.pem")).unwrap());
    desk
}

#[test]
fn the_published_signed_sample_verifies_without_any_device() {
    let desk = desk_with_sample();
    let done = desk
        .countersign(&["verify", "--public-key", AWS_KEY, "signed.json"])
        .without_env("COUNTERSIGN_MODULE")
        .go();
    pinned(
        "verify_published_sample",
        &desk,
        "countersign verify --public-key aws.pub.pem signed.json",
        &done,
    );
    assert_eq!(done.code(), 0);
}

#[test]
fn a_flipped_bit_is_found_and_its_token_named() {
    let desk = desk_with_sample();
    // One base64 character in the second signature.
    let damaged = String::from_utf8(SIGNED.to_vec()).unwrap().replace("HBImKnHm", "HBImKnHn");
    assert_ne!(damaged.as_bytes(), SIGNED);
    desk.write("signed.json", damaged.as_bytes());
    let done = desk.countersign(&["verify", "--public-key", AWS_KEY, "signed.json"]).go();
    pinned("verify_flipped_bit", &desk, "countersign verify --public-key aws.pub.pem signed.json", &done);
    assert_eq!(done.code(), 8);
}

#[test]
fn a_flipped_bit_in_what_was_signed_is_found_too() {
    let desk = desk_with_sample();
    let damaged = String::from_utf8(SIGNED.to_vec()).unwrap().replace("LMMFc34A", "LMMFc34B");
    assert_ne!(damaged.as_bytes(), SIGNED);
    desk.write("signed.json", damaged.as_bytes());
    desk.countersign(&["verify", "--public-key", AWS_KEY, "signed.json"]).go().exits(8).says("token 2 of 3");
}

#[test]
fn unsigned_tokens_do_not_verify() {
    let desk = desk_with_sample();
    desk.write("unsigned.json", UNSIGNED);
    let done = desk.countersign(&["verify", "--public-key", AWS_KEY, "unsigned.json"]).go();
    pinned("verify_unsigned", &desk, "countersign verify --public-key aws.pub.pem unsigned.json", &done);
    assert_eq!(done.code(), 8);
}

#[test]
fn a_key_on_a_device_verifies_without_a_pin() {
    let desk = Desk::new();
    desk.write("tokens.json", UNSIGNED);
    desk.countersign(&["sign", "--key", SIGNKEY, "tokens.json"]).with_pin().go().exits(0);
    desk.countersign(&["verify", "--key", SIGNKEY, "tokens.json"]).go().exits(0);
    desk.countersign(&["verify", "--key", "pkcs11:token=officer;id=%01;type=cert", "tokens.json"])
        .go()
        .exits(0);
    let document =
        desk.countersign(&["verify", "--json", "--key", SIGNKEY, "tokens.json"]).go().exits(0).json();
    assert_eq!(document["verified"], true);
    assert_eq!(document["files"][0]["tokens"].as_array().unwrap().len(), 3);
}

#[test]
fn a_file_that_is_not_a_public_key_is_refused() {
    let desk = desk_with_sample();
    openssl_key(&desk, "private.pem");
    for (name, bytes) in
        [("empty.pem", &b""[..]), ("text.pem", b"hello"), ("private.pem", &desk.read("private.pem"))]
    {
        desk.write(name, bytes);
        desk.countersign(&["verify", "--public-key", name, "signed.json"]).go().exits(7);
    }
    let done = desk.countersign(&["verify", "--public-key", "private.pem", "signed.json"]).go();
    pinned(
        "verify_private_key_given",
        &desk,
        "countersign verify --public-key private.pem signed.json",
        &done,
    );
}

fn openssl_key(desk: &Desk, name: &str) {
    crate::support::openssl::openssl(&[
        "genpkey",
        "-algorithm",
        "RSA",
        "-pkeyopt",
        "rsa_keygen_bits:2048",
        "-out",
        desk.path(name).to_str().unwrap(),
    ]);
}

#[test]
fn show_says_what_a_file_holds() {
    let desk = desk_with_sample();
    desk.write("unsigned.json", UNSIGNED);
    let done = desk.countersign(&["show", "unsigned.json", "signed.json"]).go();
    pinned("show", &desk, "countersign show unsigned.json signed.json", &done);
    let document = desk.countersign(&["show", "--json", "-"]).stdin(SIGNED).go().exits(0).json();
    assert_eq!(document["files"][0]["signed"], 3);
    assert_eq!(document["files"][0]["format"], "mfa");
}
