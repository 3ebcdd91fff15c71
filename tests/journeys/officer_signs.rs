//! An officer signs the MFA file that CloudHSM CLI wrote, and openssl judges.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

use crate::support::desk::{Desk, PIN, SIGNKEY};
use crate::support::openssl::{openssl, openssl_accepts};
use crate::support::token_files::{UNSIGNED, token_pairs, unsigned_file};

#[test]
fn the_published_sample_is_signed_in_place_and_openssl_accepts_every_signature() {
    let desk = Desk::new();
    desk.write("unsigned-tokens.json", UNSIGNED);
    desk.countersign(&["sign", "--key", SIGNKEY, "unsigned-tokens.json"])
        .with_pin()
        .go()
        .exits(0)
        .says("3 signed and verified with the device's public key. unsigned-tokens.json is ready: press Enter in CloudHSM CLI.");
    assert!(openssl_accepts(&desk, "unsigned-tokens.json", "device/signkey.pub.pem"));
    // Nothing but the signatures changed.
    let mut text = String::from_utf8(desk.read("unsigned-tokens.json")).unwrap();
    let document: serde_json::Value = serde_json::from_str(&text).unwrap();
    for token in document["tokens"].as_array().unwrap() {
        text = text.replace(token["signed"].as_str().unwrap(), "");
    }
    assert_eq!(text.as_bytes(), UNSIGNED);
}

#[test]
fn signatures_are_byte_for_byte_those_of_openssl_pkeyutl() {
    let desk = Desk::without_device();
    let key = desk.path("key.pem");
    openssl(&["genrsa", "-out", key.to_str().unwrap(), "2048"]);
    let options = ["--keys", "none", "--import", key.to_str().unwrap(), "--import-label", "imported"];
    let device = Desk::provisioned(&options);
    for count in [1, 3, 28] {
        device.write("tokens.json", &unsigned_file(count));
        device
            .countersign(&["sign", "--key", "pkcs11:object=imported", "tokens.json"])
            .with_pin()
            .go()
            .exits(0);
        let pairs = token_pairs(&device.read("tokens.json"));
        assert_eq!(pairs.len(), count);
        for (token, signature) in pairs {
            let token = desk.write("token", &token);
            let by_openssl = openssl(&[
                "pkeyutl",
                "-sign",
                "-inkey",
                key.to_str().unwrap(),
                "-pkeyopt",
                "digest:sha256",
                "-in",
                token.to_str().unwrap(),
            ]);
            assert_eq!(signature, by_openssl, "{count} tokens");
        }
    }
}

#[test]
fn a_second_run_changes_nothing_says_so_and_needs_no_pin() {
    let desk = Desk::new();
    desk.write("tokens.json", UNSIGNED);
    desk.countersign(&["sign", "--key", SIGNKEY, "tokens.json"]).with_pin().go().exits(0);
    let (bytes, before) = (desk.read("tokens.json"), fs::metadata(desk.path("tokens.json")).unwrap());
    desk.countersign(&["sign", "--key", SIGNKEY, "tokens.json"]).go().exits(0).says(
        "tokens.json: all 3 tokens are signed already, and verified under this key. Nothing was changed.",
    );
    let after = fs::metadata(desk.path("tokens.json")).unwrap();
    assert_eq!(desk.read("tokens.json"), bytes);
    assert_eq!((before.ino(), before.mtime_nsec()), (after.ino(), after.mtime_nsec()));
}

#[test]
fn a_half_signed_file_is_completed_and_its_signatures_stay() {
    let desk = Desk::new();
    desk.write("tokens.json", UNSIGNED);
    desk.countersign(&["sign", "--key", SIGNKEY, "tokens.json"]).with_pin().go().exits(0);
    let all = desk.read("tokens.json");
    let second = token_pairs(&all)[1].1.clone();
    let second = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, second);
    desk.write("tokens.json", String::from_utf8(all.clone()).unwrap().replace(&second, "").as_bytes());
    desk.countersign(&["sign", "--key", SIGNKEY, "tokens.json"])
        .with_pin()
        .go()
        .exits(0)
        .says("tokens.json: CloudHSM MFA tokens, 1 to sign, 2 signed already");
    assert_eq!(desk.read("tokens.json"), all);
}

#[test]
fn members_that_are_not_known_stay_and_so_do_order_and_line_ends() {
    let desk = Desk::new();
    let text = "{\r\n \"hint\": {\"b\":1,\"a\":[1e999]},\r\n \"tokens\": [{\"signed\":\"\",\"hsm\":\"é\\u0001\",\
                \"unsigned\":\"Vtf/9QOFY45v/E1osvpEMr59JsnP/hLDm4ItOO2vqL8=\"}],\r\n \"version\":\"2.0\"}";
    desk.write("tokens.json", text.as_bytes());
    desk.countersign(&["sign", "--key", SIGNKEY, "tokens.json"]).with_pin().go().exits(0);
    let signed = String::from_utf8(desk.read("tokens.json")).unwrap();
    let (before, after) = text.split_once("\"signed\":\"").unwrap();
    assert!(signed.starts_with(before) && signed.ends_with(after), "{signed}");
    assert_eq!(signed.len(), text.len() + 344);
}

