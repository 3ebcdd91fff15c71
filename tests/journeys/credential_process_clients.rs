//! boto3 and the AWS CLI with a profile whose `credential_process` is countersign, and moto in place of AWS.

use serde_json::{Value, json};

use crate::support::clients::{Moto, aws_cli, boto3, boto3_with};
use crate::support::credential_profile::{DEVICE, server_with_profile};
use crate::support::desk::Desk;
use crate::support::faults::calls;

fn used(desk: &Desk, moto: &Moto) -> Value {
    boto3(desk, moto, &DEVICE)["calls"][0].clone()
}

#[test]
fn both_make_signed_calls_with_the_credentials_and_share_one_request() {
    let (server, moto) = (server_with_profile(""), Moto::start());
    let used = used(&server.desk, &moto);
    let given = &server.aws.log()[0]["credential"];
    assert_eq!(used["access_key"], given["accessKeyId"]);
    assert_eq!(used["secret_key"], given["secretAccessKey"]);
    assert_eq!(used["token"], given["sessionToken"]);
    assert_eq!(used["sent_access_key"], json!([given["accessKeyId"]]));
    assert_eq!(used["account"], "123456789012");
    // boto3 learns from us when they expire.
    let expiration = given["expiration"].as_str().unwrap().trim_end_matches('Z');
    assert!(used["expires"].as_str().unwrap().starts_with(expiration), "{used}");

    let output = aws_cli(&server.desk, &moto, &DEVICE, &["--debug", "sts", "get-caller-identity"]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{said}");
    let access_key = given["accessKeyId"].as_str().unwrap();
    assert!(said.contains(&format!("Credential={access_key}/")), "{said}");
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(answer["Account"], "123456789012");

    assert_eq!(server.aws.log().len(), 1);
    assert_eq!((calls(&server.desk, "C_Login"), calls(&server.desk, "C_Sign")), (1, 1));
}

#[test]
fn ten_clients_at_once_cost_one_request_and_one_signature() {
    let (server, moto) = (server_with_profile(""), Moto::start());
    let keys: Vec<Value> = std::thread::scope(|scope| {
        let start = |_| scope.spawn(|| used(&server.desk, &moto)["sent_access_key"].clone());
        let clients: Vec<_> = (0..10).map(start).collect();
        clients.into_iter().map(|client| client.join().unwrap()).collect()
    });
    assert_eq!(server.aws.log().len(), 1);
    assert_eq!(keys, vec![json!(server.aws.access_keys()); 10]);
    assert_eq!((calls(&server.desk, "C_Login"), calls(&server.desk, "C_Sign")), (1, 1));
}

#[test]
fn credentials_that_expire_soon_are_renewed_because_the_client_asks() {
    let (server, moto) = (server_with_profile(""), Moto::start());
    // boto3 asks for new ones at each call, as long as these expire within ten or fifteen minutes; after half
    // of their life it gets new ones.
    server.aws.settings(json!({"lifetime": 10}));
    let used = boto3_with(&server.desk, &moto, &DEVICE, &["--times", "3", "--pause", "5.5"]).unwrap();
    let keys = server.aws.access_keys();
    assert!(keys.len() >= 3, "{keys:?}");
    let sent = used["calls"][2]["sent_access_key"].as_array().unwrap();
    assert_eq!(sent.last().unwrap(), keys.last().unwrap());
}

#[test]
fn a_client_passes_on_why_there_are_no_credentials() {
    let (server, moto) = (server_with_profile(""), Moto::start());
    server.aws.next(json!({"do": "denied", "message": "Unable to assume role for demo.", "times": 0}));
    let error = boto3_with(&server.desk, &moto, &DEVICE, &[]).unwrap_err();
    let message = error["message"].as_str().unwrap();
    assert_eq!(error["type"], "CredentialRetrievalError");
    assert!(
        message.contains("AWS refused: AccessDeniedException: Unable to assume role for demo."),
        "{error}"
    );
    assert!(message.contains("the role's trust policy must allow rolesanywhere.amazonaws.com"), "{error}");
    let output = aws_cli(&server.desk, &moto, &DEVICE, &["sts", "get-caller-identity"]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success() && said.contains("Unable to assume role for demo."), "{said}");
}

#[test]
fn messages_on_stderr_disturb_no_client() {
    let (server, moto) = (server_with_profile("--debug --no-cache"), Moto::start());
    let first = used(&server.desk, &moto);
    assert_eq!(first["sent_access_key"], json!([server.aws.access_keys()[0]]));
    // Also with --json, which prints the same document.
    let (server, moto) = (server_with_profile("--json"), moto);
    let first = used(&server.desk, &moto);
    assert_eq!(first["sent_access_key"], json!([server.aws.access_keys()[0]]));
}
