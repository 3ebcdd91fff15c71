//! The network, proxies and AWS on their bad days: what is retried, what is not, and what people are told.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::authority::{Authority, Leaf};
use crate::support::clock;
use crate::support::faults::calls;
use crate::support::roles_anywhere::Proxy;
use crate::support::run::Run;
use crate::support::server::Server;

fn run(server: &Server) -> Run {
    server.run("credential-process", &["--no-cache"])
}

/// The values of a header in all requests.
fn sent(server: &Server, header: &str) -> Vec<String> {
    let value = |line: &Value| line["headers"][header].as_str().unwrap().to_owned();
    server.aws.log().iter().map(value).collect()
}

#[test]
fn faults_that_may_pass_are_tried_three_times_each_with_a_signature_of_its_own() {
    let behaviors = [
        json!({"do": "status", "status": 500}),
        json!({"do": "status", "status": 503}),
        json!({"do": "status", "status": 429}),
        json!({"do": "status", "status": 400, "code": "ThrottlingException"}),
        json!({"do": "html", "status": 502}),
        json!({"do": "cut", "at": "before-headers"}),
        json!({"do": "cut", "at": "before-headers", "reset": true}),
        json!({"do": "cut", "at": "after-headers"}),
        json!({"do": "truncate"}),
    ];
    // Most of the time is spent in pauses.
    std::thread::scope(|scope| {
        for behavior in &behaviors {
            scope.spawn(|| passes_after_two_but_not_three(behavior));
        }
    });
}

fn passes_after_two_but_not_three(behavior: &Value) {
    let server = Server::new();
    server.aws.next(json!([behavior, behavior]));
    let credentials = server.done(server.counted(&[], &[])).exits(0).json();
    let log = server.aws.log();
    assert_eq!(credentials["AccessKeyId"], log[2]["credential"]["accessKeyId"], "{behavior}");
    assert_eq!((calls(&server.desk, "C_Login"), calls(&server.desk, "C_Sign")), (1, 3), "{behavior}");
    // Each was correct; the third comes at least 1.2 seconds after the first.
    assert!(log.iter().all(|line| line["valid"] == true), "{behavior}: {log:#?}");
    let (dates, authorizations) = (sent(&server, "x-amz-date"), sent(&server, "authorization"));
    assert!(dates[0] < dates[2] && authorizations[0] != authorizations[2], "{behavior}: {dates:?}");
    let mut three = behavior.clone();
    three["times"] = 3.into();
    server.aws.next(three);
    server.fails(server.counted(&[], &[]), 9);
    assert_eq!((server.aws.log().len(), calls(&server.desk, "C_Sign")), (6, 3), "{behavior}");
}

#[test]
fn what_aws_refuses_is_asked_once() {
    let server = Server::new();
    for (behavior, said) in [
        (json!({"do": "denied"}), "AWS refused: AccessDeniedException: Unable to assume role."),
        (
            json!({"do": "status", "status": 400, "code": "ValidationException", "message": "No."}),
            "ValidationException: No.",
        ),
        (json!({"do": "status", "status": 404, "code": "ResourceNotFoundException"}), "compare the ARNs"),
        (json!({"do": "status", "status": 413, "code": "RequestEntityTooLarge"}), "RequestEntityTooLarge"),
        (json!({"do": "body", "body": "{}", "status": 401}), "HTTP status 401"),
    ] {
        let before = server.aws.log().len();
        server.aws.next(behavior.clone());
        server.fails(server.counted(&[], &[]), 9).says(said);
        assert_eq!((server.aws.log().len() - before, calls(&server.desk, "C_Sign")), (1, 1), "{behavior}");
    }
    // AWS's support asks for the request ID.
    server.aws.next(json!({"do": "denied"}));
    server.fails(run(&server), 9).says("AWS's request ID: 00000000-0000-0000-0000-000000000006");
}

