//! A device on which a key is generated, and a certificate for it: what the journeys of preparing a device
//! have in common.

use std::path::PathBuf;
use std::process::Command;

use crate::support::authority::{Authority, Leaf};
use crate::support::desk::{Desk, PIN};
use crate::support::openssl::openssl;
use crate::support::parts::softhsm_module;
use crate::support::run::Done;

pub const DEVICE: &str = "pkcs11:token=officer";

pub const KEY: &str = "pkcs11:token=officer;id=%01;type=private";

pub const CERTIFICATE: &str = "pkcs11:token=officer;id=%01;type=cert";

/// A desk with an empty SoftHSM device.
pub fn empty_desk() -> Desk {
    Desk::provisioned(&["--keys", "none"])
}

/// A desk with a key that countersign generated, `signkey` with the id 01, whose public key is in
/// `officer.pub`.
pub fn desk_with_key(kind: &str) -> Desk {
    let desk = empty_desk();
    keygen(&desk, &["--label", "signkey", "--id", "01", "--type", kind, "-o", "officer.pub"]).exits(0);
    desk
}

pub fn keygen(desk: &Desk, options: &[&str]) -> Done {
    desk.countersign(&[&["keygen", "--device", DEVICE], options].concat()).with_pin().go()
}

pub fn import(desk: &Desk, options: &[&str]) -> Done {
    desk.countersign(&[&["import-certificate", "--key", KEY], options].concat()).with_pin().go()
}

/// A certificate for `officer.pub` in a file of the desk.
pub fn issue(desk: &Desk, authority: &Authority, leaf: &Leaf, file: &str) -> PathBuf {
    authority.issue(&desk.path("officer.pub"), leaf, &desk.path(file));
    desk.path(file)
}

/// The key's certificate according to countersign.
pub fn certificate_of(desk: &Desk, key: &str) -> String {
    desk.countersign(&["certificate", "--key", key]).with_pin().go().exits(0).stdout()
}

/// A URI that was printed on its own.
pub fn uri(done: &Done) -> String {
    done.stdout().trim_end().to_owned()
}

/// Runs OpenSC's tool on the SoftHSM device; returns what it prints.
pub fn pkcs11_tool(desk: &Desk, arguments: &[&str]) -> String {
    let mut command = Command::new("pkcs11-tool");
    command.args(["--module", softhsm_module(), "--token-label", "officer", "--login", "--pin", PIN]);
    said_by(command.args(arguments), desk)
}

/// Runs GnuTLS's tool on the SoftHSM device; returns what it prints.
pub fn p11tool(desk: &Desk, arguments: &[&str]) -> String {
    let mut command = Command::new("p11tool");
    command.args(["--provider", softhsm_module(), "--login", "--set-pin", PIN]);
    said_by(command.args(arguments), desk)
}

/// Writes a certificate, or something else, as an object of the device.
pub fn put_certificate(desk: &Desk, pem: &str, id: &str, label: &str) {
    let der = openssl(&["x509", "-in", &text(desk, pem), "-outform", "DER"]);
    desk.write("put.der", &der);
    let put = ["--write-object", &text(desk, "put.der"), "--type", "cert", "--id", id, "--label", label];
    pkcs11_tool(desk, &put);
}

/// The labels of all objects of a kind, in order.
pub fn labels(desk: &Desk, kind: &str) -> Vec<String> {
    let listed = pkcs11_tool(desk, &["--list-objects", "--type", kind]);
    let label = |line: &str| line.trim().strip_prefix("label:").map(|label| label.trim().to_owned());
    let mut labels: Vec<String> = listed.lines().filter_map(label).collect();
    labels.sort();
    labels
}

/// Asserts that there is no key on the device, not even half of one.
#[track_caller]
pub fn has_no_key(desk: &Desk) {
    for kind in ["privkey", "pubkey"] {
        assert_eq!(labels(desk, kind), [""; 0], "a {kind} was left behind");
    }
}

/// The run without the parts that differ each time: fingerprints and dates.
pub fn without_what_varies(done: Done) -> Done {
    done.map_stdout(hide).map_stderr(hide)
}

pub fn text(desk: &Desk, name: &str) -> String {
    desk.path(name).to_str().expect("UTF-8").to_owned()
}

/// Whether openssl, applying the standard strictly, finds the certificate valid below the root, for a client.
pub fn openssl_verifies(root: &str, untrusted: &str, certificate: &str) {
    openssl(&[
        "verify",
        "-x509_strict",
        "-purpose",
        "sslclient",
        "-CAfile",
        root,
        "-untrusted",
        untrusted,
        certificate,
    ]);
}

fn said_by(command: &mut Command, desk: &Desk) -> String {
    command.env("SOFTHSM2_CONF", desk.path("device/softhsm2.conf"));
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("UTF-8")
}

fn hide(text: &str) -> String {
    let is_date = |word: &str| {
        word.len() == 10
            && word
                .bytes()
                .enumerate()
                .all(|(at, byte)| matches!((at, byte), (4 | 7, b'-') | (_, b'0'..=b'9')))
    };
    let neutral = |word: &str| {
        let (bare, rest) =
            word.split_at(word.trim_end_matches(|last: char| !last.is_ascii_alphanumeric()).len());
        match bare.strip_prefix("sha256:") {
            Some(_) => format!("sha256:FINGERPRINT{rest}"),
            None if is_date(bare) => format!("DATE{rest}"),
            None => word.to_owned(),
        }
    };
    text.split_inclusive(char::is_whitespace).map(neutral).collect()
}
