//! `countersign serve` as AWS's own client uses it, and how it starts and ends.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;

use rustix::process::Signal;
use serde_json::json;

use crate::support::clients::{Moto, Way, boto3, boto3_with};
use crate::support::faults::{calls, faulty};
use crate::support::roles_anywhere::PROFILE;
use crate::support::running::Running;
use crate::support::server::Server;
use crate::support::serving::{ROLES, Serving, TOKEN};

const CONFIG: &[u8] = b"# two roles\n[[role]]\nname = \"backup\"\nrole-arn = \"arn:aws:iam::123456789012:role/Backup\"\n\n\
    [[role]]\nname = \"reports\"\nrole-arn = \"arn:aws:iam::123456789012:role/Reports\"\nsession-duration = 900\n";

#[test]
fn boto3_gets_credentials_by_imds_and_new_ones_after_a_renewal() {
    let (server, moto) = (Server::new(), Moto::start());
    let serving = Serving::start(&server, &["--debug"]);
    let url = serving.url();
    let way = Way::Imds { endpoint: &url };
    let used = boto3(&server.desk, &moto, &way);
    assert_eq!(used["calls"][0]["sent_access_key"], json!([server.aws.access_keys()[0]]));
    serving.running.signal(Signal::HUP).says("role=demo renewed");
    let used = boto3(&server.desk, &moto, &way);
    assert_eq!(used["calls"][0]["sent_access_key"], json!([server.aws.access_keys()[1]]));
    serving.stop();
}

#[test]
fn boto3_gets_several_roles_from_the_container_endpoint_each_with_its_own_keys() {
    let (server, moto) = (Server::new(), Moto::start());
    server.desk.write("serve.toml", CONFIG);
    let serving = Serving::start(&server, &["--config", "serve.toml", "--container-token-file", "token"]);
    let token_file = server.desk.path("token");
    let token = fs::read_to_string(&token_file).unwrap();
    serving.running.hides(&token);
    for (number, role) in ["backup", "reports"].into_iter().enumerate() {
        let uri = format!("{}/creds/{role}", serving.url());
        let used = boto3(&server.desk, &moto, &Way::Container { uri: &uri, token_file: &token_file });
        assert_eq!(used["calls"][0]["sent_access_key"], json!([server.aws.access_keys()[number]]));
        let answer =
            serving.ask("GET", &format!("/creds/{role}"), &[("Authorization", &token)]).is(200).json();
        let asked = &server.aws.log()[number]["json"];
        assert_eq!(answer["RoleArn"], asked["roleArn"]);
        assert_eq!(asked["profileArn"], PROFILE);
        assert_eq!(asked["durationSeconds"], if role == "reports" { 900 } else { 3600 });
    }
    server.desk.write("other", b"another-token-that-is-wrong");
    let uri = format!("{}/creds/backup", serving.url());
    let way = Way::Container { uri: &uri, token_file: &server.desk.path("other") };
    let error = boto3_with(&server.desk, &moto, &way, &[]).unwrap_err();
    assert!(error["message"].as_str().unwrap().contains("401"), "{error}");
    serving.stop();
}

#[test]
fn boto3_gets_the_first_of_several_roles_by_imds() {
    // An EC2 instance has one role, and boto3 takes the whole list as its name.
    let (server, moto) = (Server::new(), Moto::start());
    server.desk.write("serve.toml", CONFIG);
    let serving = Serving::start(&server, &["--config", "serve.toml"]);
    let url = serving.url();
    let used = boto3(&server.desk, &moto, &Way::Imds { endpoint: &url });
    assert_eq!(used["calls"][0]["sent_access_key"], json!([server.aws.access_keys()[0]]));
    let second = serving.credentials("reports").is(200).json();
    assert_eq!(second["AccessKeyId"], json!(server.aws.access_keys()[1]));
    serving.stop();
}

#[test]
fn a_renewal_costs_one_login_and_one_signature() {
    let server = Server::new();
    let run = faulty(&server, server.run("serve", &["--port", "0"]), "");
    let serving = Serving::of(&server, run);
    for times in 1..4 {
        assert_eq!((calls(&server.desk, "C_Login"), calls(&server.desk, "C_Sign")), (times, times));
        serving.running.signal(Signal::HUP).says_times(times, "role=demo renewed");
    }
    serving.stop();
}

