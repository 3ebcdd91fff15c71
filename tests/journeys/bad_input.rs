//! Bad token files and PINs: each gets a clear message and its own exit code, and nothing is lost.

use std::fs;

use crate::support::desk::{Desk, SIGNKEY};
use crate::support::pinned::pinned;
use crate::support::token_files::UNSIGNED;

/// Signs a file with these contents: it must be refused with `code`, and stay unchanged.
#[track_caller]
fn refused(name: &str, contents: &[u8], code: i32) {
    let desk = Desk::without_device();
    desk.write("tokens.json", contents);
    let done = desk.countersign(&["sign", "--key", SIGNKEY, "tokens.json"]).with_pin().go();
    pinned(name, &desk, "countersign sign --key … tokens.json", &done);
    assert_eq!(done.code(), code);
    assert_eq!(desk.read("tokens.json"), contents);
}

fn sample_with(old: &str, new: &str) -> Vec<u8> {
    let text = String::from_utf8(UNSIGNED.to_vec()).unwrap();
    assert!(text.contains(old));
    text.replacen(old, new, 1).into_bytes()
}

#[test]
fn an_empty_file() {
    refused("bad_empty", b"", 7);
}

#[test]
fn a_text_that_is_not_json() {
    refused("bad_no_json", b"hello\n", 7);
}

#[test]
fn the_sample_of_aws_s_page_with_its_stray_brace() {
    refused("bad_stray_brace", include_bytes!("../samples/aws-mfa-unsigned-invalid.json"), 7);
}

#[test]
fn a_file_that_was_cut_off() {
    refused("bad_cut_off", &UNSIGNED[..UNSIGNED.len() / 2], 7);
}

#[test]
fn a_binary_file() {
    refused("bad_binary", b"\x7fELF\x02\x01\x01\x00\xff\xfe", 7);
}

#[test]
fn a_byte_order_mark() {
    refused("bad_byte_order_mark", &[b"\xef\xbb\xbf", UNSIGNED].concat(), 7);
}

