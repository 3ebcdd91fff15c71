//! `countersign serve` under systemd: what it reports, and the units.

use std::io::{Read, Write};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::json;

use crate::support::server::Server;
use crate::support::serving::Serving;

/// What is reported until `limit` is over.
fn told(socket: &UnixDatagram, limit: Duration) -> Vec<String> {
    let start = Instant::now();
    let mut all = Vec::new();
    while let Some(left) = limit.checked_sub(start.elapsed()).filter(|left| !left.is_zero()) {
        socket.set_read_timeout(Some(left)).unwrap();
        let mut bytes = [0; 256];
        if let Ok(length) = socket.recv(&mut bytes) {
            all.push(String::from_utf8(bytes[..length].to_vec()).unwrap());
        }
    }
    all
}

#[test]
fn systemd_is_told_when_it_can_be_used_and_that_it_is_alive_even_while_the_network_hangs() {
    let server = Server::new();
    let path = server.desk.path("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    let run =
        server.run("serve", &["--port", "0"]).env("NOTIFY_SOCKET", &path).env("WATCHDOG_USEC", "1000000");
    let serving = Serving::of(&server, run);
    let all = told(&socket, Duration::from_millis(2200));
    assert_eq!(all[0], "READY=1");
    assert!(all[1..].iter().all(|state| state == "WATCHDOG=1"), "{all:?}");
    assert!(all.len() >= 4, "{all:?}");
    server.aws.next(json!({"do": "delay", "ms": 3000}));
    serving.running.signal(Signal::HUP);
    server.aws.log_of(2);
    let all = told(&socket, Duration::from_millis(2500));
    assert!(all.len() >= 4, "systemd would have ended it while it waited for AWS: {all:?}");
    assert_eq!(serving.access_key(), server.aws.access_keys()[0]);
    serving.stop();
}

/// The watchdog's thread has enough time to be first: the other one is blocked where it logs that it listens.
#[test]
fn nothing_is_told_before_it_can_be_used() {
    let server = Server::new();
    let path = server.desk.path("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    let (reader, mut log) = std::io::pipe().unwrap();
    // Room for the line about the role, but not for the next one. A pipe holds 64 KiB (pipe(7)).
    let line = "role=demo expiration=2026-03-01T02:02:03Z\n".len();
    log.write_all(&vec![b'\n'; (64 << 10) - line - 10]).unwrap();
    let mut run =
        server.run("serve", &["--port", "0"]).env("NOTIFY_SOCKET", &path).env("WATCHDOG_USEC", "200000");
    let mut child = run.command.stderr(log).spawn().unwrap();
    drop(run);
    let all = told(&socket, Duration::from_secs(5));
    child.kill().unwrap();
    child.wait().unwrap();
    let mut said = String::new();
    { reader }.read_to_string(&mut said).unwrap();
    assert!(said.contains("role=demo") && !said.contains("listening"), "{said}");
    assert_eq!(all[0], "READY=1");
    assert!(all.len() >= 2 && all[1..].iter().all(|state| state == "WATCHDOG=1"), "{all:?}");
}

#[test]
fn an_abstract_socket_works_too_and_without_a_watchdog_none_is_fed() {
    let server = Server::new();
    let name = format!("countersign-{}-notify", std::process::id());
    let socket = UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
    let run = server.run("serve", &["--port", "0"]).env("NOTIFY_SOCKET", format!("@{name}"));
    let serving = Serving::of(&server, run);
    assert_eq!(told(&socket, Duration::from_millis(1500)), ["READY=1"]);
    serving.stop();
}

#[test]
fn a_systemd_that_does_not_listen_delays_no_answer_and_is_told_later() {
    let server = Server::new();
    let path = server.desk.path("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    let filler = UnixDatagram::unbound().unwrap();
    filler.set_nonblocking(true).unwrap();
    while filler.send_to(b"FULL", &path).is_ok() {}
    let run = server.run("serve", &["--port", "0"]).env("NOTIFY_SOCKET", &path);
    let serving = Serving::of(&server, run);
    assert_eq!(serving.health().0, 200);
    assert_eq!(serving.access_key(), server.aws.access_keys()[0]);
    let all = told(&socket, Duration::from_secs(3));
    let told: Vec<_> = all.iter().filter(|state| *state != "FULL").collect();
    assert!(told.len() == 1 && told[0].starts_with("READY=1"), "{told:?}");
    serving.stop();
}

#[test]
fn nothing_is_told_before_there_are_credentials() {
    let server = Server::new();
    server.aws.next(json!({"do": "denied"}));
    let path = server.desk.path("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    server.run("serve", &["--port", "0"]).env("NOTIFY_SOCKET", &path).go().exits(9);
    assert!(told(&socket, Duration::from_millis(100)).is_empty());
}