#[test]
fn a_symbolic_link_stays_one_and_the_mode_is_kept() {
    let desk = Desk::new();
    fs::create_dir(desk.path("elsewhere")).unwrap();
    desk.write("elsewhere/real.json", UNSIGNED);
    fs::set_permissions(desk.path("elsewhere/real.json"), fs::Permissions::from_mode(0o640)).unwrap();
    symlink("elsewhere/real.json", desk.path("link.json")).unwrap();
    desk.countersign(&["sign", "--key", SIGNKEY, "link.json"]).with_pin().go().exits(0);
    assert!(fs::symlink_metadata(desk.path("link.json")).unwrap().is_symlink());
    assert_eq!(fs::metadata(desk.path("elsewhere/real.json")).unwrap().mode() & 0o7777, 0o640);
    assert!(openssl_accepts(&desk, "elsewhere/real.json", "device/signkey.pub.pem"));
    let left: Vec<_> = fs::read_dir(desk.path("elsewhere")).unwrap().collect();
    assert_eq!(left.len(), 1, "no temporary file is left: {left:?}");
}

#[test]
fn several_files_are_signed_with_one_login() {
    let desk = Desk::new();
    for name in ["one.json", "two.json", "three.json"] {
        desk.write(name, UNSIGNED);
    }
    desk.countersign(&["sign", "--key", SIGNKEY, "one.json", "two.json", "three.json"])
        .with_pin()
        .behind_faults(&desk, "")
        .go()
        .exits(0);
    let calls = String::from_utf8(desk.read("calls")).unwrap();
    let count = |call: &str| calls.lines().filter(|line| *line == call).count();
    assert_eq!((count("C_Login"), count("C_SignInit"), count("C_Sign")), (1, 9, 9));
    for name in ["one.json", "two.json", "three.json"] {
        assert!(openssl_accepts(&desk, name, "device/signkey.pub.pem"));
    }
}

#[test]
fn one_bad_file_among_several_leaves_all_unchanged() {
    let desk = Desk::new();
    desk.write("good.json", UNSIGNED);
    desk.write("bad.json", b"{}");
    desk.countersign(&["sign", "--key", SIGNKEY, "good.json", "bad.json"]).with_pin().go().exits(7);
    assert_eq!(desk.read("good.json"), UNSIGNED);
}

#[test]
fn output_goes_elsewhere_and_the_input_stays() {
    let desk = Desk::new();
    desk.write("tokens.json", UNSIGNED);
    desk.countersign(&["sign", "--key", SIGNKEY, "-o", "signed.json", "tokens.json"])
        .with_pin()
        .go()
        .exits(0);
    assert_eq!(desk.read("tokens.json"), UNSIGNED);
    assert!(openssl_accepts(&desk, "signed.json", "device/signkey.pub.pem"));
    // Again, onto the existing file.
    desk.countersign(&["sign", "--key", SIGNKEY, "-o", "signed.json", "tokens.json"])
        .with_pin()
        .go()
        .exits(0);
}

#[test]
fn a_pipe_is_signed_from_stdin_to_stdout() {
    let desk = Desk::new();
    let done = desk.countersign(&["sign", "--key", SIGNKEY, "-"]).with_pin().stdin(UNSIGNED).go().exits(0);
    desk.write("signed.json", done.stdout_bytes());
    assert!(openssl_accepts(&desk, "signed.json", "device/signkey.pub.pem"));
    // A file that is signed already passes through unchanged.
    let again =
        desk.countersign(&["sign", "--key", SIGNKEY, "-"]).stdin(&desk.read("signed.json")).go().exits(0);
    assert_eq!(again.stdout_bytes(), desk.read("signed.json"));
    let to_stdout =
        desk.countersign(&["sign", "--key", SIGNKEY, "-q", "-o", "-", "signed.json"]).go().exits(0);
    assert_eq!(to_stdout.stdout_bytes(), desk.read("signed.json"));
    assert_eq!(to_stdout.stderr(), "");
}

#[test]
fn a_dry_run_neither_logs_in_nor_signs() {
    let desk = Desk::new();
    desk.write("tokens.json", UNSIGNED);
    desk.countersign(&["sign", "--dry-run", "--key", SIGNKEY, "tokens.json"])
        .behind_faults(&desk, "")
        .go()
        .exits(0)
        .says("Nothing was signed or changed (--dry-run).");
    let calls = String::from_utf8(desk.read("calls")).unwrap();
    assert!(!calls.contains("C_Login") && !calls.contains("C_Sign"), "{calls}");
    assert_eq!(desk.read("tokens.json"), UNSIGNED);
}