#[test]
fn the_container_token_is_created_for_its_owner_alone() {
    let server = Server::new();
    let serving = Serving::start(&server, &["--container-token-file", "token"]);
    let path = server.desk.path("token");
    let token = fs::read_to_string(&path).unwrap();
    serving.running.hides(&token);
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o600);
    assert!(token.len() >= 32 && token.bytes().all(|byte| byte.is_ascii_graphic()));
    for authorization in ["", "wrong", &token[1..], &format!("Bearer {token}")] {
        serving.ask("GET", "/creds/demo", &[("Authorization", authorization)]).is(401);
    }
    serving.ask("GET", "/creds/demo", &[]).is(401);
    serving.ask("GET", "/creds/other", &[("Authorization", &token)]).is(404);
    serving.ask("GET", "/creds/demo/", &[("Authorization", &token)]).is(200);
    // It does not grant access the other way.
    serving.ask("GET", &format!("{ROLES}/demo"), &[(TOKEN, &token)]).is(401);
    serving.stop();

    // The next start keeps it; a token that others can read, or that can be guessed, is refused.
    let again = Serving::start(&server, &["--container-token-file", "token"]);
    assert_eq!(fs::read_to_string(&path).unwrap(), token);
    again.running.hides(&token);
    again.stop();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    let requests = server.aws.log().len();
    let start = || server.run("serve", &["--port", "0", "--container-token-file", "token"]).go().exits(1);
    let done = start().says("can be read by others (mode 0640)");
    assert!(!done.stderr().contains(&token));
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    for unusable in ["short", "0123456789abcdef\n"] {
        server.desk.write("token", unusable.as_bytes());
        start().says("holds no token");
    }
    assert_eq!(server.aws.log().len(), requests);
}

#[test]
fn without_credentials_at_the_start_it_ends_with_an_error() {
    let server = Server::new();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let start = |more: &[&str]| server.run("serve", &[&["--port", &port], more].concat());
    start(&[]).go().exits(1).says("nothing can listen on 127.0.0.1:").says("--port 0");
    assert!(server.aws.log().is_empty());
    drop(taken);
    server.desk.write("wrong", b"999999\n");
    start(&[]).env("COUNTERSIGN_PIN_SOURCE", "file:wrong").go().exits(5);
    server.aws.next(json!({"do": "denied"}));
    start(&[]).go().exits(9).says("Unable to assume role.");
    start(&["--role-session-name", "a name"]).go().exits(2);
    for (config, said) in [
        ("", "defines no role"),
        ("[[role]]\nname = \"a/b\"\n", "is not a valid role name"),
        ("[[role]]\nname = \"a\"\n[[role]]\nname = \"a\"\n", "is used twice"),
        ("[[role]]\nname = \"a\"\npin = \"1\"\n", "unknown field"),
    ] {
        server.desk.write("serve.toml", config.as_bytes());
        start(&["--config", "serve.toml"]).go().exits(7).says(said);
    }
    let gone = crate::support::running::PulledOut::of(&server);
    let mut running = Running::of(&server, start(&[]));
    let said = running.ends(3);
    assert!(!said.contains("listening"), "{said}");
    drop(gone);
    // The port was released each time.
    TcpListener::bind(format!("127.0.0.1:{port}")).unwrap();
}

#[test]
fn ten_clients_that_start_together_get_the_same_keys() {
    let (server, moto) = (Server::new(), Moto::start());
    let serving = Serving::start(&server, &[]);
    let url = serving.url();
    let keys = std::thread::scope(|scope| {
        let client = || boto3(&server.desk, &moto, &Way::Imds { endpoint: &url });
        let clients: Vec<_> = (0..10).map(|_| scope.spawn(client)).collect();
        clients.into_iter().map(|client| client.join().unwrap()).collect::<Vec<_>>()
    });
    for used in keys {
        assert_eq!(used["calls"][0]["sent_access_key"], json!([server.aws.access_keys()[0]]));
    }
    assert_eq!(server.aws.log().len(), 1);
    serving.stop();
}

#[test]
fn boto3_continues_across_a_renewal() {
    let (server, moto) = (Server::new(), Moto::start());
    // boto3 asks for new ones at each call, since these have less than a quarter of an hour left. It would
    // keep those from IMDS for some minutes, whatever it is told.
    server.aws.settings(json!({"lifetime": 6}));
    let serving = Serving::start(&server, &["--container-token-file", "token"]);
    let (uri, token_file) = (format!("{}/creds/demo", serving.url()), server.desk.path("token"));
    serving.running.hides(&fs::read_to_string(&token_file).unwrap());
    let way = Way::Container { uri: &uri, token_file: &token_file };
    let used = boto3_with(&server.desk, &moto, &way, &["--times", "4", "--pause", "1.1"]).unwrap();
    let calls = used["calls"].as_array().unwrap();
    assert_eq!(calls.len(), 4);
    assert_ne!(calls[0]["sent_access_key"], calls[3]["sent_access_key"]);
    serving.stop();
}
