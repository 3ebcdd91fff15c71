//! A key on another host: `p11-kit server` there, its client module here, and between them a Unix socket
//! (which `ssh` forwards).

use std::process::Command;

use crate::support::desk::{Desk, SIGNKEY};
use crate::support::faults::behind_faults_of;
use crate::support::openssl::openssl_accepts;
use crate::support::parts::softhsm_module;
use crate::support::real_modules::{
    Service, device_is_gone, listens, lists_and_signs, module, only_countersign_speaks,
    wait_for_second_signature,
};
use crate::support::run::Run;
use crate::support::token_files::UNSIGNED;

/// A desk whose device only the server can reach.
struct Remote {
    server: Service,
    desk: Desk,
}

impl Remote {
    fn serving(options: &[&str]) -> Self {
        let desk = Desk::provisioned(options);
        let mut server = Service::start(
            &desk,
            Command::new("p11-kit")
                .args(["server", "--foreground", "--provider", softhsm_module(), "--name"])
                .args([desk.path("socket").as_os_str(), "pkcs11:token=officer".as_ref()])
                .env("SOFTHSM2_CONF", desk.path("device/softhsm2.conf")),
        );
        server.until("p11-kit server listens", |_| listens(&desk.path("socket")));
        Remote { server, desk }
    }

    fn countersign(&self, arguments: &[&str]) -> Run {
        self.reaching(self.desk.countersign(arguments))
    }

    fn reaching(&self, run: Run) -> Run {
        run.with_pin()
            .env("COUNTERSIGN_MODULE", module("p11-kit-client.so"))
            .env("P11_KIT_SERVER_ADDRESS", format!("unix:path={}", self.desk.path("socket").display()))
            .without_env("SOFTHSM2_CONF")
    }
}

const SIGN: [&str; 4] = ["sign", "--key", SIGNKEY, "tokens.json"];

#[test]
fn a_key_on_another_host_signs_here() {
    let remote = Remote::serving(&["--keys", "signkey", "--also", "backup"]);
    lists_and_signs(&remote.desk, SIGNKEY, &[], |arguments| remote.countersign(arguments));
    assert!(openssl_accepts(&remote.desk, "tokens.json", "device/signkey.pub.pem"));
    // The server was told to show one of the two devices.
    let listed = remote.countersign(&["list"]).go().exits(0);
    assert!(!listed.stdout().contains("backup"), "{}", listed.stdout());
}

/// The PIN is sent between C_SignInit and C_Sign, in one session, through the function list that p11-kit's
/// client returned.
#[test]
fn a_remote_key_that_requires_its_pin_each_time_signs_messages_and_digests() {
    let remote = Remote::serving(&["--keys", "alwayskey"]);
    let key = "pkcs11:token=officer;id=%02;type=private";
    remote.desk.write("officer.token", b"any bytes");
    remote.countersign(&["sign", "--detached", "--key", key, "officer.token"]).go().exits(0);
    remote.desk.write("tokens.json", UNSIGNED);
    remote.countersign(&["sign", "--key", key, "tokens.json"]).go().exits(0);
    remote.countersign(&["public-key", "--key", key, "-o", "always.pub"]).go().exits(0);
    assert!(openssl_accepts(&remote.desk, "tokens.json", "always.pub"));
}

#[test]
fn a_wrong_pin_is_reported_over_the_socket() {
    let remote = Remote::serving(&["--keys", "signkey"]);
    remote.desk.write("tokens.json", UNSIGNED);
    remote.desk.write("wrong-pin", b"000000");
    let wrong = remote.countersign(&SIGN).env("COUNTERSIGN_PIN_SOURCE", "file:wrong-pin").go().exits(5);
    only_countersign_speaks(&wrong.says("CKR_PIN_INCORRECT"));
    assert_eq!(remote.desk.read("tokens.json"), UNSIGNED);
}

#[test]
fn a_server_that_is_not_there_is_a_device_that_is_not_there() {
    let mut remote = Remote::serving(&["--keys", "signkey"]);
    remote.desk.write("tokens.json", UNSIGNED);
    remote.server.kill();
    let done = remote.countersign(&SIGN).go().exits(3);
    only_countersign_speaks(&done);
    assert_eq!(remote.desk.read("tokens.json"), UNSIGNED);
}

#[test]
fn a_server_that_goes_away_between_two_signatures_leaves_the_file_alone() {
    let mut remote = Remote::serving(&["--keys", "signkey"]);
    remote.desk.write("tokens.json", UNSIGNED);
    let run = remote.countersign(&SIGN);
    let run = behind_faults_of(&module("p11-kit-client.so"), run, &remote.desk, "C_Sign:2=delay:2000");
    let signing = std::thread::spawn(|| run.go());
    wait_for_second_signature(&remote.desk);
    remote.server.kill();
    let done = signing.join().unwrap();
    device_is_gone(&remote.desk, &done);
    only_countersign_speaks(&done);
}

#[test]
fn a_server_that_does_not_answer_can_be_given_up() {
    let remote = Remote::serving(&["--keys", "signkey"]);
    remote.desk.write("tokens.json", UNSIGNED);
    remote.server.stop();
    let ctrl_c = ["timeout", "--preserve-status", "--signal=INT", "2"];
    remote.reaching(remote.desk.countersign_under(&ctrl_c, &SIGN)).go().exits(130).says("interrupted");
    assert_eq!(remote.desk.read("tokens.json"), UNSIGNED);
}

#[test]
fn a_socket_in_p11_kits_configuration_is_reached_without_a_variable() {
    let remote = Remote::serving(&["--keys", "signkey"]);
    let modules = remote.desk.path("p11-kit-modules");
    std::fs::create_dir(&modules).unwrap();
    let address = format!("remote: unix:path={}\n", remote.desk.path("socket").display());
    std::fs::write(modules.join("far.module"), address).unwrap();
    let script = format!("mount --bind '{}' /usr/share/p11-kit/modules && exec \"$@\"", modules.display());
    remote.desk.write("tokens.json", UNSIGNED);
    remote
        .desk
        .countersign_after_mounting(&script, &SIGN)
        .with_pin()
        .without_env("COUNTERSIGN_MODULE")
        .without_env("SOFTHSM2_CONF")
        .go()
        .exits(0);
    assert!(openssl_accepts(&remote.desk, "tokens.json", "device/signkey.pub.pem"));
}
