//! A server whose key is in a YubiHSM 2: `credential-process` and `serve`, through a connector that restarts.

use serde_json::json;

use crate::support::authority::{Authority, Leaf};
use crate::support::preparing::uri;
use crate::support::run::Run;
use crate::support::running::eventually;
use crate::support::server::Server;
use crate::support::serving::Serving;
use crate::support::yubihsm::{DEVICE, YubiHsm};

/// A device with a key that countersign generated, for which the server's certificate was issued; and the
/// key's URI.
fn server() -> (Server, YubiHsm, String) {
    let (server, device) = (Server::of(Authority::with_intermediate(), &[]), YubiHsm::new());
    let keygen = ["keygen", "--device", DEVICE, "--label", "signkey", "-o", "officer.pub"];
    let key = uri(&device.countersign(&server.desk, &keygen).go().exits(0));
    server.certify("officer.pub", &Leaf::default());
    (server, device, key)
}

fn run(server: &Server, device: &YubiHsm, command: &str, changed: &[(&str, &str)], more: &[&str]) -> Run {
    device.reached_by(server.run_but(command, changed, more))
}

#[test]
fn a_server_gets_credentials_with_its_key() {
    let (server, device, key) = server();
    let before = device.login_attempts();
    let changed = [("--private-key", key.as_str())];
    let done = server.done(run(&server, &device, "credential-process", &changed, &["--no-cache"])).exits(0);
    assert_eq!(done.json()["AccessKeyId"], json!(server.aws.access_keys()[0]));
    assert_eq!(device.login_attempts(), before + 1);
}

#[test]
fn serve_renews_through_a_connector_that_restarts() {
    let (server, mut device, key) = server();
    server.aws.settings(json!({"lifetime": 6}));
    let changed = [("--private-key", key.as_str())];
    let serving = Serving::of(&server, run(&server, &device, "serve", &changed, &["--port", "0"]));
    assert_eq!(serving.access_key(), server.aws.access_keys()[0]);
    device.stop_connector();
    serving.running.says("role=demo not renewed");
    device.start_connector(&[]);
    let renewed = server.aws.access_keys().len();
    eventually("credentials after the restart", || (server.aws.access_keys().len() > renewed).then_some(()));
    serving.running.says("role=demo renewed");
    // And through a device that is pulled out and put back.
    device.unplug();
    serving.running.says_times(2, "role=demo not renewed");
    device.plug_in();
    let renewed = server.aws.access_keys().len();
    eventually("credentials after the device is back", || {
        (server.aws.access_keys().len() > renewed).then_some(())
    });
    serving.stop();
}

#[test]
fn a_server_gets_credentials_by_its_certificate_alone() {
    let (server, device, key) = server();
    let import = ["import-certificate", "--key", &key, "server.pem"];
    let certificate = uri(&device.countersign(&server.desk, &import).go().exits(0));
    let before = device.login_attempts();
    let changed = [("--private-key", ""), ("--certificate", certificate.as_str())];
    let done = server.done(run(&server, &device, "credential-process", &changed, &["--no-cache"])).exits(0);
    assert_eq!(done.json()["AccessKeyId"], json!(server.aws.access_keys()[0]));
    assert_eq!(device.login_attempts(), before + 1);
}
