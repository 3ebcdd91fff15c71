//! `countersign serve` when a renewal fails: the network, the device, the PIN, the certificate.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::support::authority::{Authority, Leaf};
use crate::support::clients::{Way, boto3_over_time};
use crate::support::clock;
use crate::support::desk::{Desk, PIN};
use crate::support::faults::{calls, faulty};
use crate::support::parts::softhsm_module;
use crate::support::roles_anywhere::RolesAnywhere;
use crate::support::running::{PulledOut, eventually};
use crate::support::server::Server;
use crate::support::serving::{Serving, UNCERTAINTY};

#[test]
fn old_credentials_are_handed_out_until_they_expire_then_the_reason_and_then_new_ones() {
    let server = Server::new();
    server.aws.settings(json!({"lifetime": 12}));
    server.aws.next(json!([{"do": "normal"}, {"do": "status", "status": 503, "times": 0}]));
    let serving = Serving::start(&server, &[]);
    let end: jiff::Timestamp =
        server.aws.log()[0]["credential"]["expiration"].as_str().unwrap().parse().unwrap();
    serving.running.says("role=demo not renewed, next attempt in 1 second");
    let (status, health) = serving.health();
    assert_eq!((status, &health["state"]), (200, &json!("not renewed")));
    assert!(health["roles"][0]["last_error"].as_str().unwrap().contains("try again later"), "{health}");
    let key = server.aws.access_keys()[0].clone();
    let refused = loop {
        std::thread::sleep(Duration::from_millis(20));
        let asked = clock::now();
        let answer = serving.credentials("demo");
        if answer.status != 200 {
            assert!(clock::now() >= end - UNCERTAINTY, "{key} ended before its end: {}", answer.body);
            break answer.is(503);
        }
        assert!(asked < end + UNCERTAINTY, "{key} was handed out after its end");
        assert_eq!(answer.json()["AccessKeyId"], key);
    };
    assert!(refused.json()["message"].as_str().unwrap().contains("try again later"), "{}", refused.body);
    assert!(!refused.body.contains("AccessKeyId"), "{}", refused.body);
    let (status, health) = serving.health();
    assert_eq!((status, &health["state"]), (503, &json!("no credentials")));
    server.aws.clear().settings(json!({"lifetime": null}));
    serving.running.says("role=demo renewed");
    assert_eq!(serving.access_key(), *server.aws.access_keys().last().unwrap());
    let (status, health) = serving.health();
    assert_eq!((status, &health["roles"][0]["last_error"]), (200, &Value::Null));
    serving.stop();
}

#[test]
fn p11_kit_is_asked_once_for_its_modules() {
    // libp11-kit keeps the memory that each query takes, and a service would ask for years.
    let server = Server::new();
    let modules = [("softhsm2.module", &*format!("module: {}\n", softhsm_module()))];
    let serving = Serving::of(&server, server.run_under_p11_kit(&modules, "serve", &["--port", "0"]));
    server.desk.write("p11-kit-modules/softhsm2.module", b"module: /no/such/module.so\n");
    serving.running.signal(Signal::HUP).says("role=demo renewed");
    serving.stop();
}

