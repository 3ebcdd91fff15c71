//! `countersign credential-process`, with a service that verifies each request with its own code.

use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::support::clock;
use crate::support::desk::PIN;
use crate::support::leaks::Secrets;
use crate::support::parts::softhsm_module;
use crate::support::roles_anywhere::{PROFILE, ROLE, TRUST_ANCHOR};
use crate::support::server::Server;

#[test]
fn a_credential_costs_one_request() {
    let server = Server::new();
    let credentials: Value = server.done(server.run("credential-process", &[])).exits(0).json();
    let log = server.aws.log();
    assert_eq!(log.len(), 1, "{log:#?}");
    assert_eq!(log[0]["verdict"], "accepted");
    let given = &log[0]["credential"];
    assert_eq!(
        credentials,
        json!({
            "Version": 1,
            "AccessKeyId": given["accessKeyId"],
            "SecretAccessKey": given["secretAccessKey"],
            "SessionToken": given["sessionToken"],
            "Expiration": given["expiration"],
        })
    );
    // The next one comes from the cache.
    let again = server.done(server.run("credential-process", &[])).exits(0).json();
    assert_eq!(again, credentials);
    assert_eq!(server.aws.log().len(), 1);
    let new = server.done(server.run("credential-process", &["--refresh"])).exits(0).json();
    assert_ne!(new["AccessKeyId"], credentials["AccessKeyId"]);
}

#[test]
fn the_request_has_what_the_options_say() {
    let server = Server::new();
    let options = ["--session-duration", "900", "--role-session-name", "batch@host-7", "--no-cache"];
    server.done(server.run("credential-process", &options)).exits(0);
    let log = server.aws.log();
    assert_eq!(
        log[0]["json"],
        json!({
            "durationSeconds": 900,
            "profileArn": PROFILE,
            "roleArn": ROLE,
            "roleSessionName": "batch@host-7",
            "trustAnchorArn": TRUST_ANCHOR,
        })
    );
    assert_eq!(
        (&log[0]["method"], &log[0]["path"], &log[0]["query"]),
        (&json!("POST"), &json!("/sessions"), &json!(""))
    );
    assert_eq!(
        log[0]["signed_headers"],
        json!(["content-type", "host", "x-amz-date", "x-amz-x509", "x-amz-x509-chain"])
    );
    assert!(["TLSv1.2", "TLSv1.3"].contains(&log[0]["tls"].as_str().unwrap()), "{}", log[0]["tls"]);
    server.done(server.run("credential-process", &["--no-cache"])).exits(0);
    let json = &server.aws.log()[1]["json"];
    assert_eq!((&json["durationSeconds"], json.get("roleSessionName")), (&json!(3600), None));
}

#[test]
fn a_line_for_aws_signing_helper_works_with_only_the_program_s_name_changed() {
    let server = Server::new();
    // As SDKs do: split like in a shell, without a terminal, stdin closed or not.
    let line = format!(
        "aws_signing_helper credential-process --certificate server.pem --private-key 'pkcs11:token=officer;object=signkey;type=private?pin-value={PIN}' \
         --intermediates intermediates.pem --trust-anchor-arn {TRUST_ANCHOR} --profile-arn {PROFILE} --role-arn {ROLE} \
         --session-duration 1800 --region eu-west-1 --endpoint {} --pkcs11-lib {} --reuse-pin --with-proxy --debug",
        server.aws.url(),
        softhsm_module(),
    );
    let line = line.replacen("aws_signing_helper", env!("CARGO_BIN_EXE_countersign"), 1);
    let mut command = Command::new("setsid");
    command.args(["--wait", "sh", "-c", &line]).env_clear().env("PATH", "/usr/bin:/bin");
    command.env("HOME", server.desk.folder()).env("AWS_CA_BUNDLE", server.aws.ca());
    command.env("SOFTHSM2_CONF", server.desk.path("device/softhsm2.conf")).current_dir(server.desk.folder());
    let output = clock::set(&mut command).stdin(Stdio::null()).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{said}");
    Secrets::of(&server).are_not_in("what was said", said.as_bytes());
    let credentials: Value = serde_json::from_slice(&output.stdout).unwrap();
    let log = server.aws.log();
    assert_eq!(credentials["AccessKeyId"], log[0]["credential"]["accessKeyId"]);
    assert_eq!(log[0]["json"]["durationSeconds"], 1800);
}