#[test]
fn answers_without_credentials_are_reported() {
    let answers = [
        (json!({"do": "html"}), "Blocked", 3),
        (json!({"do": "html", "status": 201}), "Blocked", 3),
        (json!({"do": "html", "status": 403}), "Blocked", 1),
        (json!({"do": "empty-credential-set"}), "credentialSet", 3),
        (json!({"do": "not-json"}), "no credentials", 3),
        (json!({"do": "body", "body": ""}), "no credentials", 3),
        (json!({"do": "huge", "bytes": 3_000_000}), "could not be reached", 3),
        (json!({"do": "lifetime", "seconds": -60}), "before they arrived", 1),
    ];
    std::thread::scope(|scope| {
        for (behavior, said, tries) in answers {
            scope.spawn(move || {
                let server = Server::new();
                let mut always = behavior.clone();
                always["times"] = 0.into();
                server.aws.next(always);
                server.fails(run(&server), 9).says(said);
                assert_eq!(server.aws.log().len(), tries, "{behavior}");
            });
        }
    });
}

#[test]
fn a_redirect_is_not_followed() {
    let server = Server::new();
    let elsewhere = Server::new();
    for location in [elsewhere.aws.url(), server.aws.url(), "http://127.0.0.1:9/", "file:///etc/passwd"] {
        let before = server.aws.log().len();
        server.aws.next(json!({"do": "redirect", "location": format!("{location}/sessions")}));
        server.fails(run(&server), 9).says("302");
        assert_eq!(server.aws.log().len() - before, 1);
    }
    assert_eq!(elsewhere.aws.log().len(), 0);
}

#[test]
fn a_service_that_does_not_answer_is_asked_again_after_a_timeout() {
    let server = Server::new();
    server.aws.next(json!({"do": "delay", "ms": 45_000}));
    let start = Instant::now();
    server.done(run(&server)).exits(0);
    let took = start.elapsed();
    assert!(took < Duration::from_secs(40), "{took:?}");
    assert_eq!(server.aws.log().len(), 2);
}

#[test]
fn an_endpoint_that_cannot_be_reached_is_named() {
    let server = Server::new();
    // A port that only root could listen on, and nobody does (tcpmux).
    let endpoint = "https://127.0.0.1:1";
    let done = server.fails(server.counted(&[("--endpoint", endpoint)], &[]), 9);
    done.says(endpoint).says("check whether this computer reaches the endpoint");
    assert_eq!(calls(&server.desk, "C_Sign"), 3);
}

#[test]
fn a_wrong_clock_is_reported_and_corrected_once() {
    for (offset, word) in [("-15m", "behind"), ("+2h", "ahead of")] {
        let server = Server::new();
        // According to the wrong clock, the certificate was not valid yet fifteen minutes ago.
        server.certify("device/signkey.pub.pem", &Leaf { valid_days: Some((-1.0, 90.0)), ..Leaf::default() });
        let run = server.counted(&[], &[]);
        let done = server.done(clock::off_by(run, offset)).exits(0);
        let said = done.stderr();
        assert!(said.contains(&format!("warning: this computer's clock is {word} AWS's by ")), "{said}");
        let log = server.aws.log();
        let verdicts: Vec<_> = log.iter().map(|line| line["verdict"].as_str().unwrap()).collect();
        assert_eq!((verdicts, calls(&server.desk, "C_Sign")), (vec!["refused", "accepted"], 2));
        assert_eq!(sent(&server, "x-amz-date").iter().collect::<BTreeSet<_>>().len(), 2);
    }
}

#[test]
fn a_service_with_an_erratic_clock_is_not_followed() {
    let server = Server::new();
    server.aws.next(json!([{"do": "skew", "seconds": 900}, {"do": "skew", "seconds": -900}]));
    server.fails(run(&server), 9).says("set this computer's clock");
    assert_eq!(server.aws.log().len(), 2);
    // A refusal for another reason is not blamed on the clock.
    server.aws.next(json!({"do": "denied"}));
    let said = server.fails(run(&server), 9).stderr();
    assert!(!said.contains("clock"), "{said}");
}

