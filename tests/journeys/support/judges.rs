//! Independent judges of certificates and requests besides openssl: Python's cryptography and pkilint.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::support::python::{installed, python};

/// What cryptography reads in a certificate or a request (PEM).
#[track_caller]
pub fn cryptography(file: &Path) -> Value {
    let mut read = python("read_names.py");
    serde_json::from_slice(&said(read.arg(file))).expect("JSON")
}

/// The codes of pkilint's findings about a certificate (PEM).
#[track_caller]
pub fn pkilint(file: &Path) -> Vec<String> {
    let mut lint = installed("lint_pkix_cert");
    lint.args(["lint", "--format", "JSON", "--severity", "NOTICE"]).arg(file);
    // It exits with the number of findings.
    let output = lint.output().expect("pkilint starts");
    let report: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)));
    let results = report["results"].as_array().expect("results");
    let findings =
        results.iter().flat_map(|result| result["finding_descriptions"].as_array().expect("findings"));
    findings.map(|finding| finding["code"].as_str().expect("a code").to_owned()).collect()
}

#[track_caller]
fn said(command: &mut Command) -> Vec<u8> {
    let output = command.output().expect("Python starts");
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}
