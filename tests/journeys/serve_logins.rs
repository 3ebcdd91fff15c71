//! `countersign serve` and the PIN of its device: one login state, however many roles there are.

use rustix::process::Signal;
use serde_json::json;

use crate::support::desk::PIN;
use crate::support::faults::{calls, faulty};
use crate::support::run::Run;
use crate::support::running::eventually;
use crate::support::server::Server;
use crate::support::serving::Serving;

const ROLES: [&str; 5] = ["one", "two", "three", "four", "five"];

fn with_roles(server: &Server) -> [&'static str; 2] {
    let role = |name: &str| {
        format!("[[role]]\nname = \"{name}\"\nrole-arn = \"arn:aws:iam::123456789012:role/{name}\"\n")
    };
    server.desk.write("serve.toml", ROLES.map(role).concat().as_bytes());
    ["--config", "serve.toml"]
}

fn serving<'a>(server: &'a Server, more: &[&str]) -> Serving<'a> {
    let options = [&["--port", "0"][..], &with_roles(server), more].concat();
    Serving::of(server, faulty(server, server.run("serve", &options), ""))
}

#[test]
fn a_wrong_pin_is_sent_once_for_all_roles_and_a_corrected_one_without_being_asked() {
    let server = Server::new();
    let serving = serving(&server, &[]);
    assert_eq!(calls(&server.desk, "C_Login"), ROLES.len());
    serving.running.hides("999999");
    server.desk.write("device/pin", b"999999\n");
    for times in 1..3 {
        serving.running.signal(Signal::HUP);
        for role in ROLES {
            serving
                .running
                .says_times(times, &format!("role={role} not renewed, next attempt when SIGHUP asks for it"));
        }
        assert_eq!(calls(&server.desk, "C_Login"), ROLES.len() + times);
    }
    let health = serving.health().1;
    assert_eq!(health["state"], json!("not renewed"));
    assert!(
        health["roles"][4]["last_error"].as_str().unwrap().contains("was not accepted before"),
        "{health}"
    );
    // Another wrong one is sent once, too.
    serving.running.hides("888888");
    server.desk.write("device/pin", b"888888\n");
    eventually("a login", || (calls(&server.desk, "C_Login") == ROLES.len() + 3).then_some(()));
    std::thread::sleep(std::time::Duration::from_secs(4));
    assert_eq!(calls(&server.desk, "C_Login"), ROLES.len() + 3);
    // Nobody sends a signal.
    server.desk.write("device/pin", format!("{PIN}\n").as_bytes());
    for role in ROLES {
        serving.running.says(&format!("role={role} renewed"));
    }
    assert_eq!(calls(&server.desk, "C_Login"), 2 * ROLES.len() + 3);
    serving.stop();
}

/// With a PIN that can be read once.
fn with_descriptor(server: &Server) -> Run {
    let options = server.options_but(&[]);
    let arguments: Vec<&str> = ["serve", "--port", "0", "--pin-source", "fd:7"]
        .into_iter()
        .chain(with_roles(server))
        .chain(options.iter().map(String::as_str))
        .collect();
    let script = ["sh", "-c", "exec 7<device/pin; exec \"$@\"", "sh"];
    server.desk.countersign_under(&script, &arguments).env("AWS_CA_BUNDLE", server.aws.ca())
}

#[test]
fn a_pin_that_can_be_read_once_serves_all_roles() {
    let server = Server::new();
    let running = crate::support::running::Running::of(&server, with_descriptor(&server));
    running.says("listening on");
    for role in ROLES {
        running.says(&format!("role={role} expiration="));
    }
}

#[test]
fn one_role_that_is_refused_does_not_keep_the_others_from_being_served() {
    let server = Server::new();
    server.aws.next(json!([{"do": "normal"}, {"do": "denied"}]));
    let serving = serving(&server, &[]);
    serving.running.says("role=one expiration=").says("role=two not renewed, next attempt in 1 second");
    serving.credentials("one").is(200);
    // It is tried again.
    serving.running.says("role=two renewed");
    serving.credentials("two").is(200);
    serving.stop();

    // Where all are required, and where there is none, it does not start.
    for (more, behavior) in [
        (&["--require-all"][..], json!([{"do": "normal"}, {"do": "denied"}])),
        (&[], json!({"do": "denied", "times": 0})),
    ] {
        server.aws.next_instead(behavior);
        let options = [&["--port", "0"][..], &with_roles(&server), more].concat();
        server.run("serve", &options).go().exits(9);
    }
}