#[test]
fn a_server_that_cannot_prove_who_it_is_gets_nothing() {
    let server = Server::new();
    for bundle in [None, Some("other.pem")] {
        std::fs::copy(server.authority.anchor(), server.desk.path("other.pem")).unwrap();
        let run = server.counted(&[], &[]);
        let run = match bundle {
            Some(bundle) => run.env("AWS_CA_BUNDLE", bundle),
            None => run.without_env("AWS_CA_BUNDLE"),
        };
        server.fails(run, 9).says("set AWS_CA_BUNDLE to the file with its CA");
        assert_eq!(calls(&server.desk, "C_Sign"), 1, "it is not tried again");
    }
    // The log contains only attempts at TLS.
    assert!(server.aws.log().iter().all(|line| line["verdict"] == "tls-failed"));
    for options in [&["--expired-server-certificate"][..], &["--server-name", "elsewhere.example"]] {
        let server = Server::of(Authority::new(), options);
        server.fails(server.counted(&[], &[]), 9);
        assert!(server.aws.log().iter().all(|line| line["verdict"] == "tls-failed"), "{options:?}");
    }
    let unusable = server.run("credential-process", &[]).env("AWS_CA_BUNDLE", "nowhere.pem");
    server.fails(unusable, 1).says("nowhere.pem");
}

#[test]
fn the_systems_authorities_count_and_those_of_the_profile() {
    let server = Server::new();
    let without = || run(&server).without_env("AWS_CA_BUNDLE");
    // The variable with which OpenSSL names the system's roots.
    server.done(without().env("SSL_CERT_FILE", server.aws.ca())).exits(0);
    let config =
        format!("[default]\nregion = eu-west-1\n[profile work]\nca_bundle = {}\n", server.aws.ca().display());
    server.desk.write("aws-config", config.as_bytes());
    let with_config = || without().env("AWS_CONFIG_FILE", "aws-config");
    server.done(with_config().env("AWS_PROFILE", "work")).exits(0);
    server.fails(with_config(), 9);
}

#[test]
fn one_bad_certificate_does_not_spoil_a_bundle() {
    let server = Server::new();
    let good = std::fs::read_to_string(server.aws.ca()).unwrap();
    let bad = "-----BEGIN CERTIFICATE-----\nMAMCAQE=\n-----END CERTIFICATE-----\n";
    server.desk.write("bundle.pem", [bad, &good, "text\n", bad].concat().as_bytes());
    let done = server.done(run(&server).env("AWS_CA_BUNDLE", "bundle.pem")).exits(0);
    for number in [1, 3] {
        let said = format!("certificate {number} of the CA bundle \"bundle.pem\" is left out");
        assert!(done.stderr().contains(&said), "{}", done.stderr());
    }
    server.desk.write("bundle.pem", bad.as_bytes());
    server.fails(run(&server).env("AWS_CA_BUNDLE", "bundle.pem"), 7).says("bundle.pem");
}

#[test]
fn no_verify_ssl_brings_a_warning() {
    let server = Server::new();
    let blind = server.run("credential-process", &["--no-cache", "--no-verify-ssl"]);
    let done = server.done(blind.without_env("AWS_CA_BUNDLE")).exits(0);
    done.says("warning: --no-verify-ssl: anyone between this computer and AWS can take the credentials");
}

#[test]
fn an_endpoint_without_tls_is_for_this_computer_alone() {
    let server = Server::of(Authority::new(), &["--plain"]);
    server.done(run(&server).without_env("AWS_CA_BUNDLE")).exits(0);
    assert_eq!(server.aws.log()[0]["tls"], Value::Null);
    let server = Server::of(Authority::new(), &["--address", "::1"]);
    server.done(run(&server)).exits(0);
}

/// A name for this computer that only the test's proxy knows.
const BEHIND_PROXY: &str = "roles-anywhere.test";

/// A service that can also be reached through the test's proxy, under another name.
fn behind_proxy() -> (Server, String) {
    let options = ["--server-name", "localhost", "--server-name", BEHIND_PROXY];
    let server = Server::of(Authority::with_intermediate(), &options);
    let url = server.aws.url().replace("localhost", BEHIND_PROXY);
    (server, url)
}

