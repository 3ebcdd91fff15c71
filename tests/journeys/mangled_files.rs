//! Token files mangled by editors, terminals, mail and other programs: the true cause is named, and the cure.

use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::support::desk::{Desk, SIGNKEY};
use crate::support::openssl::openssl;
use crate::support::run::Done;
use crate::support::token_files::UNSIGNED;

/// Signs a file that is not as CloudHSM CLI wrote it: it is refused, and left alone.
#[track_caller]
fn refused(bytes: &[u8]) -> Done {
    let desk = Desk::new();
    desk.write("tokens.json", bytes);
    let done = desk.countersign(&["sign", "--key", SIGNKEY, "tokens.json"]).with_pin().go().exits(7);
    assert_eq!(desk.read("tokens.json"), bytes, "the file was changed");
    done
}

fn changed(from: &str, to: &str) -> Vec<u8> {
    let text = std::str::from_utf8(UNSIGNED).unwrap();
    assert!(text.contains(from));
    text.replacen(from, to, 1).into_bytes()
}

#[test]
fn a_stray_brace_is_blamed_only_if_there_is_one() {
    let brace = "one \"{\" too many";
    refused(include_bytes!("../samples/aws-mfa-unsigned-invalid.json")).says(brace);
    for (from, to) in [
        ("\"version\"", "version"),
        ("\"version\"", "\u{201c}version\u{201d}"),
        ("\"version\"", "\u{a0}\"version\""),
        ("\"unsigned\": \"", "\"unsigned\": \"\n"),
    ] {
        let said = refused(&changed(from, to)).stderr();
        assert!(said.contains("it is not JSON") && !said.contains(brace), "{to:?}: {said}");
    }
}

/// Converted by `iconv`, with the byte-order mark that PowerShell writes, or without.
fn in_utf16(encoding: &str) -> Vec<u8> {
    let desk = Desk::without_device();
    let file = desk.write("tokens.json", UNSIGNED);
    let output = Command::new("iconv").args(["-f", "UTF-8", "-t", encoding]).arg(file).output().unwrap();
    assert!(output.status.success());
    output.stdout
}

#[test]
fn other_encodings_are_named_with_the_command_that_converts_them() {
    for (bytes, encoding, cure) in [
        (
            in_utf16("UTF-16"),
            "UTF-16 (little-endian)",
            "iconv -f UTF-16 -t UTF-8 \"tokens.json\" > utf8.json",
        ),
        (in_utf16("UTF-16LE"), "UTF-16 (little-endian)", "iconv"),
        ([b"\xfe\xff", &in_utf16("UTF-16BE")[..]].concat(), "UTF-16 (big-endian)", "iconv"),
        ([b"\xef\xbb\xbf", UNSIGNED].concat(), "byte-order mark (EF BB BF)", "tail -c +4"),
    ] {
        let done = refused(&bytes).says(encoding).says(cure).says("Set-Content -Encoding ascii");
        assert!(!done.stderr().contains("--detached"), "{}", done.stderr());
    }
}

#[test]
fn the_commands_that_are_advised_make_a_file_that_is_signed() {
    let desk = Desk::new();
    for (bytes, script) in [
        (in_utf16("UTF-16"), "iconv -f UTF-16 -t UTF-8 tokens.json > utf8.json"),
        ([b"\xef\xbb\xbf", UNSIGNED].concat(), "tail -c +4 tokens.json > utf8.json"),
    ] {
        desk.write("tokens.json", &bytes);
        let status = Command::new("sh").args(["-c", script]).current_dir(desk.folder()).status().unwrap();
        assert!(status.success());
        assert_eq!(desk.read("utf8.json"), UNSIGNED);
        desk.countersign(&["sign", "--key", SIGNKEY, "utf8.json"]).with_pin().go().exits(0);
    }
}

#[test]
fn a_token_file_is_signed_whole_only_with_force() {
    let curly = changed("\"version\"", "\u{201c}version\u{201d}");
    let cut_off = UNSIGNED[..150].to_vec();
    for bytes in [UNSIGNED.to_vec(), curly, cut_off, in_utf16("UTF-16"), in_utf16("UTF-16BE")] {
        let desk = Desk::new();
        desk.write("tokens.json", &bytes);
        let detached = ["sign", "--detached", "--key", SIGNKEY, "tokens.json"];
        let done = desk.countersign(&detached).with_pin().go().exits(7);
        done.says("looks like a CloudHSM token file");
        assert!(!desk.path("tokens.json.sig").exists());
        desk.countersign(&[&detached[..], &["--force"]].concat()).with_pin().go().exits(0);
        assert_eq!(desk.read("tokens.json.sig").len(), 256);
    }
    // No note is needed about any other file.
    let desk = Desk::new();
    desk.write("officer.token", b"{ any bytes");
    desk.countersign(&["sign", "--detached", "--key", SIGNKEY, "officer.token"]).with_pin().go().exits(0);
}

/// A desk with a key in a file, `key.pem`, whose public half is `key.pub`, and AWS's sample signed by `sign`.
fn signed_by_hand(sign: impl Fn(&Desk, &[u8]) -> String) -> Desk {
    let desk = Desk::without_device();
    let path = |name: &str| desk.path(name).display().to_string();
    openssl(&["genrsa", "-out", &path("key.pem"), "2048"]);
    openssl(&["rsa", "-in", &path("key.pem"), "-pubout", "-out", &path("key.pub")]);
    let mut document: serde_json::Value = serde_json::from_slice(UNSIGNED).unwrap();
    for token in document["tokens"].as_array_mut().unwrap() {
        let digest = STANDARD.decode(token["unsigned"].as_str().unwrap()).unwrap();
        token["signed"] = sign(&desk, &digest).into();
    }
    desk.write("tokens.json", document.to_string().as_bytes());
    desk
}

fn pkeyutl(desk: &Desk, digest: &[u8], options: &[&str]) -> Vec<u8> {
    let (key, digest) = (desk.path("key.pem"), desk.write("digest", digest));
    let words = ["pkeyutl", "-sign", "-inkey", key.to_str().unwrap(), "-in", digest.to_str().unwrap()];
    openssl(&[&words[..], options].concat())
}

#[test]
fn signatures_without_the_digest_s_name_are_recognized() {
    let desk = signed_by_hand(|desk, digest| STANDARD.encode(pkeyutl(desk, digest, &[])));
    let done = desk.countersign(&["verify", "--public-key", "key.pub", "tokens.json"]).go().exits(8);
    done.says("without -pkeyopt digest:sha256").says("openssl pkeyutl -sign -pkeyopt digest:sha256");
    // Correct signatures are accepted.
    let right = ["-pkeyopt", "digest:sha256"];
    let desk = signed_by_hand(|desk, digest| STANDARD.encode(pkeyutl(desk, digest, &right)));
    desk.countersign(&["verify", "--public-key", "key.pub", "tokens.json"]).go().exits(0);
}

#[test]
fn base64_in_several_lines_is_not_blamed_on_the_key() {
    let desk = signed_by_hand(|desk, digest| {
        desk.write("signature", &pkeyutl(desk, digest, &["-pkeyopt", "digest:sha256"]));
        let lines = openssl(&["base64", "-in", desk.path("signature").to_str().unwrap()]);
        String::from_utf8(lines).unwrap()
    });
    let done = desk.countersign(&["verify", "--public-key", "key.pub", "tokens.json"]).go().exits(8);
    let said = done.says("it contains white space").says("openssl base64 -A").stderr();
    assert!(!said.contains("check that this is the key"), "{said}");
}
