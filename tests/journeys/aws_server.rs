//! IAM Roles Anywhere on loopback (`tests/aws/roles_anywhere_server.py`), and certificates as AWS Private CA issues them.

use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::authority::{Authority, Leaf, text};
use crate::support::clock;
use crate::support::python::python;
use crate::support::roles_anywhere::{PROFILE, Proxy, ROLE, RolesAnywhere, TRUST_ANCHOR};

/// The credentials that a reference client with a key in a file gets, or the service's error.
fn reference_client(
    service: &RolesAnywhere,
    authority: &Authority,
    (key, certificate): &(PathBuf, PathBuf),
    options: &[&str],
) -> Result<Value, String> {
    let (ca, intermediates) = (service.ca(), authority.has_intermediate().then(|| authority.intermediates()));
    let mut client = python("reference_client.py");
    client.args([
        "--endpoint",
        service.url(),
        "--ca-bundle",
        text(&ca),
        "--role-arn",
        ROLE,
        "--profile-arn",
        PROFILE,
    ]);
    client.args([
        "--trust-anchor-arn",
        TRUST_ANCHOR,
        "--certificate",
        text(certificate),
        "--private-key",
        text(key),
    ]);
    if let Some(intermediates) = &intermediates {
        client.args(["--intermediates", text(intermediates)]);
    }
    let output = client.args(options).output().expect("Python starts");
    match output.status.success() {
        true => Ok(serde_json::from_slice(&output.stdout).expect("JSON")),
        false => Err(String::from_utf8(output.stderr).expect("text")),
    }
}

const RSA: [&str; 3] = ["RSA", "-pkeyopt", "rsa_keygen_bits:2048"];

#[test]
fn a_reference_client_gets_credentials_from_the_test_server() {
    let folder = TempDir::new().unwrap();
    let kinds: [&[&str]; 4] = [
        &RSA,
        &["EC", "-pkeyopt", "ec_paramgen_curve:P-256"],
        &["EC", "-pkeyopt", "ec_paramgen_curve:P-384"],
        &["EC", "-pkeyopt", "ec_paramgen_curve:P-521"],
    ];
    for authority in [Authority::new(), Authority::with_intermediate()] {
        let service = RolesAnywhere::trusting(&authority);
        for kind in kinds {
            let pair = authority.issue_with_key(folder.path(), "client", kind, &Leaf::default());
            let credentials = reference_client(&service, &authority, &pair, &[]).unwrap();
            let last = service.log().pop().unwrap();
            assert_eq!(credentials["AccessKeyId"], last["credential"]["accessKeyId"]);
            assert_eq!(credentials["Expiration"], last["credential"]["expiration"]);
            assert_eq!((&last["verdict"], &last["status"]), (&json!("accepted"), &json!(201)));
        }
        assert_eq!(service.access_keys().len(), kinds.len());
    }
}

#[test]
fn the_test_server_refuses_a_request_that_was_tampered_with() {
    let folder = TempDir::new().unwrap();
    let authority = Authority::with_intermediate();
    let service = RolesAnywhere::trusting(&authority);
    let pair = authority.issue_with_key(folder.path(), "client", &RSA, &Leaf::default());
    let tampers = [
        ("signature", "Invalid signature"),
        ("stale-date", "Signature expired"),
        ("future-date", "Signature not yet current"),
        ("date-after-signing", "Invalid signature"),
        ("content-type", "Unsupported content type"),
        ("extra-header", "Invalid signature"),
        ("host", "Invalid signature"),
        ("body", "Invalid signature"),
        ("query", "Invalid signature"),
        ("serial", "Invalid signature"),
        ("region", "Credential should be scoped to a valid region."),
        ("duration", "Invalid durationSeconds"),
        ("chain-unsigned", "Invalid signature"),
        ("unsorted", "Invalid signature"),
        ("upper-case", "Invalid Authorization header"),
        ("no-role", "Invalid roleArn"),
    ];
    for (number, (tamper, message)) in tampers.into_iter().enumerate() {
        let refused = reference_client(&service, &authority, &pair, &["--tamper", tamper]).unwrap_err();
        assert!(refused.contains(message), "{tamper}: {refused}");
        let log = service.log();
        assert_eq!((log.len(), &log[number]["verdict"]), (number + 1, &json!("refused")), "{tamper}");
    }
    assert!(service.access_keys().is_empty());
}

