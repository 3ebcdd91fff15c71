//! Every client in every way, with a renewal in between: boto3, the AWS CLI, the SDKs for JavaScript and
//! Rust.

use rustix::process::Signal;
use serde_json::json;

use crate::support::clients::{Moto, Way, boto3, key_of_aws_cli};
use crate::support::clock;
use crate::support::credential_profile::{DEVICE, server_with_profile};
use crate::support::running::{Running, eventually};
use crate::support::sdk_client::SdkClient;
use crate::support::server::Server;
use crate::support::serving::Serving;

/// In seconds. Credentials renewed at half of this are new in every client as soon as the old ones have
/// expired; before that, each SDK decides for itself when to ask.
const LIFETIME: u32 = 10;

const CLIENTS: [&str; 4] = ["boto3", "the AWS CLI", "JavaScript", "Rust"];

/// Has every client sign before and after a renewal; the long-running ones do so with one credentials
/// provider.
fn sign_over_a_renewal(server: &Server, way: &Way<'_>, renewal: impl FnOnce()) {
    let moto = Moto::start();
    let desk = &server.desk;
    let mut running = [SdkClient::javascript(desk, &moto, way), SdkClient::rust(desk, &moto, way)];
    let [javascript, rust] = running.each_mut();
    let keys = |javascript: &mut SdkClient, rust: &mut SdkClient| {
        let boto3 = boto3(desk, &moto, way)["calls"][0]["access_key"].as_str().unwrap().to_owned();
        [boto3, key_of_aws_cli(desk, &moto, way), javascript.key(), rust.key()]
    };
    let are_given = |keys: &[String]| {
        let given = server.aws.access_keys();
        assert!(keys.iter().all(|key| given.contains(key)), "{keys:?}, but given were {given:?}");
    };

    let before = keys(javascript, rust);
    are_given(&before);
    renewal();
    // A client that has read a file of credentials keeps them.
    if matches!(way, Way::File { .. }) {
        (*javascript, *rust) = (SdkClient::javascript(desk, &moto, way), SdkClient::rust(desk, &moto, way));
    }
    let after = keys(javascript, rust);
    are_given(&after);
    for (client, (before, after)) in CLIENTS.iter().zip(before.iter().zip(&after)) {
        assert_ne!(before, after, "{client} still signs with what was renewed");
    }
}

fn serving_short_lived<'a>(server: &'a Server, more: &[&str]) -> Serving<'a> {
    server.aws.settings(json!({ "lifetime": LIFETIME }));
    Serving::start(server, more)
}

/// Waits until all credentials issued by now have expired.
fn ended(server: &Server) {
    let log = server.aws.log();
    let end = log.last().unwrap()["credential"]["expiration"].as_str().unwrap();
    let end: jiff::Timestamp = end.parse().unwrap();
    eventually("the end of the credentials", || (clock::now() > end).then_some(()));
}

#[test]
fn the_metadata_service() {
    let server = Server::new();
    let serving = serving_short_lived(&server, &[]);
    let url = serving.url();
    let way = Way::Imds { endpoint: &url };
    sign_over_a_renewal(&server, &way, || ended(&server));
    // The trust anchor's region, if nothing else names one.
    let said = SdkClient::rust(&server.desk, &Moto::start(), &way).call();
    assert_eq!(said["region"], "eu-west-1", "{said}");
    serving.stop();
}

#[test]
fn the_container_credentials_endpoint() {
    let server = Server::new();
    let serving = serving_short_lived(&server, &["--container-token-file", "token"]);
    let (uri, token_file) = (format!("{}/creds/demo", serving.url()), server.desk.path("token"));
    serving.running.hides(&std::fs::read_to_string(&token_file).unwrap());
    let way = Way::Container { uri: &uri, token_file: &token_file };
    sign_over_a_renewal(&server, &way, || ended(&server));
    serving.stop();
}

#[test]
fn a_credential_process() {
    let server = server_with_profile("");
    server.aws.settings(json!({ "lifetime": LIFETIME }));
    sign_over_a_renewal(&server, &DEVICE, || ended(&server));
}

#[test]
fn a_credentials_file() {
    let server = Server::new();
    let run = server.run("update", &["--profile", "work"]);
    let mut update = Running::of(&server, run.env("AWS_SHARED_CREDENTIALS_FILE", "aws-credentials"));
    update.says("[work] is good until");
    sign_over_a_renewal(&server, &Way::File { profile: "work" }, || {
        update.signal(Signal::HUP).says_times(2, "[work] is good until");
    });
    update.signal(Signal::TERM);
    update.ends(0);
}
