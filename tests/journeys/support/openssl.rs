//! openssl, the independent judge.

use std::ffi::OsStr;
use std::process::Command;

use crate::support::desk::Desk;
use crate::support::parts::tool;
use crate::support::token_files::token_pairs;

/// Runs openssl with text arguments.
pub fn openssl(arguments: &[&str]) -> Vec<u8> {
    tool("openssl", &arguments.iter().map(OsStr::new).collect::<Vec<_>>())
}

/// What openssl reads in a request (PEM) after accepting its signature.
#[track_caller]
pub fn openssl_reads_request(request: &str, options: &[&str]) -> Vec<u8> {
    let verify = Command::new("openssl").args(["req", "-verify", "-noout", "-in", request]).output();
    let verify = verify.expect("openssl runs");
    // Since 3.2 it reports that on stdout; and some versions exit with 0 even after a wrong signature.
    let said = String::from_utf8([verify.stdout, verify.stderr].concat()).expect("UTF-8");
    assert!(verify.status.success() && said.contains("verify OK"), "{request}: {said}");
    openssl(&[&["req", "-noout", "-in", request], options].concat())
}

/// Whether `openssl pkeyutl -verify` accepts each signature in a file as one over the token as a digest. This
/// is what AWS's guide does, with a program that shares no code with this one.
pub fn openssl_accepts(desk: &Desk, file: &str, public_key: &str) -> bool {
    let pairs = token_pairs(&desk.read(file));
    pairs.iter().all(|(token, signature)| openssl_accepts_digest(desk, token, signature, public_key))
}

/// Whether `openssl pkeyutl -verify` accepts a signature over a digest.
pub fn openssl_accepts_digest(desk: &Desk, digest: &[u8], signature: &[u8], public_key: &str) -> bool {
    let digest = desk.write("openssl-digest", digest);
    let signature = desk.write("openssl-signature", signature);
    let output = Command::new("openssl")
        .args(["pkeyutl", "-verify", "-pubin", "-inkey", public_key, "-pkeyopt", "digest:sha256", "-in"])
        .arg(digest)
        .arg("-sigfile")
        .arg(signature)
        .current_dir(desk.folder())
        .output()
        .expect("openssl runs");
    output.status.success()
}

/// Both of openssl's commands must accept the signature: `pkeyutl -verify` over the digest, `dgst -verify`
/// over the data.
#[track_caller]
pub fn openssl_accepts_both_ways(desk: &Desk, data: &[u8], signature: &[u8], public_key: &str) {
    use sha2::{Digest, Sha256};
    assert!(openssl_accepts_digest(desk, &Sha256::digest(data), signature, public_key));
    let path = |name: &str, bytes: &[u8]| desk.write(name, bytes).to_str().unwrap().to_owned();
    let (data_file, signature_file) = (path("openssl-data", data), path("openssl-signature", signature));
    let key = desk.path(public_key).to_str().unwrap().to_owned();
    openssl(&["dgst", "-sha256", "-verify", &key, "-signature", &signature_file, &data_file]);
}
