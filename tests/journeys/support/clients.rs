//! AWS's own clients, boto3 and the AWS CLI, with moto in place of AWS.

use std::path::Path;
use std::process::{Command, Output};
use std::sync::OnceLock;

use serde_json::Value;

use crate::support::desk::Desk;
use crate::support::parts::softhsm_module;
use crate::support::python::{PythonServer, installed, python};

/// AWS on loopback, one for all tests. It accepts any access key, and nobody changes its contents.
pub struct Moto {
    server: &'static PythonServer,
}

impl Moto {
    pub fn start() -> Self {
        static SERVER: OnceLock<PythonServer> = OnceLock::new();
        Moto { server: SERVER.get_or_init(|| PythonServer::start("moto_server.py", &[])) }
    }

    pub fn url(&self) -> &str {
        self.server.ready("url")
    }
}

/// How a program gets its credentials.
pub enum Way<'a> {
    /// A profile of `aws-config` at the desk, with a `credential_process`.
    Process { profile: &'a str },
    /// A profile of `aws-credentials` at the desk.
    File { profile: &'a str },
    /// IMDSv2, without a fallback to IMDSv1.
    Imds { endpoint: &'a str },
    /// What a container receives.
    Container { uri: &'a str, token_file: &'a Path },
}

/// What boto3 used for signed calls: `calls[].access_key`, …; see `tests/aws/clients/signed_call.py`.
pub fn boto3(desk: &Desk, moto: &Moto, way: &Way<'_>) -> Value {
    boto3_with(desk, moto, way, &[]).unwrap_or_else(|error| panic!("boto3: {error}"))
}

/// The same with options (`--times`, `--pause`); the error is boto3's message.
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

/// What several boto3 sessions sign with over time; see `tests/aws/clients/over_time.py`.
pub fn boto3_over_time(desk: &Desk, way: &Way<'_>, options: &[&str]) -> Value {
    let mut command = python("clients/over_time.py");
    let output = at_desk(&mut command, desk, way).args(options).output().expect("Python starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("JSON")
}

/// The AWS CLI, version 1.
pub fn aws_cli(desk: &Desk, moto: &Moto, way: &Way<'_>, arguments: &[&str]) -> Output {
    at_desk(&mut installed("aws"), desk, way)
        .args(["--endpoint-url", moto.url()])
        .args(arguments)
        .output()
        .expect("the AWS CLI starts")
}

/// Many requests at once; returns the report of `tests/aws/clients/load.py`, even if some were answered
/// badly.
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

/// The access key that the AWS CLI signs with.
pub fn key_of_aws_cli(desk: &Desk, moto: &Moto, way: &Way<'_>) -> String {
    let output = aws_cli(desk, moto, way, &["--debug", "sts", "get-caller-identity"]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let (_, rest) = said.split_once("Credential=").unwrap_or_else(|| panic!("nothing is signed: {said}"));
    rest.split('/').next().expect("a split has a first part").to_owned()
}

/// Finds only what is at the desk: no file of the caller's, no network, and only this way.
pub fn at_desk<'a>(command: &'a mut Command, desk: &Desk, way: &Way<'_>) -> &'a mut Command {
    command
        .env("HOME", desk.folder())
        .env("AWS_CONFIG_FILE", desk.path("aws-config"))
        .env("AWS_SHARED_CREDENTIALS_FILE", desk.path("aws-credentials"))
        .env("AWS_DEFAULT_REGION", "us-east-1")
        .env("AWS_EC2_METADATA_DISABLED", "true")
        // The original boto had files of its own, and boto3 still reads them.
        .env("BOTO_CONFIG", "/dev/null")
        .env("NO_PROXY", "*")
        // For countersign running as a credential process.
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