#[test]
fn a_proxy_is_used_only_when_it_is_asked_for() {
    let ((server, endpoint), proxy) = (behind_proxy(), Proxy::start());
    let with = |options: &[&str], variables: &[(&str, &str)]| {
        let more = [options, &["--no-cache"]].concat();
        let mut run = server.run_but("credential-process", &[("--endpoint", &endpoint)], &more);
        for (name, value) in variables {
            run = run.env(name, value);
        }
        let before = proxy.log().len();
        let done = server.done(run);
        let is_used = proxy.log().len() > before;
        // Without the proxy the name leads nowhere.
        done.exits(if is_used { 0 } else { 9 });
        is_used
    };
    let url = proxy.url();
    assert!(!with(&[], &[("HTTPS_PROXY", url), ("https_proxy", url), ("ALL_PROXY", url)]));
    assert!(with(&["--with-proxy"], &[("HTTPS_PROXY", url)]));
    assert!(with(&["--with-proxy"], &[("https_proxy", url)]));
    assert!(with(&[], &[("HTTPS_PROXY", url), ("COUNTERSIGN_WITH_PROXY", "true")]));
    assert!(!with(&["--with-proxy"], &[]));
    assert!(!with(&["--with-proxy"], &[("HTTP_PROXY", url)]));
    for list in [BEHIND_PROXY, "*", "example.com, test"] {
        assert!(!with(&["--with-proxy"], &[("HTTPS_PROXY", url), ("NO_PROXY", list)]), "{list}");
    }
    assert!(with(&["--with-proxy"], &[("HTTPS_PROXY", url), ("NO_PROXY", "oles-anywhere.test")]));
    assert_eq!(proxy.log()[0]["target"], endpoint.replace("https://", ""));
    assert_eq!(proxy.log()[0]["method"], "CONNECT");
}

#[test]
fn a_proxy_that_does_not_speak_http_is_refused_and_a_dead_one_is_named() {
    let server = Server::new();
    let endpoint = format!("https://{BEHIND_PROXY}");
    let with = |url: &str| {
        let more = ["--no-cache", "--with-proxy"];
        server.run_but("credential-process", &[("--endpoint", &endpoint)], &more).env("HTTPS_PROXY", url)
    };
    for scheme in ["socks5", "SOCKS5h", "socks4"] {
        let done =
            server.fails(with(&format!("{scheme}://u:hunter2@127.0.0.1:1080")), 2).says("not supported");
        assert!(!done.stderr().contains("hunter2"), "{}", done.stderr());
    }
    server.fails(with("http://u:hunter2@127.0.0.1:1"), 9).says("the proxy 127.0.0.1:1 could not be reached");
}

#[test]
fn no_proxy_is_read_as_curl_and_go_read_it() {
    let ((server, endpoint), proxy) = (behind_proxy(), Proxy::start());
    let port = server.aws.url().rsplit(':').next().unwrap().to_owned();
    let is_used = |list: &str| {
        let before = proxy.log().len();
        let more = ["--no-cache", "--with-proxy"];
        let run = server.run_but("credential-process", &[("--endpoint", &endpoint)], &more);
        let done = server.done(run.env("HTTPS_PROXY", proxy.url()).env("NO_PROXY", list));
        let is_used = proxy.log().len() > before;
        // Without the proxy the name leads nowhere.
        done.exits(if is_used { 0 } else { 9 });
        is_used
    };
    for list in ["ROLES-ANYWHERE.TEST", "*.roles-anywhere.test", &format!("{BEHIND_PROXY}:{port}")] {
        assert!(!is_used(list), "{list}");
    }
    for list in ["roles-anywhere.test:1", "127.0.0.0/8"] {
        assert!(is_used(list), "{list}");
    }
}

#[test]
fn an_empty_variable_counts_as_unset_and_the_endpoints_variables_are_read() {
    let server = Server::new();
    let switches = ["AWS_USE_FIPS_ENDPOINT", "AWS_USE_DUALSTACK_ENDPOINT", "COUNTERSIGN_WITH_PROXY"];
    server.done(switches.into_iter().fold(run(&server), |run, name| run.env(name, ""))).exits(0);
    let without = || server.run_but("credential-process", &[("--endpoint", "")], &["--no-cache"]);
    let nowhere = "https://127.0.0.1:1";
    server
        .done(
            without()
                .env("AWS_ENDPOINT_URL_ROLESANYWHERE", server.aws.url())
                .env("AWS_ENDPOINT_URL", nowhere),
        )
        .exits(0);
    server
        .done(without().env("AWS_ENDPOINT_URL", server.aws.url()).env("AWS_ENDPOINT_URL_ROLESANYWHERE", ""))
        .exits(0);
    assert_eq!(server.aws.log().len(), 3);
    // A variable that somebody set for another service is named.
    let refused = server.fails(without().env("AWS_ENDPOINT_URL", "http://minio.example:9000"), 2);
    refused.says("The endpoint comes from AWS_ENDPOINT_URL.");
    // An option takes precedence over a variable.
    server.done(run(&server).env("AWS_ENDPOINT_URL_ROLESANYWHERE", nowhere)).exits(0);
}