#[test]
fn a_credential_costs_one_login_and_one_signature() {
    let server = Server::new();
    server.done(server.counted(&[], &[])).exits(0);
    let calls = |call| crate::support::faults::calls(&server.desk, call);
    assert_eq!((calls("C_Login"), calls("C_Sign"), calls("C_SignInit")), (1, 1, 1));
    assert_eq!(calls("CONCURRENT"), 0);
    // A signature that does not verify is not sent.
    server.fails(server.counted(&[], &[]).env("FAULTS", "C_Sign:1=corrupt"), 6);
    assert_eq!(server.aws.log().len(), 1);
}

#[test]
fn a_session_that_is_lost_is_opened_again_and_a_device_that_is_gone_is_an_error() {
    let server = Server::new();
    let with = |faults: &str| server.counted(&[], &["--timeout", "2"]).env("FAULTS", faults);
    server.done(with("C_Sign:1=lost")).exits(0);
    assert_eq!(server.aws.log().len(), 1);
    for (faults, code) in [
        ("C_OpenSession:1=gone:0x32", 3),
        ("C_Login:1=gone:0x32", 3),
        ("C_Login:1=0xa4", 5),
        ("C_GetTokenInfo=flags:0x20000", 5),
        ("C_Sign:1=gone:0x30", 6),
        ("C_Sign:1=delay:30000", 6),
        ("C_Initialize=delay:30000", 3),
    ] {
        server.fails(with(faults), code);
    }
    assert_eq!(server.aws.log().len(), 1, "nothing was sent without a signature");
    // A module that offers only CKM_RSA_PKCS, and a device that opens only read-write or only read-only
    // sessions.
    for faults in ["C_GetMechanismList=mechanism:0x40", "C_OpenSession=ro:0x6", "C_OpenSession=rw:0xe2"] {
        server.done(with(faults)).exits(0);
    }
    assert_eq!(server.aws.log().len(), 4);
}

#[test]
fn logs_say_what_happened_and_nothing_secret() {
    let server = Server::new();
    let quiet = server.done(server.run("credential-process", &["--no-cache"])).exits(0);
    assert_eq!(quiet.stderr(), "");
    let verbose = server.done(server.run("credential-process", &["--no-cache", "-v"])).exits(0);
    verbose
        .says("rolesanywhere: signed mechanism=CKM_SHA256_RSA_PKCS")
        .says("method=POST host=localhost:")
        .says("status=201 request_id=00000000-0000-0000-0000-000000000002 ms=");
    let debug = server.done(server.run("credential-process", &["--no-cache", "--debug"])).exits(0);
    let log = server.aws.log();
    for part in ["canonical_request", "string_to_sign"] {
        let text = log[2][part].as_str().unwrap();
        assert!(debug.stderr().contains(text), "{part}: {}", debug.stderr());
    }
    // Also after a failure, and when the cache has credentials.
    server.aws.next(json!({"do": "denied"}));
    server.fails(server.run("credential-process", &["--no-cache", "--debug"]), 9);
    for _ in 0..2 {
        server.done(server.run("credential-process", &["--debug"])).exits(0);
    }
    server.done(server.run("credential-process", &["--debug", "--dry-run"])).exits(0);
}

#[test]
fn an_error_s_json_document_is_all_there_is_on_stdout() {
    let server = Server::new();
    server.aws.next(json!({"do": "denied", "message": "No such role."}));
    let done = server.done(server.run("credential-process", &["--no-cache", "--json"])).exits(9);
    let document = done.json();
    assert_eq!(document.as_object().unwrap().keys().collect::<Vec<_>>(), ["error"]);
    assert_eq!(document["error"]["exit"], 9);
    // With --json, the credentials are the same.
    let credentials =
        server.done(server.run("credential-process", &["--no-cache", "--json"])).exits(0).json();
    assert_eq!(credentials["AccessKeyId"], server.aws.log()[1]["credential"]["accessKeyId"]);
}
