//! AWS's own clients, boto3 and the AWS CLI, and moto as the AWS that they talk to.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::{Value, json};

use crate::aws_authority::{Authority, Leaf, text};
use crate::aws_server::{PROFILE, ROLE, RolesAnywhere, TRUST_ANCHOR};
use crate::device::{Desk, softhsm_module};
use crate::python::{PythonServer, installed, python};

/// AWS on loopback, which ends with this value. It takes any access key.
pub struct Moto {
    server: PythonServer,
}

impl Moto {
    pub fn start() -> Self {
        Moto { server: PythonServer::start("moto_server.py", &[]) }
    }

    pub fn url(&self) -> &str {
        self.server.ready("url")
    }
}

/// How a program comes to its credentials.
pub enum Way<'a> {
    /// A profile of `aws-config` at the desk, with a `credential_process`.
    Process { profile: &'a str },
    /// A profile of `aws-credentials` at the desk.
    File { profile: &'a str },
    /// IMDSv2, without a fallback to IMDSv1.
    Imds { endpoint: &'a str },
    /// What a container is given.
    Container { uri: &'a str, token_file: &'a Path },
}

/// What boto3 used for signed calls: `calls[].access_key`, …; see `tests/aws/clients/signed_call.py`.
pub fn boto3(desk: &Desk, moto: &Moto, way: &Way<'_>) -> Value {
    boto3_with(desk, moto, way, &[]).unwrap_or_else(|error| panic!("boto3: {error}"))
}

/// The same with options (`--times`, `--pause`); an error is what boto3 said.
pub fn boto3_with(desk: &Desk, moto: &Moto, way: &Way<'_>, options: &[&str]) -> Result<Value, Value> {
    let mut command = python("clients/signed_call.py");
    let output = at_desk(&mut command, desk, way)
        .args(["--method", way.name(), "--aws", moto.url()])
        .args(options)
        .output()
        .expect("Python starts");
    let document: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)));
    if output.status.success() { Ok(document) } else { Err(document["error"].clone()) }
}

/// The AWS CLI, version 1.
pub fn aws_cli(desk: &Desk, moto: &Moto, way: &Way<'_>, arguments: &[&str]) -> Output {
    at_desk(&mut installed("aws"), desk, way)
        .args(["--endpoint-url", moto.url()])
        .args(arguments)
        .output()
        .expect("the AWS CLI starts")
}

/// Many requests at once; the report of `tests/aws/clients/load.py`, also if some were answered badly.
pub fn load(options: &[&str]) -> Value {
    let output = python("clients/load.py").args(options).output().expect("Python starts");
    serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)))
}

impl Way<'_> {
    fn name(&self) -> &'static str {
        match self {
            Way::Process { .. } => "process",
            Way::File { .. } => "file",
            Way::Imds { .. } => "imds",
            Way::Container { .. } => "container",
        }
    }
}

/// Only what is at the desk is found: no file of the caller's, no network, and no other way than the one.
fn at_desk<'a>(command: &'a mut Command, desk: &Desk, way: &Way<'_>) -> &'a mut Command {
    command
        .env("HOME", desk.folder())
        .env("AWS_CONFIG_FILE", desk.path("aws-config"))
        .env("AWS_SHARED_CREDENTIALS_FILE", desk.path("aws-credentials"))
        .env("AWS_DEFAULT_REGION", "us-east-1")
        .env("AWS_EC2_METADATA_DISABLED", "true")
        // The boto of old had files of its own, and boto3 still reads them.
        .env("BOTO_CONFIG", "/dev/null")
        .env("NO_PROXY", "*")
        // For a countersign that is run as a credential process.
        .env("SOFTHSM2_CONF", desk.path("device/softhsm2.conf"))
        .env("COUNTERSIGN_MODULE", softhsm_module())
        .current_dir(desk.folder());
    match way {
        Way::Process { profile } | Way::File { profile } => command.env("AWS_PROFILE", profile),
        Way::Imds { endpoint } => command
            .env("AWS_EC2_METADATA_DISABLED", "false")
            .env("AWS_EC2_METADATA_V1_DISABLED", "true")
            .env("AWS_EC2_METADATA_SERVICE_ENDPOINT", endpoint),
        Way::Container { uri, token_file } => command
            .env("AWS_CONTAINER_CREDENTIALS_FULL_URI", uri)
            .env("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", token_file),
    }
}

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
