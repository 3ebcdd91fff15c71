//! `countersign serve` for a long time while everything goes wrong. `scripts/soak` runs it for ten minutes;
//! here it runs for some seconds, to show that it works.

use std::fs;
use std::io::Write;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::json;

use crate::support::authority::Leaf;
use crate::support::clock::Settable;
use crate::support::desk::PIN;
use crate::support::faults::faulty;
use crate::support::running::{PulledOut, eventually};
use crate::support::server::Server;
use crate::support::serving::{ROLES, Serving, TOKEN, TTL};

/// By then the libraries have filled their caches.
const WARM_UP: usize = 3;

#[test]
fn a_service_that_survives_everything_does_not_grow() {
    let seconds = std::env::var("COUNTERSIGN_SOAK_SECONDS").ok().and_then(|text| text.parse().ok());
    let duration = Duration::from_secs(seconds.unwrap_or(0));
    let server = Server::new();
    server.certify("device/signkey.pub.pem", &Leaf { valid_days: Some((-1.0, 90.0)), ..Leaf::default() });
    let clock = Settable::in_file(server.desk.path("clock"), "+0s");
    let run = clock.of(server.run("serve", &["--port", "0"]));
    let serving = Serving::of(&server, faulty(&server, run, ""));
    serving.running.hides("999999");
    let (start, mut rounds, mut before) = (Instant::now(), 0, None);
    while start.elapsed() < duration || rounds < 2 * WARM_UP {
        round(&server, &serving, &clock, rounds);
        rounds += 1;
        if rounds == WARM_UP {
            before = Some(usage(&serving));
        }
    }
    let (before, after) = (before.unwrap(), usage(&serving));
    eprintln!("{rounds} rounds: {before:?} KiB and descriptors at first, {after:?} in the end");
    assert!(after.1 <= before.1 + 2, "descriptors: {before:?} became {after:?}");
    // A megabyte for what is kept on purpose, and for fragmentation in the system's allocator.
    assert!(
        after.0 <= before.0 + 4096 + 8 * rounds,
        "memory: {before:?} became {after:?} in {rounds} rounds"
    );
    serving.stop();
}

/// One of everything. Each ends with valid credentials.
fn round(server: &Server, serving: &Serving<'_>, clock: &Settable, number: usize) {
    let renewed = || serving.running.said().matches("role=demo renewed").count();
    let renew = || {
        let before = renewed();
        serving.running.signal(Signal::HUP);
        eventually("a renewal", || (renewed() > before).then_some(()));
    };
    let fails = || serving.running.said().matches("role=demo not renewed").count();
    let fail = || {
        let before = fails();
        serving.running.signal(Signal::HUP);
        eventually("a renewal that fails", || (fails() > before).then_some(()));
    };
    server.aws.next(json!([{"do": "status", "status": 503}, {"do": "cut", "at": "after-headers"}]));
    renew();
    server.aws.next(json!({"do": "denied"}));
    fail();
    {
        let _gone = PulledOut::of(server);
        fail();
    }
    // Wrong only once: the device must not lock.
    server.desk.write("device/pin", b"999999\n");
    fail();
    server.desk.write("device/pin", format!("{PIN}\n").as_bytes());
    renew();
    flood(serving);
    clock.set(if number.is_multiple_of(2) { "+10m" } else { "-10m" });
    renew();
    clock.set("+0s");
    renew();
    assert_eq!(serving.access_key(), *server.aws.access_keys().last().unwrap());
}

/// Tokens, heads that never end, and silent connections.
fn flood(serving: &Serving<'_>) {
    let asked =
        format!("PUT /latest/api/token HTTP/1.1\r\nHost: {}\r\n{TTL}: 21600\r\n\r\n", serving.address);
    let mut open = Vec::new();
    for text in [asked.repeat(50), asked[..40].to_owned(), String::new()] {
        for _ in 0..20 {
            let mut connection = TcpStream::connect(serving.address).unwrap();
            let _ = connection.write_all(text.as_bytes());
            open.push(connection);
        }
    }
    let token = serving.token("60");
    serving.ask("GET", &format!("{ROLES}/demo"), &[(TOKEN, &token)]).is(200);
}

/// Memory in KiB and descriptors.
fn usage(serving: &Serving<'_>) -> (usize, usize) {
    let process = format!("/proc/{}", serving.running.pid().as_raw_nonzero());
    // Connections that were closed on this side are closed soon on the other.
    std::thread::sleep(Duration::from_millis(500));
    let status = fs::read_to_string(format!("{process}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    let memory = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    // Only root sees those of a program that forbids it.
    let descriptors = fs::read_dir(format!("{process}/fd")).map_or(0, Iterator::count);
    (memory, descriptors)
}
