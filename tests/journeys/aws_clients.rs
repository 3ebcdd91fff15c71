//! AWS's own clients, boto3 and the AWS CLI, with moto in place of AWS.

use serde_json::{Value, json};

use crate::support::authority::{Authority, Leaf, text};
use crate::support::clients::{Moto, Way, aws_cli, boto3, boto3_with, load};
use crate::support::desk::Desk;
use crate::support::python::{PythonServer, python};
use crate::support::roles_anywhere::{PROFILE, ROLE, RolesAnywhere, TRUST_ANCHOR};

/// A desk with a profile `device`, whose credential process is a reference client with a key in a file.
fn with_credential_process(service: &RolesAnywhere, authority: &Authority) -> Desk {
    let desk = Desk::without_device();
    let kind = ["EC", "-pkeyopt", "ec_paramgen_curve:P-256"];
    let (key, certificate) = authority.issue_with_key(desk.folder(), "client", &kind, &Leaf::default());
    let client = python("reference_client.py");
    let words = [client.get_program()].into_iter().chain(client.get_args());
    let client = words.map(|word| word.to_str().unwrap()).collect::<Vec<_>>().join(" ");
    let process = format!(
        "{client} --endpoint {} --ca-bundle {} --certificate {} --private-key {} --role-arn {ROLE} \
         --profile-arn {PROFILE} --trust-anchor-arn {TRUST_ANCHOR}",
        service.url(),
        text(&service.ca()),
        text(&certificate),
        text(&key),
    );
    desk.write("aws-config", format!("[profile device]\ncredential_process = {process}\n").as_bytes());
    desk
}

#[test]
fn boto3_and_the_aws_cli_use_the_keys_that_a_credential_process_got() {
    let authority = Authority::new();
    let (service, moto) = (RolesAnywhere::trusting(&authority), Moto::start());
    let desk = with_credential_process(&service, &authority);
    let way = Way::Process { profile: "device" };
    let used = boto3(&desk, &moto, &way);
    let given = &service.log()[0]["credential"];
    assert_eq!(used["calls"][0]["access_key"], given["accessKeyId"]);
    assert_eq!(used["calls"][0]["secret_key"], given["secretAccessKey"]);
    assert_eq!(used["calls"][0]["token"], given["sessionToken"]);
    assert_eq!(used["calls"][0]["sent_access_key"], json!([given["accessKeyId"]]));

    let output = aws_cli(&desk, &moto, &way, &["--debug", "sts", "get-caller-identity"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(answer["Account"], "123456789012");
    let keys = service.access_keys();
    assert_eq!(keys.len(), 2);
    assert!(String::from_utf8(output.stderr).unwrap().contains(&format!("Credential={}/", keys[1])));

    service.next(json!({"do": "denied"}));
    let error = boto3_with(&desk, &moto, &way, &[]).unwrap_err();
    assert_eq!(error["type"], "CredentialRetrievalError");
    assert!(error["message"].as_str().unwrap().contains("Unable to assume role."), "{error}");
}

#[test]
fn boto3_uses_the_keys_of_a_file_of_imds_and_of_a_container() {
    let (desk, moto) = (Desk::without_device(), Moto::start());
    desk.write(
        "aws-credentials",
        b"[device]\naws_access_key_id = ASIAFILE\naws_secret_access_key = secret\naws_session_token = token\n",
    );
    let used = boto3(&desk, &moto, &Way::File { profile: "device" });
    assert_eq!(used["calls"][0]["sent_access_key"], json!(["ASIAFILE"]));

    let endpoint = PythonServer::start("reference_endpoint.py", &["--authorization", "Bearer secret"]);
    let used = boto3(&desk, &moto, &Way::Imds { endpoint: endpoint.ready("url") });
    assert_eq!(used["calls"][0]["sent_access_key"], json!(["ASIAREFERENCE0000001"]));

    let (uri, token_file) = (format!("{}/credentials", endpoint.ready("url")), desk.path("token"));
    let way = Way::Container { uri: &uri, token_file: &token_file };
    desk.write("token", b"Bearer secret");
    let used = boto3_with(&desk, &moto, &way, &["--times", "2", "--pause", "0.1"]).unwrap();
    for call in used["calls"].as_array().unwrap() {
        assert_eq!(call["sent_access_key"], json!(["ASIAREFERENCE0000002"]));
    }
    desk.write("token", b"Bearer wrong");
    let error = boto3_with(&desk, &moto, &way, &[]).unwrap_err();
    assert!(error["message"].as_str().unwrap().contains("401"), "{error}");
}

#[test]
fn nothing_is_found_where_a_desk_has_nothing() {
    let (desk, moto) = (Desk::without_device(), Moto::start());
    desk.write("aws-config", b"[default]\n");
    let output = aws_cli(&desk, &moto, &Way::File { profile: "default" }, &["sts", "get-caller-identity"]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success() && said.contains("Unable to locate credentials"), "{said}");
}

#[test]
fn ten_thousand_good_answers_over_fifty_connections_are_counted_as_such() {
    let endpoint = PythonServer::start("reference_endpoint.py", &[]);
    let url = endpoint.ready("url");
    let report = load(&["--imds", url, "--requests", "10000", "--connections", "50"]);
    assert_eq!((&report["good"], &report["failures"]), (&json!(10_000), &json!([])), "{report}");
}