#[test]
fn another_json_file() {
    refused("bad_other_json", br#"{"AccessKeyId": "x", "SecretAccessKey": "y"}"#, 7);
}

#[test]
fn a_wrong_version() {
    refused("bad_version", &sample_with("\"2.0\"", "\"1.0\""), 7);
}

#[test]
fn no_tokens() {
    refused("bad_no_tokens", br#"{"version":"2.0","tokens":[]}"#, 7);
}

#[test]
fn a_token_that_is_not_base64() {
    refused("bad_base64", &sample_with("Vtf/", "Vtf!"), 7);
}

#[test]
fn a_token_in_the_url_alphabet() {
    refused("bad_base64_url", &sample_with("Vtf/", "Vtf_"), 7);
}

#[test]
fn a_token_that_is_not_a_digest() {
    refused("bad_length", &sample_with("Vtf/9QOFY45v/E1osvpEMr59JsnP/hLDm4ItOO2vqL8=", "AAAA"), 7);
}

#[test]
fn a_member_that_occurs_twice() {
    refused("bad_duplicate", &sample_with("\"signed\": \"\"", "\"signed\": \"\", \"signed\": \"\""), 7);
}

#[test]
fn a_signature_that_is_not_base64() {
    refused("bad_signature", &sample_with("\"signed\": \"\"", "\"signed\": \"?\""), 7);
}

#[test]
fn a_file_of_two_formats() {
    refused("bad_two_formats", &sample_with("\"tokens\"", "\"token\": \"\", \"tokens\""), 7);
}

#[test]
fn a_file_of_100_megabytes() {
    let desk = Desk::without_device();
    let file = fs::File::create(desk.path("tokens.json")).unwrap();
    file.set_len(100 << 20).unwrap();
    let done = desk.countersign(&["sign", "tokens.json"]).go();
    pinned("bad_too_large", &desk, "countersign sign tokens.json", &done);
    assert_eq!(done.code(), 7);
    assert_eq!(fs::metadata(desk.path("tokens.json")).unwrap().len(), 100 << 20);
    // The size of input from a pipe is not known in advance.
    desk.countersign(&["show", "-"])
        .stdin(&vec![b' '; 17 << 20])
        .go()
        .exits(7)
        .says("\"stdin\" is too large");
}

#[test]
fn a_folder() {
    let desk = Desk::without_device();
    fs::create_dir(desk.path("tokens.json")).unwrap();
    let done = desk.countersign(&["sign", "tokens.json"]).go();
    pinned("bad_folder", &desk, "countersign sign tokens.json", &done);
    assert_eq!(done.code(), 1);
}

#[test]
fn a_file_that_is_not_there() {
    let desk = Desk::without_device();
    let done = desk.countersign(&["sign", "tokens.json"]).go();
    pinned("bad_not_there", &desk, "countersign sign tokens.json", &done);
    assert_eq!(done.code(), 1);
}

#[test]
fn stdin_together_with_files() {
    let desk = Desk::without_device();
    desk.write("tokens.json", UNSIGNED);
    desk.countersign(&["sign", "-", "tokens.json"]).stdin(UNSIGNED).go().exits(2);
    desk.countersign(&["sign", "-o", "out.json", "tokens.json", "tokens.json"]).go().exits(2);
    desk.countersign(&["sign", "--json", "-"]).stdin(UNSIGNED).go().exits(2);
    assert!(!desk.path("out.json").exists());
}

/// A file that others can read, as the pinned warning says, whatever this user's umask.
fn write_readable(desk: &Desk, name: &str, bytes: &[u8]) {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(desk.write(name, bytes), fs::Permissions::from_mode(0o644)).unwrap();
}

#[test]
fn a_wrong_pin_from_a_file_is_tried_once() {
    let desk = Desk::new();
    desk.write("tokens.json", UNSIGNED);
    write_readable(&desk, "wrong-pin", b"000000\n");
    let done = desk
        .countersign(&["sign", "--key", SIGNKEY, "--pin-source", "file:wrong-pin", "tokens.json"])
        .behind_faults(&desk, "")
        .go();
    pinned("pin_wrong", &desk, "countersign sign --key … --pin-source file:wrong-pin tokens.json", &done);
    assert_eq!(done.code(), 5);
    assert_eq!(desk.read("tokens.json"), UNSIGNED);
    assert_eq!(String::from_utf8(desk.read("calls")).unwrap().matches("C_Login").count(), 1);
}

#[test]
fn an_empty_pin_is_not_sent() {
    let desk = Desk::new();
    desk.write("tokens.json", UNSIGNED);
    write_readable(&desk, "empty-pin", b"\n");
    let done =
        desk.countersign(&["sign", "--key", SIGNKEY, "--pin-source", "file:empty-pin", "tokens.json"]).go();
    pinned("pin_empty", &desk, "countersign sign --key … --pin-source file:empty-pin tokens.json", &done);
    assert_eq!(done.code(), 5);
    // The device received none, so it reports no wrong PIN.
    let listed = desk.countersign(&["list", "--json"]).go().exits(0).json();
    assert_eq!(listed["modules"][0]["devices"][0]["pin"]["wrong_tried"], false);
}

#[test]
fn a_pin_source_that_is_not_there() {
    let desk = Desk::new();
    desk.write("tokens.json", UNSIGNED);
    let sign = |source: &str| {
        desk.countersign(&["sign", "--key", SIGNKEY, "--pin-source", source, "tokens.json"]).go()
    };
    pinned(
        "pin_no_file",
        &desk,
        "countersign sign --key … --pin-source file:nowhere tokens.json",
        &sign("file:nowhere").exits(5),
    );
    pinned(
        "pin_no_variable",
        &desk,
        "countersign sign --key … --pin-source env:NOWHERE tokens.json",
        &sign("env:NOWHERE").exits(5),
    );
    pinned(
        "pin_no_descriptor",
        &desk,
        "countersign sign --key … --pin-source fd:99 tokens.json",
        &sign("fd:99").exits(5),
    );
    pinned(
        "pin_no_source",
        &desk,
        "countersign sign --key … --pin-source 123456 tokens.json",
        &sign("123456").exits(2),
    );
    desk.write("two-lines", b"123456\n654321\n");
    sign("file:two-lines").exits(5).says("holds more than one line");
    assert_eq!(desk.read("tokens.json"), UNSIGNED);
}

#[test]
fn no_terminal_for_the_prompt() {
    let desk = Desk::new();
    desk.write("tokens.json", UNSIGNED);
    let done = desk.countersign(&["sign", "--key", SIGNKEY, "tokens.json"]).stdin(b"123456\n").go();
    pinned("pin_no_terminal", &desk, "countersign sign --key … tokens.json", &done);
    assert_eq!(done.code(), 5);
    assert_eq!(desk.read("tokens.json"), UNSIGNED);
}

#[test]
fn the_advice_about_a_missing_file_fits_its_use() {
    let desk = Desk::new();
    desk.write("tokens.json", UNSIGNED);
    let go = |arguments: &[&str]| desk.countersign(arguments).with_pin().go();
    let folder = "the folder it was started in";
    go(&["sign", "nothere"]).exits(1).says(folder);
    for arguments in [
        &["verify", "--public-key", "nothere", "tokens.json"][..],
        &["audit", "verify", "nothere"],
        &["serve", "--config", "nothere"],
        &["import-certificate", "--key", SIGNKEY, "nothere"],
    ] {
        let said = go(arguments).stderr();
        assert!(said.contains("nothere") && said.contains("help: "), "{arguments:?}: {said}");
        assert!(!said.contains("CloudHSM"), "{arguments:?}: {said}");
    }
}