#[test]
fn the_test_server_refuses_certificates_that_aws_refuses() {
    let folder = TempDir::new().unwrap();
    let authority = Authority::new();
    let service = RolesAnywhere::trusting(&authority);
    let refusals = [
        (Leaf::expired(), "Expired certificate", "expired"),
        (Leaf::not_yet_valid(), "Insufficient certificate", "is not valid before"),
        (Leaf::of_a_ca(), "Insufficient certificate", "CA:TRUE"),
        (Leaf::without_digital_signature(), "Insufficient certificate", "keyUsage lacks digitalSignature"),
        (Leaf::signed_with_sha1(), "Insufficient certificate", "signed with sha1"),
        (Leaf { subject: "/", ..Leaf::default() }, "Insufficient certificate", "subject is empty"),
    ];
    let refused_for = |pair: &(PathBuf, PathBuf), message: &str, detail: &str| {
        let refused = reference_client(&service, &authority, pair, &[]).unwrap_err();
        assert!(refused.contains(message), "{detail}: {refused}");
        let last = service.log().pop().unwrap();
        assert!(last["detail"].as_str().unwrap().contains(detail), "{}", last["detail"]);
    };
    for (leaf, message, detail) in refusals {
        let pair = authority.issue_with_key(folder.path(), "client", &RSA, &leaf);
        refused_for(&pair, message, detail);
    }
    let stranger = Authority::new().issue_with_key(folder.path(), "client", &RSA, &Leaf::default());
    refused_for(&stranger, "Insufficient certificate", "no trust anchor issued");
    let soon = Leaf { valid_days: Some((-1.0, 1.0)), ..Leaf::default() };
    let pair = authority.issue_with_key(folder.path(), "client", &RSA, &soon);
    reference_client(&service, &authority, &pair, &[]).unwrap();
}

#[test]
fn the_test_server_misbehaves_once_and_only_as_it_was_told() {
    let folder = TempDir::new().unwrap();
    let authority = Authority::new();
    let service = RolesAnywhere::with_options(&authority, &["--lifetime", "6"]);
    let pair = authority.issue_with_key(folder.path(), "client", &RSA, &Leaf::default());
    let behaviors = [
        (json!({"do": "status", "status": 503}), "503 ServiceUnavailableException"),
        (json!({"do": "status", "status": 429, "headers": {"Retry-After": "1"}}), "429 ThrottlingException"),
        (json!({"do": "denied", "message": "No such role."}), "403 AccessDeniedException: No such role."),
        (json!({"do": "skew", "seconds": -900}), "403 AccessDeniedException: Signature not yet current"),
        (json!({"do": "cut", "at": "before-headers"}), "no answer: RemoteDisconnected"),
        (json!({"do": "cut", "at": "before-headers", "reset": true}), "no answer: "),
        (json!({"do": "cut", "at": "after-headers"}), "IncompleteRead"),
        (json!({"do": "truncate"}), "IncompleteRead"),
        (json!({"do": "not-json"}), "JSONDecodeError"),
        (json!({"do": "html"}), "JSONDecodeError"),
        (json!({"do": "empty-credential-set"}), "IndexError"),
    ];
    for (behavior, said) in &behaviors {
        service.next(behavior.clone());
        let refused = reference_client(&service, &authority, &pair, &[]).unwrap_err();
        assert!(refused.contains(said), "{behavior}: {refused}");
        let last = service.log().pop().unwrap();
        assert_eq!(&last["behavior"], behavior);
    }
    assert_eq!(service.log_of(behaviors.len()).len(), behaviors.len());
    let until = reference_client(&service, &authority, &pair, &[]).unwrap();
    let until: jiff::Timestamp = until["Expiration"].as_str().unwrap().parse().unwrap();
    assert!(until < clock::now() + Duration::from_secs(7), "{until}");
    service.next(json!([{"do": "denied", "times": 0}]));
    for _ in 0..2 {
        reference_client(&service, &authority, &pair, &[]).unwrap_err();
    }
    service.clear().settings(json!({"skew": 200, "lifetime": null}));
    reference_client(&service, &authority, &pair, &[]).unwrap();
    service.settings(json!({"skew": 400}));
    reference_client(&service, &authority, &pair, &[]).unwrap_err();
}

#[test]
fn a_reference_client_gets_through_the_test_proxy_and_not_without_its_password() {
    let folder = TempDir::new().unwrap();
    let authority = Authority::new();
    let service = RolesAnywhere::trusting(&authority);
    let pair = authority.issue_with_key(folder.path(), "client", &RSA, &Leaf::default());
    let (open, closed) = (Proxy::start(), Proxy::with_options(&["--authorization", "Basic dTpw"]));
    let mine = closed.url().replace("://", "://dTpw@");
    reference_client(&service, &authority, &pair, &["--proxy", open.url()]).unwrap();
    reference_client(&service, &authority, &pair, &["--proxy", &mine]).unwrap();
    let refused = reference_client(&service, &authority, &pair, &["--proxy", closed.url()]).unwrap_err();
    assert!(refused.contains("407"), "{refused}");
    assert_eq!(open.log()[0]["target"], service.url().replace("https://", ""));
    assert_eq!(
        closed.log().iter().map(|line| &line["status"]).collect::<Vec<_>>(),
        [&json!(200), &json!(407)]
    );
    assert_eq!(service.access_keys().len(), 2);
}
