//! What `credential-process` refuses without asking anyone: no PIN is used, nothing is signed or sent.

use crate::support::authority::{Authority, Leaf};
use crate::support::desk::SIGNKEY;
use crate::support::faults::calls;
use crate::support::roles_anywhere::{PROFILE, ROLE, TRUST_ANCHOR};
use crate::support::run::Run;
use crate::support::server::Server;

/// Asserts an error before which nothing was spent.
#[track_caller]
fn refused(server: &Server, run: Run, code: i32, message: &str) {
    server.desk.write("calls", b"");
    let done = server.fails(run, code).says(message);
    for call in ["C_Login", "C_SignInit", "C_Sign"] {
        assert_eq!(calls(&server.desk, call), 0, "{call}: {}", done.stderr());
    }
    assert_eq!(server.aws.log().len(), 0, "something was sent");
}

#[test]
fn a_certificate_that_aws_would_refuse() {
    let server = Server::new();
    for (leaf, message) in [
        (Leaf::expired(), "it ended on "),
        (Leaf::not_yet_valid(), "and this computer's clock is before that"),
        (Leaf::of_a_ca(), "it is a CA's (basicConstraints)"),
        (Leaf::without_digital_signature(), "its keyUsage has no digitalSignature"),
        (Leaf::signed_with_sha1(), "it is not signed with SHA-256 or stronger"),
        (Leaf { subject: "/", ..Leaf::default() }, "its subject is empty"),
    ] {
        server.certify("device/signkey.pub.pem", &leaf);
        refused(&server, server.counted(&[], &[]), 4, message);
        refused(&server, server.counted(&[], &["--dry-run"]), 4, message);
    }
}

#[test]
fn a_certificate_that_aws_would_refuse_on_the_device() {
    let server = Server::new();
    server.certify("device/signkey.pub.pem", &Leaf::expired());
    let import = ["import-certificate", "--key", SIGNKEY, "--replace", "--force", "server.pem"];
    server.desk.countersign(&import).with_pin().go().exits(0);
    for changed in [
        [("--certificate", "pkcs11:token=officer;id=%01;type=cert"), ("--private-key", "")],
        [("--certificate", ""), ("--private-key", SIGNKEY)],
    ] {
        refused(&server, server.counted(&changed, &[]), 4, "it ended on ");
    }
}

#[test]
fn a_certificate_of_another_key_or_none() {
    let server = Server::new();
    let kind = ["EC", "-pkeyopt", "ec_paramgen_curve:P-256"];
    server.authority.issue_with_key(server.desk.folder(), "other", &kind, &Leaf::default());
    server.desk.write("nothing.pem", b"nothing");
    for (certificate, code, message) in [
        ("other.pem", 4, "has no certificate for the key"),
        ("nothing.pem", 7, "holds no certificate"),
        ("other.key", 7, "holds a PRIVATE KEY, not a certificate"),
        ("nowhere.pem", 1, "nowhere.pem"),
        ("pkcs11:token=officer;id=%77;type=cert", 4, "has no certificate for the key"),
        ("pkcs11:id=%zz", 7, "the URI given as --certificate is malformed"),
    ] {
        refused(&server, server.counted(&[("--certificate", certificate)], &[]), code, message);
    }
    refused(&server, server.counted(&[("--intermediates", "nothing.pem")], &[]), 7, "holds no certificate");
    let absent = [("--private-key", "pkcs11:token=nobody;id=%01")];
    refused(&server, server.counted(&absent, &[]), 3, "pkcs11:token=nobody");
    refused(&server, server.counted(&[("--private-key", "key.pem")], &[]), 2, "--private-key names a file");
    let neither = [("--private-key", ""), ("--certificate", "")];
    refused(&server, server.counted(&neither, &[]), 2, "no key was named");
}

#[test]
fn a_chain_that_is_longer_than_aws_accepts() {
    let server = Server::of(Authority::with_intermediates(&["1", "2", "3", "4", "5", "6"]), &[]);
    refused(
        &server,
        server.counted(&[], &[]),
        7,
        "there are 6 intermediate certificates; AWS accepts at most 5",
    );
}

#[test]
fn impossible_arns_durations_and_names() {
    let server = Server::new();
    let swap = |text: &str, from: &str, to: &str| text.replace(from, to);
    let long_name = "a".repeat(65);
    for (option, value, message) in [
        ("--role-arn", "demo", "demo"),
        ("--role-arn", PROFILE, "role"),
        ("--role-arn", &swap(ROLE, "123456789012", "1234"), "1234"),
        ("--role-arn", &swap(ROLE, "role/demo", "user/demo"), "role"),
        ("--profile-arn", TRUST_ANCHOR, "profile"),
        ("--profile-arn", &swap(PROFILE, "eu-west-1", "us-east-1"), "region"),
        ("--trust-anchor-arn", ROLE, "trust anchor"),
        ("--trust-anchor-arn", &swap(TRUST_ANCHOR, "arn:aws:", "arn:aws-cn:"), "partition"),
        ("--session-duration", "899", "give 900 (15 minutes) to 43200 (12 hours)"),
        ("--session-duration", "43201", "give 900 (15 minutes) to 43200 (12 hours)"),
        ("--session-duration", "1h", "--session-duration"),
        ("--session-duration", "-1", "-1"),
        ("--role-session-name", "a", "the role session name"),
        ("--role-session-name", "two words", "the role session name"),
        ("--role-session-name", &long_name, "the role session name"),
        ("--region", "Frankfurt", "Frankfurt"),
        ("--endpoint", "http://rolesanywhere.eu-west-1.amazonaws.com", "http"),
        ("--endpoint", "http://192.0.2.1", "http"),
        ("--endpoint", "http://localhost.example.com", "http"),
        ("--endpoint", "ftp://localhost", "https"),
        ("--endpoint", "https://user@localhost", "user name"),
        ("--endpoint", "https://localhost/sessions", "path"),
        ("--endpoint", "https://localhost:99999", "port"),
    ] {
        let done = server.fails(server.counted(&[(option, value)], &[]), 2);
        let said = done.stderr();
        assert!(said.to_lowercase().contains(&message.to_lowercase()), "{option} {value}: {said}");
    }
    for missing in ["--role-arn", "--profile-arn", "--trust-anchor-arn"] {
        server.fails(server.counted(&[(missing, "")], &[]), 2).says(missing);
    }
    assert_eq!(server.aws.log().len(), 0);
}

#[test]
fn a_wrong_pin_is_not_tried_twice() {
    let server = Server::new();
    server.desk.write("wrong", b"000000");
    server.fails(server.counted(&[], &["--pin-source", "file:wrong"]), 5);
    assert_eq!((calls(&server.desk, "C_Login"), calls(&server.desk, "C_Sign")), (1, 0));
    assert_eq!(server.aws.log().len(), 0);
}