#[test]
fn an_answer_without_credentials_does_not_replace_good_ones() {
    let server = Server::new();
    let serving = Serving::start(&server, &[]);
    let key = serving.access_key();
    let bad = json!([
        {"do": "empty-credential-set"},
        {"do": "not-json"},
        {"do": "html"},
        {"do": "denied"},
        {"do": "lifetime", "seconds": -10},
        {"do": "body", "body": r#"{"credentialSet":[{"credentials":{"accessKeyId":"","secretAccessKey":"","sessionToken":"","expiration":"2099-01-01T00:00:00Z"}}]}"#},
    ]);
    for behavior in bad.as_array().unwrap() {
        let mut behavior = behavior.clone();
        behavior["times"] = json!(0);
        server.aws.next_instead(behavior.clone());
        let before = serving.running.said().matches("role=demo not renewed").count();
        serving.running.signal(Signal::HUP).says_times(before + 1, "role=demo not renewed");
        assert_eq!(serving.access_key(), key, "{behavior}");
    }
    serving.stop();
}

#[test]
fn a_device_that_is_gone_for_a_while_is_found_again_while_the_old_credentials_are_served() {
    let server = Server::new();
    let serving = Serving::start(&server, &[]);
    let gone = PulledOut::of(&server);
    serving.running.signal(Signal::HUP).says("role=demo not renewed");
    assert_eq!(serving.access_key(), server.aws.access_keys()[0]);
    assert_eq!(serving.health().1["state"], "not renewed");
    drop(gone);
    serving.running.says("role=demo renewed");
    assert_eq!(serving.access_key(), server.aws.access_keys()[1]);
    serving.stop();
}

#[test]
fn a_device_that_hangs_ends_it_as_soon_as_no_credentials_are_valid() {
    let server = Server::new();
    server.aws.settings(json!({"lifetime": 12}));
    let run = server.run("serve", &["--port", "0", "--timeout", "1"]);
    let mut serving = Serving::of(&server, faulty(&server, run, "C_Sign:2=delay:120000"));
    let end: jiff::Timestamp =
        server.aws.log()[0]["credential"]["expiration"].as_str().unwrap().parse().unwrap();
    eventually("the device hangs", || (calls(&server.desk, "C_Sign") == 2).then_some(()));
    std::thread::sleep(Duration::from_millis(1300));
    // Valid credentials are handed out although the device hangs for longer than allowed.
    if clock::now() < end - Duration::from_secs(3) {
        assert_eq!(serving.access_key(), server.aws.access_keys()[0]);
    }
    let said = serving.running.ends(3);
    assert!(clock::now() >= end - UNCERTAINTY, "it ended while it had credentials");
    assert!(said.contains("has not answered for 1 second (C_Sign)"), "{said}");
}

#[test]
fn a_session_that_the_device_lost_in_the_middle_is_reopened() {
    let server = Server::new();
    let run = faulty(&server, server.run("serve", &["--port", "0"]), "C_Sign:2=lost");
    let serving = Serving::of(&server, run);
    serving.running.signal(Signal::HUP).says("role=demo renewed");
    assert_eq!(serving.access_key(), server.aws.access_keys()[1]);
    serving.stop();
}

#[test]
fn a_wrong_pin_is_sent_again_only_on_request() {
    let server = Server::new();
    let serving = Serving::of(&server, faulty(&server, server.run("serve", &["--port", "0"]), ""));
    serving.running.hides("999999");
    server.desk.write("device/pin", b"999999\n");
    serving.running.signal(Signal::HUP).says("next attempt when SIGHUP asks for it");
    let busy = cpu_ticks(&serving);
    std::thread::sleep(Duration::from_secs(3));
    assert_eq!(calls(&server.desk, "C_Login"), 2);
    assert!(cpu_ticks(&serving) - busy < 50, "it is busy while it waits for a person");
    let (_, health) = serving.health();
    let why = health["roles"][0]["last_error"].as_str().unwrap();
    assert!(why.contains("PIN") && !why.contains("999999"), "{why}");
    assert_eq!(serving.access_key(), server.aws.access_keys()[0]);
    serving.running.signal(Signal::HUP).says_times(2, "next attempt when SIGHUP asks for it");
    assert_eq!(calls(&server.desk, "C_Login"), 3);
    server.desk.write("device/pin", format!("{}\n", PIN).as_bytes());
    // The service may have noticed the new PIN before the signal came, and then logs in for each.
    serving.running.signal(Signal::HUP).says("role=demo renewed");
    assert!((4..=5).contains(&calls(&server.desk, "C_Login")));
    serving.stop();
}

/// The processor time that the process has used, in hundredths of a second.
fn cpu_ticks(serving: &Serving<'_>) -> u64 {
    let stat =
        std::fs::read_to_string(format!("/proc/{}/stat", serving.running.pid().as_raw_nonzero())).unwrap();
    let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
}

#[test]
fn no_boto3_session_signs_with_expired_credentials_even_if_aws_fails_at_the_renewal() {
    // Like sessions of 900 seconds, in a fifteenth of the time. boto3 uses credentials that expire soon for
    // up to 40 more seconds (10 minutes), whatever it is told.
    const LIFETIME: &str = "60";
    let server = Server::new();
    server.aws.settings(json!({"lifetime": 60}));
    // The renewal gets this answer twice before one succeeds, three seconds later. Two more seconds later 40 would be left.
    server.aws.next(json!([{"do": "normal"}, {"do": "status", "status": 503, "times": 2}]));
    let serving = Serving::start(&server, &[]);
    let url = serving.url();
    let options = ["--lifetime", LIFETIME, "--sessions", "25", "--seconds", "66"];
    let sessions = boto3_over_time(&server.desk, &Way::Imds { endpoint: &url }, &options);
    let ends: HashMap<String, jiff::Timestamp> = server
        .aws
        .log()
        .iter()
        .map(|line| &line["credential"])
        .filter_map(|given| {
            let end = given["expiration"].as_str()?.parse().unwrap();
            Some((given["accessKeyId"].as_str()?.to_owned(), end))
        })
        .collect();
    let sessions = sessions.as_array().unwrap();
    assert_eq!(sessions.len(), 25);
    for session in sessions.iter().map(|session| session.as_object().unwrap()) {
        for (key, last_use) in session {
            let end = ends[key].as_millisecond() as f64 / 1000.0;
            let last_use = last_use.as_f64().unwrap();
            assert!(last_use < end, "{key} was used for {} s after its end", last_use - end);
        }
    }
    let first = server.aws.access_keys()[0].clone();
    assert!(sessions[0].as_object().unwrap().contains_key(&first), "no session saw the outage");
    assert!(
        sessions
            .iter()
            .all(|session| session.as_object().unwrap().len() > 1 || session.get(&first).is_none())
    );
    serving.stop();
}

#[test]
fn a_certificate_that_was_renewed_is_presented_at_the_next_renewal() {
    let (desk, authority) = (Desk::new(), Authority::new());
    std::fs::copy(authority.anchor(), desk.path("intermediates.pem")).unwrap();
    let server = Server { aws: RolesAnywhere::trusting(&authority), desk, authority };
    let issue = || {
        let (key, new) = (server.desk.path("device/signkey.pub.pem"), server.desk.path("new.pem"));
        server.authority.issue(&key, &Leaf::default(), &new);
        std::fs::rename(new, server.desk.path("server.pem")).unwrap();
    };
    issue();
    let serving = Serving::start(&server, &[]);
    issue();
    serving.running.signal(Signal::HUP).says("role=demo renewed");
    let log = server.aws.log();
    assert_ne!(log[0]["serial"], log[1]["serial"]);
    // A file without a certificate is not sent to AWS.
    server.desk.write("server.pem", b"nothing");
    serving.running.signal(Signal::HUP).says("role=demo not renewed");
    assert_eq!(serving.access_key(), server.aws.access_keys()[1]);
    assert_eq!(server.aws.log().len(), 2);
    serving.stop();
}

#[test]
fn a_device_that_hangs_does_not_delay_clients() {
    let server = Server::new();
    let run = server.run("serve", &["--port", "0", "--timeout", "1"]);
    let serving = Serving::of(&server, faulty(&server, run, "C_Sign:2=delay:5000"));
    serving.running.signal(Signal::HUP);
    eventually("the second signature", || (calls(&server.desk, "C_Sign") == 2).then_some(()));
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(3) {
        let asked = Instant::now();
        assert_eq!(serving.access_key(), server.aws.access_keys()[0]);
        assert!(asked.elapsed() < Duration::from_secs(1), "{:?}", asked.elapsed());
        std::thread::sleep(Duration::from_millis(50));
    }
    let (_, health) = serving.health();
    assert_eq!(health["waits_for"]["function"], "C_Sign", "nobody is told that the device hangs: {health}");
    assert!(health["waits_for"]["seconds"].as_u64().unwrap() >= 2, "{health}");
    // It answers eventually.
    serving.running.says("role=demo renewed");
    assert_eq!(serving.access_key(), server.aws.access_keys()[1]);
    serving.stop();
}

#[test]
fn of_several_roles_one_that_is_refused_does_not_delay_the_others() {
    let server = Server::new();
    let role = |name: &str| {
        format!("[[role]]\nname = \"{name}\"\nrole-arn = \"arn:aws:iam::123456789012:role/{name}\"\n")
    };
    server.desk.write("serve.toml", [role("one"), role("two")].concat().as_bytes());
    let serving = Serving::start(&server, &["--config", "serve.toml"]);
    server.aws.next(json!({"do": "denied"}));
    serving.running.signal(Signal::HUP).says("role=one not renewed").says("role=two renewed");
    let key = |role: &str| serving.credentials(role).is(200).json()["AccessKeyId"].clone();
    let keys = server.aws.access_keys();
    assert_eq!((key("one"), key("two")), (json!(keys[0]), json!(keys[2])));
    serving.running.says("role=one renewed");
    assert_eq!(key("one"), json!(server.aws.access_keys()[3]));
    serving.stop();
}

#[test]
fn a_clock_that_is_ahead_by_hours_is_reported_and_aws_is_not_asked_repeatedly() {
    let server = Server::new();
    let run = clock::off_by(server.run("serve", &["--port", "0"]), "+2h");
    let serving = Serving::of(&server, run);
    // AWS's time is in whole seconds.
    let said = serving.running.says("clock is ahead of AWS's by ").said();
    assert!(["by 2 hours;", "by 119 minutes;"].iter().any(|by| said.contains(by)), "{said}");
    std::thread::sleep(Duration::from_secs(2));
    assert_eq!(server.aws.log().len(), 2, "one that was refused, and one with AWS's time");
    serving.stop();
}

#[test]
fn a_clock_that_is_set_back_does_not_make_credentials_last_longer() {
    // Two hours ahead until NTP sets it, and right until somebody sets it wrong.
    for (before, after) in [("+2h", "+0s"), ("+0s", "-2h")] {
        let server = Server::new();
        server.certify("device/signkey.pub.pem", &Leaf { valid_days: Some((-1.0, 90.0)), ..Leaf::default() });
        server.aws.settings(json!({"lifetime": 10}));
        let clock = clock::Settable::in_file(server.desk.path("clock"), before);
        let serving = Serving::of(&server, clock.of(server.run("serve", &["--port", "0"])));
        server.aws.next(json!({"do": "status", "status": 503, "times": 0}));
        let given = server.aws.log().last().unwrap()["credential"]["expiration"].as_str().unwrap().to_owned();
        let end: jiff::Timestamp = given.parse().unwrap();
        clock.set(after);
        assert_eq!(serving.credentials("demo").status, 200, "{before} to {after}");
        while clock::now() < end + Duration::from_millis(1100) {
            std::thread::sleep(Duration::from_millis(100));
        }
        let ended = serving.credentials("demo");
        assert_eq!(ended.status, 503, "{before} to {after}: {}", ended.body);
        assert_eq!(serving.health().1["state"], "no credentials");
        serving.stop();
    }
}

#[test]
fn when_the_clock_is_set_aws_is_asked_for_the_time() {
    let server = Server::new();
    server.certify("device/signkey.pub.pem", &Leaf { valid_days: Some((-1.0, 90.0)), ..Leaf::default() });
    let clock = clock::Settable::in_file(server.desk.path("clock"), "+2h");
    let serving = Serving::of(&server, clock.of(server.run("serve", &["--port", "0"])));
    serving.running.says_times(1, "clock is ahead of AWS's by ");
    clock.set("+0s");
    serving.running.says("role=demo renewed");
    // The earlier correction no longer counts: the request was right at once.
    assert_eq!(server.aws.log().len(), 3);
    clock.set("-1h");
    serving.running.says_times(2, "role=demo renewed").says("clock is behind AWS's by ");
    assert_eq!(serving.access_key(), *server.aws.access_keys().last().unwrap());
    serving.stop();
}

#[test]
fn a_clock_that_is_behind_does_not_make_credentials_last_longer() {
    let (desk, authority) = (Desk::new(), Authority::new());
    let days = Leaf { valid_days: Some((-1.0, 30.0)), ..Leaf::default() };
    authority.issue(&desk.path("device/signkey.pub.pem"), &days, &desk.path("server.pem"));
    std::fs::copy(authority.anchor(), desk.path("intermediates.pem")).unwrap();
    let server = Server { aws: RolesAnywhere::trusting(&authority), desk, authority };
    server.aws.settings(json!({"lifetime": 6}));
    let serving = Serving::of(&server, clock::off_by(server.run("serve", &["--port", "0"]), "-10m"));
    serving.running.says("clock is behind AWS's by").says("role=demo renewed");
    serving.stop();
}
