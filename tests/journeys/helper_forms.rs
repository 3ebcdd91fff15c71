//! Command lines that people bring from `aws_signing_helper` and from `~/.aws/config`: their forms and
//! quotes.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

use expectrl::Expect;

use crate::support::authority::{Authority, Leaf, text};
use crate::support::desk::{Desk, SIGNKEY};
use crate::support::faults::variables;
use crate::support::roles_anywhere::{PROFILE, RolesAnywhere, TRUST_ANCHOR};
use crate::support::run::Run;
use crate::support::server::Server;
use crate::support::terminal;

fn process(server: &Server, changed: &[(&str, &str)], more: &[&str]) -> Run {
    server.run_but("credential-process", changed, &[more, &["--no-cache"]].concat())
}

#[test]
fn switches_take_values_and_the_last_of_a_repeated_option_counts() {
    let server = Server::new();
    let more = [
        "--with-proxy=false",
        "--no-verify-ssl=true",
        "--debug=false",
        "--session-duration",
        "900",
        "--session-duration",
        "1800",
    ];
    let run = process(&server, &[], &more)
        .env("COUNTERSIGN_WITH_PROXY", "true")
        .env("HTTPS_PROXY", "http://127.0.0.1:1");
    server.done(run).exits(0).says("--no-verify-ssl");
    let body = server.aws.log()[0]["body"].as_str().unwrap().to_owned();
    assert!(body.contains("\"durationSeconds\":1800"), "{body}");
    let version = server.desk.countersign(&["version"]).go().exits(0).stdout();
    assert_eq!(version, server.desk.countersign(&["--version"]).go().exits(0).stdout());
    let sign =
        ["sign-string", "--private-key", "pkcs11:object=signkey", "--digest", "sha256", "--format", "text"];
    server.desk.countersign(&sign).with_pin().go().exits(0);
}

#[test]
fn options_of_the_helper_that_are_refused_are_answered_with_advice() {
    let server = Server::new();
    for (option, said) in [
        ("--cert-selector", "name the certificate with --certificate"),
        ("--system-store-name", "the key stores of Windows and macOS are not supported"),
        ("--tpm-key-password", "tpm2-pkcs11"),
    ] {
        server.fails(process(&server, &[], &[option, "x"]), 2).says(said);
    }
    let handle = process(&server, &[("--private-key", "handle:0x81000001")], &[]);
    server.fails(handle, 2).says("tpm2_ptool link");
}

#[test]
fn quotes_that_went_wrong_are_recognized_and_the_way_without_them_is_named() {
    let server = Server::new();
    let cut = |uri: &str| {
        let arguments = ["credential-process", "--certificate", uri];
        server.desk.countersign(&arguments).go()
    };
    cut("'pkcs11:token=officer")
        .exits(2)
        .says("the quote ' before pkcs11:")
        .says("--config FILE --role NAME");
    cut("pkcs11:token=officer").exits(2).says("put the URI in single quotes");
    cut("pkcs11:token=officer\n  --role-arn x").says("write the whole command on one line");
}

#[test]
fn all_options_can_come_from_the_file_that_serve_reads() {
    let server = Server::new();
    let role = |name: &str| {
        format!(
            "[[role]]\nname = \"{name}\"\nrole-arn = \"arn:aws:iam::123456789012:role/{name}\"\nprofile-arn = \"{}\"\n\
         trust-anchor-arn = \"{}\"\nprivate-key = \"{}\"\ncertificate = \"server.pem\"\nintermediates = \"intermediates.pem\"\n",
            PROFILE, TRUST_ANCHOR, SIGNKEY
        )
    };
    server.desk.write("both.toml", [role("backup"), role("reports")].concat().as_bytes());
    server.desk.write("one.toml", role("backup").as_bytes());
    let run = |more: &[&str]| {
        let arguments =
            [&["credential-process", "--endpoint", server.aws.url(), "--no-cache"], more].concat();
        server.desk.countersign(&arguments).with_pin().env("AWS_CA_BUNDLE", server.aws.ca())
    };
    server.done(run(&["--config", "both.toml", "--role", "reports"])).exits(0);
    assert!(server.aws.log()[0].to_string().contains("role/reports"));
    server.done(run(&["--config", "one.toml"])).exits(0);
    server.fails(run(&["--config", "both.toml"]), 7).says("several roles; defined: backup, reports");
    server.fails(run(&["--config", "both.toml", "--role", "other"]), 7).says("has no role \"other\"");
}

#[test]
fn without_a_home_it_works_uncached_and_says_so() {
    let server = Server::new();
    let run = server.run("credential-process", &["-v"]).without_env("HOME");
    server.done(run).exits(0).says("not cached: set XDG_CACHE_HOME or HOME");
}

#[test]
fn of_several_keys_the_certificate_chooses_one() {
    let (desk, authority) = (Desk::with_all_keys(), Authority::new());
    fs::copy(authority.anchor(), desk.path("intermediates.pem")).unwrap();
    let server = Server { aws: RolesAnywhere::trusting(&authority), desk, authority };
    server.certify("device/signkey.pub.pem", &Leaf::default());
    for key in ["pkcs11:token=officer", "pkcs11:token=officer;type=private", ""] {
        let run = process(&server, &[("--private-key", key)], &[]);
        server.done(run).exits(0);
        let sign = ["sign-string", "--certificate", "server.pem", "--private-key", "pkcs11:token=officer"];
        server.desk.countersign(&sign).with_pin().go().exits(0);
    }
    // If no certificate chooses, the advice can be followed.
    let refused = process(&server, &[("--private-key", "pkcs11:token=officer"), ("--certificate", "")], &[]);
    let done = refused.go();
    assert!(!done.stderr().contains("one --key each"), "{}", done.stderr());
}

#[test]
fn where_stdout_and_stderr_are_one_pipe_a_success_is_data_and_nothing_else() {
    let server = Server::new();
    // Others can read the PIN, which causes a warning.
    fs::set_permissions(server.desk.path("device/pin"), Permissions::from_mode(0o644)).unwrap();
    let apart = process(&server, &[], &[]).go().exits(0);
    assert!(apart.stderr().contains("warning:"), "{}", apart.stderr());
    let options = server.options_but(&[]);
    let arguments: Vec<&str> =
        ["credential-process", "--no-cache"].into_iter().chain(options.iter().map(String::as_str)).collect();
    let joined = server.desk.countersign_under(&["sh", "-c", "exec \"$@\" 2>&1", "sh"], &arguments);
    let joined = joined.with_pin().env("AWS_CA_BUNDLE", server.aws.ca()).go().exits(0);
    assert!(joined.json()["AccessKeyId"].is_string(), "{}", joined.stdout());
}

#[test]
fn a_touch_is_asked_for_at_the_terminal_where_a_program_keeps_stderr() {
    let server = Server::new();
    let options = server.options_but(&[]);
    let arguments: Vec<&str> = ["credential-process", "--no-cache", "--pin-source", "file:device/pin"]
        .into_iter()
        .chain(options.iter().map(String::as_str))
        .collect();
    let bundle = server.aws.ca();
    let variables = variables("C_Sign:1=delay:2000");
    let mut environment = variables.each_ref().map(|(name, value)| (*name, value.as_str())).to_vec();
    environment.push(("AWS_CA_BUNDLE", text(&bundle)));
    let mut terminal = terminal::run_under(
        &server.desk,
        &["sh", "-c", "exec \"$@\" 2>/dev/null", "sh"],
        &arguments,
        &environment,
    );
    terminal.expect("touch it if it blinks").unwrap();
    terminal.expect("AccessKeyId").unwrap();
}