#[test]
fn a_key_that_asks_for_its_pin_each_time_signs_every_token() {
    let desk = Desk::with_all_keys();
    desk.write("tokens.json", UNSIGNED);
    desk.countersign(&["sign", "--key", "pkcs11:object=alwayskey", "tokens.json"]).with_pin().go().exits(0);
    desk.countersign(&["public-key", "--key", "pkcs11:object=alwayskey", "-o", "always.pub"]).go().exits(0);
    assert!(openssl_accepts(&desk, "tokens.json", "always.pub"));
    // The same for messages: bytes that CKM_SHA256_RSA_PKCS hashes on the device.
    let sha256 = [
        "sign",
        "--force",
        "--mechanism",
        "sha256-rsa-pkcs",
        "--key",
        "pkcs11:object=alwayskey",
        "tokens.json",
    ];
    desk.countersign(&sha256).with_pin().go().exits(0);
    assert!(!openssl_accepts(&desk, "tokens.json", "always.pub"));
}

#[test]
fn the_other_mechanism_is_used_on_request_with_a_warning() {
    let desk = Desk::new();
    desk.write("tokens.json", UNSIGNED);
    let sign = ["sign", "--mechanism", "sha256-rsa-pkcs", "--key", SIGNKEY, "tokens.json"];
    desk.countersign(&sign).with_pin().go().exits(0).says("these signatures are hashed twice");
    // openssl dgst hashes the token, as the device did.
    for (token, signature) in token_pairs(&desk.read("tokens.json")) {
        let (token, signature) = (desk.write("token", &token), desk.write("signature", &signature));
        let key = desk.path("device/signkey.pub.pem");
        let paths = [&key, &signature, &token].map(|path| path.to_str().unwrap().to_owned());
        openssl(&["dgst", "-sha256", "-verify", &paths[0], "-signature", &paths[1], &paths[2]]);
    }
    let verify = ["verify", "--public-key", "device/signkey.pub.pem", "tokens.json"];
    desk.countersign(&verify).go().exits(8).says("the token was hashed again before it was signed");
    let as_such = [&verify[..], &["--mechanism", "sha256-rsa-pkcs"]].concat();
    desk.countersign(&as_such).go().exits(0);
}

#[test]
fn signatures_of_another_key_are_kept_unless_forced() {
    let desk = Desk::provisioned(&["--keys", "signkey,alwayskey"]);
    desk.write("tokens.json", UNSIGNED);
    desk.countersign(&["sign", "--key", "pkcs11:object=alwayskey", "tokens.json"]).with_pin().go().exits(0);
    let by_other = desk.read("tokens.json");
    desk.countersign(&["sign", "--key", SIGNKEY, "tokens.json"])
        .with_pin()
        .go()
        .exits(8)
        .says("token 1 is signed already, but not by this key")
        .says("tokens.json was not changed.");
    assert_eq!(desk.read("tokens.json"), by_other);
    desk.countersign(&["sign", "--force", "--key", SIGNKEY, "tokens.json"]).with_pin().go().exits(0);
    assert!(openssl_accepts(&desk, "tokens.json", "device/signkey.pub.pem"));
}

#[test]
fn each_pin_source_opens_the_device() {
    let desk = Desk::new();
    let sign = |source: &str| {
        desk.write("tokens.json", UNSIGNED);
        desk.countersign(&["sign", "--key", SIGNKEY, "--pin-source", source, "tokens.json"])
    };
    sign("file:device/pin").go().exits(0);
    sign("env:OFFICER_PIN").env("OFFICER_PIN", PIN).go().exits(0);
    desk.write("tokens.json", UNSIGNED);
    desk.countersign_under(
        &["sh", "-c", "exec \"$@\" 7<device/pin", "sh"],
        &["sign", "--key", SIGNKEY, "--pin-source", "fd:7", "tokens.json"],
    )
    .go()
    .exits(0);

    for uri in [
        format!("{SIGNKEY}?pin-source=file:{}", desk.path("device/pin").display()),
        format!("{SIGNKEY}?pin-value={PIN}"),
    ] {
        desk.write("tokens.json", UNSIGNED);
        let done = desk.countersign(&["sign", "--key", &uri, "tokens.json"]).go().exits(0);
        assert_eq!(done.stderr().contains("warning: the PIN is in the key URI"), uri.contains("pin-value"));
    }
}

#[test]
fn json_says_what_was_signed_and_how() {
    let desk = Desk::new();
    desk.write("tokens.json", UNSIGNED);
    let document = desk
        .countersign(&["sign", "--json", "--key", SIGNKEY, "tokens.json"])
        .with_pin()
        .go()
        .exits(0)
        .json();
    assert_eq!(document["files"][0]["file"], "tokens.json");
    assert_eq!(document["files"][0]["format"], "mfa");
    assert_eq!(document["files"][0]["signed"], 3);
    assert_eq!(document["files"][0]["written"], "tokens.json");
    assert_eq!(document["device"]["label"], "officer");
    assert_eq!(document["key"]["kind"], "RSA-2048");
    assert_eq!(document["key"]["exportable"], false);
    assert_eq!(document["mechanism"], "CKM_RSA_PKCS");
    let error = desk
        .countersign(&["sign", "--json", "--key", "pkcs11:token=none", "tokens.json"])
        .go()
        .exits(3)
        .json();
    assert_eq!(error["error"]["exit"], 3);
}
