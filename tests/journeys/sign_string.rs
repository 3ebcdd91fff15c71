//! `countersign sign-string`: a signature of the text that AWS's helper signs, in the helper's forms; openssl
//! judges.

use sha2::{Digest as _, Sha256};

use crate::support::authority::{Authority, Leaf, text};
use crate::support::desk::{Desk, SIGNKEY};
use crate::support::faults::{calls, with_faults};
use crate::support::openssl::openssl;

/// The text, composed by openssl from the definition in the helper's documentation.
fn signed_text(desk: &Desk, public_key: &str) -> Vec<u8> {
    let der = openssl(&["pkey", "-pubin", "-in", text(&desk.path(public_key)), "-outform", "DER"]);
    let is_ec = der.len() < 200;
    let key = if is_ec {
        // For P-256 and P-384, the point is at the end of the SubjectPublicKeyInfo.
        der[der.len() - if der.len() < 100 { 65 } else { 97 }..].to_vec()
    } else {
        openssl(&[
            "rsa",
            "-pubin",
            "-in",
            text(&desk.path(public_key)),
            "-RSAPublicKey_out",
            "-outform",
            "DER",
        ])
    };
    let digest = Sha256::digest([b"IAM RA".as_slice(), &key].concat());
    [b"AWS Roles Anywhere Credential Helper Signing Test1".as_slice(), digest.as_slice()].concat()
}

#[track_caller]
fn openssl_verifies(desk: &Desk, public_key: &str, digest: &str, signature: &[u8]) {
    let message = desk.write("message", &signed_text(desk, public_key));
    let signature = desk.write("signature", signature);
    openssl(&[
        "dgst",
        &format!("-{}", digest.to_ascii_lowercase()),
        "-verify",
        text(&desk.path(public_key)),
        "-signature",
        text(&signature),
        text(&message),
    ]);
}

fn unhex(text: &str) -> Vec<u8> {
    let digit = |at: usize| u8::from_str_radix(&text[at..at + 2], 16).expect("lower-case hexadecimal");
    assert_eq!(text, text.to_ascii_lowercase());
    (0..text.len()).step_by(2).map(digit).collect()
}

#[test]
fn each_key_and_digest_signs_the_helper_s_text() {
    let desk = Desk::with_all_keys();
    desk.countersign(&["keygen", "--label", "p384", "--id", "20", "--type", "ec:p384"])
        .with_pin()
        .go()
        .exits(0);
    for id in ["01", "02", "03", "04", "20"] {
        let key = format!("pkcs11:token=officer;id=%{id}");
        desk.countersign(&["public-key", "--key", &key, "-o", "key.pub"]).with_pin().go().exits(0);
        for digest in ["SHA256", "SHA384", "SHA512"] {
            let arguments = ["sign-string", "--private-key", &key, "--digest", digest, "--format", "text"];
            let done = desk.countersign(&arguments).with_pin().go().exits(0);
            openssl_verifies(&desk, "key.pub", digest, &unhex(&done.stdout()));
        }
    }
}

#[test]
fn it_is_printed_in_the_helper_s_three_forms_without_a_line_end() {
    let desk = Desk::new();
    let print = |options: &[&str]| {
        let arguments = [&["sign-string", "--private-key", SIGNKEY, "--reuse-pin"], options].concat();
        desk.countersign(&arguments).with_pin().go().exits(0).says("verified under the public key")
    };
    let bytes = print(&["--format", "bin"]).stdout_bytes().to_vec();
    assert_eq!(bytes.len(), 256);
    openssl_verifies(&desk, "device/signkey.pub.pem", "SHA256", &bytes);
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(print(&["--format", "text"]).stdout(), hex);
    assert_eq!(print(&["--format", "json"]).stdout(), format!("\"{hex}\""));
    assert_eq!(print(&[]).stdout(), format!("\"{hex}\""));
    assert_eq!(print(&["--debug"]).stdout(), format!("\"{hex}\""));

    let arguments = ["sign-string", "--private-key", SIGNKEY, "--json"];
    let document = desk.countersign(&arguments).with_pin().go().exits(0).json();
    assert_eq!(document["signature"], hex);
    assert_eq!(document["mechanism"], "CKM_SHA256_RSA_PKCS");
    desk.countersign(&[&arguments[..], &["--format", "bin"]].concat()).with_pin().go().exits(2);
}

#[test]
fn a_certificate_of_another_key_is_refused_before_the_pin_is_used() {
    let desk = Desk::provisioned(&["--keys", "signkey,eckey"]);
    let authority = Authority::new();
    authority.issue(&desk.path("device/signkey.pub.pem"), &Leaf::default(), &desk.path("own.pem"));
    desk.countersign(&["public-key", "--key", "pkcs11:id=%04", "-o", "other.pub"]).go().exits(0);
    authority.issue(&desk.path("other.pub"), &Leaf::default(), &desk.path("other.pem"));
    let with = |certificate: &str, key: &[&str]| {
        let arguments = [&["sign-string", "--format", "bin", "--certificate", certificate], key].concat();
        with_faults(&desk, &arguments, "").go()
    };
    for (certificate, key) in [
        ("own.pem", &["--private-key", SIGNKEY][..]),
        ("pkcs11:token=officer;id=%01;type=cert", &["--private-key", SIGNKEY]),
        ("pkcs11:token=officer;id=%01", &[]),
    ] {
        let done = with(certificate, key).exits(0);
        openssl_verifies(&desk, "device/signkey.pub.pem", "SHA256", done.stdout_bytes());
        assert_eq!((calls(&desk, "C_Login"), calls(&desk, "C_Sign")), (1, 1), "{certificate}");
    }
    let done = with("other.pem", &["--private-key", "pkcs11:token=officer;id=%01"]).exits(4);
    assert!(done.stdout().is_empty());
    assert_eq!((calls(&desk, "C_Login"), calls(&desk, "C_Sign")), (0, 0));
    done.says("has no certificate for the key").says("there is: CN=server1-demo");
}

#[test]
fn impossible_options_are_refused_and_a_wrong_signature_is_not_printed() {
    let desk = Desk::new();
    let own = ["--private-key", SIGNKEY];
    for (options, code) in [
        (&[][..], 2),
        (&["--private-key", "key.pem"], 2),
        (&["--certificate", "own.pem"], 1),
        (&["--private-key", "handle:0x81000001"], 2),
        (&[&own[..], &["--digest", "SHA1"]].concat(), 2),
        (&[&own[..], &["--format", "pem"]].concat(), 2),
        (&["--private-key", "pkcs11:id=%zz"], 7),
        (&["--private-key", "pkcs11:token=nobody"], 3),
    ] {
        let done = desk.countersign(&[&["sign-string"], options].concat()).with_pin().go().exits(code);
        assert!(done.stdout().is_empty(), "{options:?}");
    }
    let done = with_faults(&desk, &[&["sign-string"], &own[..]].concat(), "C_Sign:1=corrupt").go().exits(6);
    assert!(done.stdout().is_empty());
}