#[test]
fn an_expiration_goes_out_in_utc_whatever_aws_sent() {
    let server = Server::new();
    let end = (clock::now() + jiff::SignedDuration::from_hours(1)).strftime("%Y-%m-%dT%H:%M:%S").to_string();
    let body = json!({"credentialSet": [{"credentials": {
        "accessKeyId": "ASIATEST", "secretAccessKey": "secret", "sessionToken": "token",
        "expiration": format!("{end}.250+00:00"),
    }}]});
    server.aws.next(json!({"do": "body", "body": body.to_string(), "status": 201}));
    let done = run(&server).go().exits(0);
    assert_eq!(done.json()["Expiration"], format!("{end}Z"));
}

#[test]
fn an_endpoint_on_this_computer_is_never_reached_through_a_proxy() {
    let (server, proxy) = (Server::new(), Proxy::start());
    let plain = Server::of(Authority::new(), &["--plain"]);
    for server in [&server, &plain] {
        let run = server.run("credential-process", &["--no-cache", "--with-proxy"]);
        let run = run.env("HTTPS_PROXY", proxy.url()).env("HTTP_PROXY", proxy.url());
        let run = run.env("http_proxy", proxy.url());
        // Without TLS there is no CA.
        let run = if server.aws.ca().exists() { run } else { run.without_env("AWS_CA_BUNDLE") };
        server.done(run).exits(0);
    }
    assert!(proxy.log().is_empty(), "{:?}", proxy.log());
}

#[test]
fn a_switch_for_the_proxy_is_read_as_people_write_it() {
    let ((server, endpoint), proxy) = (behind_proxy(), Proxy::start());
    for (value, used) in [("1", true), ("true", true), ("0", false), ("false", false)] {
        let before = proxy.log().len();
        let run = server.run_but("credential-process", &[("--endpoint", &endpoint)], &["--no-cache"]);
        let run = run.env("HTTPS_PROXY", proxy.url()).env("COUNTERSIGN_WITH_PROXY", value);
        server.done(run).exits(if used { 0 } else { 9 });
        assert_eq!(proxy.log().len() > before, used, "{value}");
    }
}

#[test]
fn a_proxy_that_requires_a_password_gets_it_and_no_other_server() {
    let (server, endpoint) = behind_proxy();
    let proxy = Proxy::with_options(&["--authorization", "Basic dTpodW50ZXIy"]);
    let with = |url: &str| {
        let options = ["--no-cache", "--with-proxy", "--debug"];
        server.run_but("credential-process", &[("--endpoint", &endpoint)], &options).env("HTTPS_PROXY", url)
    };
    let done = server.done(with(&proxy.url().replace("://", "://u:hunter2@"))).exits(0);
    assert!(!done.stderr().contains("hunter2"), "{}", done.stderr());
    server.fails(with(proxy.url()), 9).says("407");
    let log = server.aws.log();
    assert!(log.iter().all(|line| line["headers"].get("proxy-authorization").is_none()));
    let wrong = server.fails(with(&proxy.url().replace("://", "://u:hunter3@")), 9);
    assert!(!wrong.stderr().contains("hunter3"), "{}", wrong.stderr());
}

#[test]
fn a_proxy_s_password_is_not_repeated_where_its_url_is_malformed() {
    let server = Server::new();
    for url in ["ftp://u:hunter2@proxy.example", "http://u:hunter2@[::1", "u:hunter2@proxy example"] {
        let endpoint = format!("https://{BEHIND_PROXY}");
        let more = ["--no-cache", "--with-proxy"];
        let run = server.run_but("credential-process", &[("--endpoint", &endpoint)], &more);
        let done = server.fails(run.env("HTTPS_PROXY", url), 2);
        assert!(!done.stderr().contains("hunter2"), "{}", done.stderr());
    }
}
