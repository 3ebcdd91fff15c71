//! A server whose device can lock: even the right PIN is withheld if it would be the last attempt.

use rustix::process::Signal;

use crate::support::authority::{Authority, Leaf};
use crate::support::kryoptic::{Kryoptic, at, change_pin};
use crate::support::real_modules::PIN;
use crate::support::roles_anywhere::RolesAnywhere;
use crate::support::run::Run;
use crate::support::running::Running;
use crate::support::server::Server;
use crate::support::serving::Serving;

const SIGNKEY: &str = "pkcs11:token=officer;id=%01;type=private";
const NEW_PIN: &str = "97531864";
const WAITS: &str = "not renewed, next attempt when SIGHUP asks for it or the PIN's file was corrected";

fn server() -> Server {
    let kryoptic = Kryoptic::new().with_key("01", "signkey", &[]);
    kryoptic.countersign(&["public-key", "--key", SIGNKEY, "-o", "officer.pub"]).go().exits(0);
    let (desk, authority) = (kryoptic.desk, Authority::with_intermediate());
    let intermediates = std::fs::read(authority.intermediates()).unwrap();
    desk.write("intermediates.pem", &intermediates);
    let server = Server { aws: RolesAnywhere::trusting(&authority), desk, authority };
    server.certify("officer.pub", &Leaf::default());
    server
}

fn run(server: &Server, command: &str, more: &[&str]) -> Run {
    at(&server.desk, server.run_but(command, &[("--private-key", SIGNKEY)], more))
}

/// What another run prints that signs with the PIN in a file.
fn signed_with(server: &Server, pin: &str) -> String {
    let arguments = ["sign", "-o", "signed.json", "--key", SIGNKEY, "--pin-source", pin, "tokens.json"];
    at(&server.desk, server.desk.countersign(&arguments)).go().exits(5).stderr()
}

/// Somebody mistypes the PIN elsewhere until one attempt is left, then the running service has to renew.
fn waits_while_one_attempt_is_left(server: &Server, running: &Running<'_>, renewed: &str) {
    running.hides(PIN);
    running.hides(NEW_PIN);
    let already = running.said().matches(renewed).count();
    while !signed_with(server, "file:wrong-pin").contains("one attempt is left before the PIN") {}
    for times in 1..3 {
        running.signal(Signal::HUP).says_times(times, WAITS);
    }
    assert!(running.said().contains("it was not used"), "{}", running.said());
    // Had it been sent, all attempts would be available again, since it is right.
    assert!(signed_with(server, "file:pin").contains("it was not used"), "the PIN was sent");

    // The source's new PIN is used without a request.
    change_pin(&server.desk.path("kryoptic.conf"), NEW_PIN);
    server.desk.write("pin", NEW_PIN.as_bytes());
    running.says_times(already + 1, renewed);
}

#[test]
fn serve_withholds_a_pin_that_would_be_the_last_attempt() {
    let server = server();
    let serving = Serving::of(&server, run(&server, "serve", &["--port", "0"]));
    let first = serving.access_key();
    waits_while_one_attempt_is_left(&server, &serving.running, "role=demo renewed");
    assert_ne!(serving.access_key(), first);
    serving.stop();
}

#[test]
fn update_withholds_a_pin_that_would_be_the_last_attempt() {
    let server = server();
    let run = run(&server, "update", &["--profile", "work"]);
    let mut update = Running::of(&server, run.env("AWS_SHARED_CREDENTIALS_FILE", "aws-credentials"));
    update.says("[work] is good until");
    waits_while_one_attempt_is_left(&server, &update, "[work] is good until");
    update.signal(Signal::TERM);
    update.ends(0);
}
