//! `countersign update` while it runs: renewing in time, and what it does when it cannot.

use std::fs;
use std::path::Path;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::json;

use crate::support::clock;
use crate::support::credentials_file::{FILE, last_given, parts, read_by_boto3};
use crate::support::desk::PIN;
use crate::support::faults::{calls, faulty};
use crate::support::run::Run;
use crate::support::running::{PulledOut, Running, eventually};
use crate::support::server::Server;

const FILE_NAME: &str = "aws-credentials";

/// A run with a file that has other profiles; the service's credentials live for this many seconds.
fn renewing(server: &Server, lifetime: u32) -> Run {
    server.aws.settings(json!({ "lifetime": lifetime }));
    server.desk.write(FILE_NAME, FILE.as_bytes());
    server.run("update", &["--profile", "work"]).env("AWS_SHARED_CREDENTIALS_FILE", FILE_NAME)
}

/// The file holds what the service issued last, and its other contents.
#[track_caller]
fn is_whole(server: &Server) {
    let path = server.desk.path(FILE_NAME);
    assert_eq!(read_by_boto3("work", &[&path])[0]["credentials"], last_given(server));
    let (others, own) = parts(&fs::read(&path).unwrap(), "work");
    assert_eq!((others, own.len()), (parts(FILE.as_bytes(), "work").0, 3));
    let left = fs::read_dir(server.desk.folder())
        .unwrap()
        .filter(|entry| entry.as_ref().unwrap().file_name().to_string_lossy().ends_with(".tmp"));
    assert_eq!(left.count(), 0, "a temporary file is left");
}

#[test]
fn short_credentials_are_renewed_in_time_until_a_signal_ends_it() {
    let server = Server::new();
    let mut update = Running::of(&server, renewing(&server, 4));
    update.says_times(3, "[work] is good until");
    let at =
        server.aws.log().iter().map(|line| line["at"].as_str().unwrap().parse().unwrap()).collect::<Vec<_>>();
    for pair in at.windows(2) {
        let (first, second): (jiff::Timestamp, jiff::Timestamp) = (pair[0], pair[1]);
        let seconds = second.duration_since(first).as_secs_f64();
        // The clock is read in whole seconds, so the result may be off by one.
        assert!((0.9..3.9).contains(&seconds), "renewed after {seconds} s");
    }
    update.signal(Signal::TERM);
    update.ends(0);
    is_whole(&server);
}

#[test]
fn a_hang_up_signal_renews_at_once() {
    let server = Server::new();
    let mut update = Running::of(&server, renewing(&server, 3600));
    for times in 1..4 {
        update.says_times(times, "[work] is good until");
        is_whole(&server);
        update.signal(Signal::HUP);
    }
    update.says_times(4, "[work] is good until").signal(Signal::TERM);
    update.ends(0);
    assert_eq!(server.aws.log().len(), 4);
    is_whole(&server);
}

#[test]
fn a_network_that_fails_for_a_while_is_tried_again() {
    let server = Server::new();
    // The first succeeds, then one renewal fails three times, and the next one once.
    server.aws.next(json!([
        {"do": "normal"},
        {"do": "cut", "at": "before-headers", "times": 2},
        {"do": "status", "status": 500, "times": 2},
    ]));
    let mut update = Running::of(&server, renewing(&server, 3600));
    update.says("[work] is good until").signal(Signal::HUP);
    update.says("not renewed, next attempt in 1 second").says_times(2, "[work] is good until");
    assert_eq!(server.aws.log().len(), 6);
    update.signal(Signal::TERM);
    update.ends(0);
    is_whole(&server);
}

#[test]
fn a_network_that_stays_down_is_tried_with_growing_pauses_until_the_credentials_expire() {
    let server = Server::new();
    server.aws.next(json!([{"do": "normal"}, {"do": "status", "status": 503, "times": 0}]));
    // Several times as long as both pauses: beside other tests the requests take their time.
    let mut update = Running::of(&server, renewing(&server, 12));
    update.says("[work] is good until").signal(Signal::HUP);
    let said = update.ends(9);
    assert!(
        said.contains("next attempt in 1 second") && said.contains("next attempt in 2 seconds"),
        "{said}"
    );
    let (_, own) = parts(&server.desk.read(FILE_NAME), "work");
    assert_eq!(own.len(), 3);
}

#[test]
fn a_device_that_is_gone_for_a_while_is_found_again() {
    let server = Server::new();
    let mut update = Running::of(&server, renewing(&server, 3600));
    update.says("[work] is good until");
    let gone = PulledOut::of(&server);
    update.signal(Signal::HUP).says("not renewed");
    drop(gone);
    update.says_times(2, "[work] is good until").signal(Signal::TERM);
    update.ends(0);
    is_whole(&server);
}

#[test]
fn a_device_that_stays_away_ends_it_when_the_credentials_expire() {
    let server = Server::new();
    let run = faulty(&server, renewing(&server, 4), "C_Sign:2=gone:0x32");
    let mut update = Running::of(&server, run);
    let said = update.ends(3);
    assert!(said.contains("next attempt in 1 second"), "{said}");
    assert_eq!(server.aws.log().len(), 1);
    is_whole(&server);
}

#[test]
fn a_pin_that_has_become_wrong_is_sent_once_and_a_corrected_one_without_being_asked() {
    let server = Server::new();
    let mut update = Running::of(&server, faulty(&server, renewing(&server, 3600), ""));
    update.says("[work] is good until").hides("999999");
    assert_eq!(calls(&server.desk, "C_Login"), 1);
    server.desk.write("device/pin", b"999999\n");
    for times in 1..3 {
        update.signal(Signal::HUP).says_times(times, "not renewed, next attempt when SIGHUP asks for it");
        assert_eq!(calls(&server.desk, "C_Login"), 1 + times);
    }
    is_whole(&server);
    // Another wrong one is sent once, too.
    update.hides("888888");
    server.desk.write("device/pin", b"888888\n");
    update.says_times(3, "not renewed, next attempt when SIGHUP asks for it");
    std::thread::sleep(Duration::from_secs(4));
    assert_eq!(calls(&server.desk, "C_Login"), 4);
    server.desk.write("device/pin", format!("{PIN}\n").as_bytes());
    update.says_times(2, "[work] is good until");
    assert_eq!(calls(&server.desk, "C_Login"), 5);
    update.signal(Signal::TERM);
    update.ends(0);
    is_whole(&server);
}

#[test]
fn it_waits_for_the_right_pin_although_the_credentials_have_expired() {
    let server = Server::new();
    let mut update = Running::of(&server, renewing(&server, 4));
    update.says("[work] is good until").hides("999999");
    server.desk.write("device/pin", b"999999\n");
    update.says("not renewed, next attempt when SIGHUP asks for it");
    let log = server.aws.log();
    let end = log.last().unwrap()["credential"]["expiration"].as_str().unwrap();
    let end: jiff::Timestamp = end.parse().unwrap();
    eventually("the end of the credentials", || (clock::now() > end).then_some(()));
    update.signal(Signal::HUP).says_times(2, "not renewed, next attempt when SIGHUP asks for it");
    let written = update.said().matches("[work] is good until").count();
    server.desk.write("device/pin", format!("{PIN}\n").as_bytes());
    update.says_times(written + 1, "[work] is good until").signal(Signal::TERM);
    update.ends(0);
    is_whole(&server);
}

#[test]
fn a_credential_costs_one_login_and_one_signature_at_each_renewal() {
    let server = Server::new();
    let mut update = Running::of(&server, faulty(&server, renewing(&server, 3600), ""));
    for times in 1..4 {
        update.says_times(times, "[work] is good until");
        assert_eq!((calls(&server.desk, "C_Login"), calls(&server.desk, "C_Sign")), (times, times));
        update.signal(Signal::HUP);
    }
    update.says_times(4, "[work] is good until").signal(Signal::TERM);
    update.ends(0);
}

#[test]
fn two_writers_of_different_profiles_in_one_file_lose_nothing() {
    const PROFILES: [&str; 2] = ["work", "z"];
    let server = Server::new();
    renewing(&server, 3600);
    // One after the other: SoftHSM cannot always cope with two logins at once, which a renewal makes.
    let mut updates = PROFILES.map(|profile| {
        let session = format!("of-{profile}");
        let run = server.run("update", &["--profile", profile, "--role-session-name", &session]);
        let update = Running::of(&server, run.env("AWS_SHARED_CREDENTIALS_FILE", FILE_NAME));
        update.says("is good until");
        update
    });
    let path = server.desk.path(FILE_NAME);
    let written = |updates: &[Running<'_>]| {
        updates.iter().map(|update| update.said().matches("is good until").count()).sum::<usize>()
    };
    let mut copies = Vec::new();
    eventually("fourteen renewals", || {
        for update in &updates {
            update.signal(Signal::HUP);
        }
        copies.push(server.desk.write(&format!("copy-{}", copies.len()), &fs::read(&path).unwrap()));
        (written(&updates) >= 16).then_some(())
    });
    let mut before = 0;
    eventually("the end of the last renewal", || {
        std::thread::sleep(Duration::from_millis(300));
        let now = written(&updates);
        (std::mem::replace(&mut before, now) == now && server.aws.log().len() == now).then_some(())
    });
    for update in &mut updates {
        update.signal(Signal::TERM);
        update.ends(0);
    }

    copies.push(path);
    let copies: Vec<&Path> = copies.iter().map(AsRef::as_ref).collect();
    let log = server.aws.log();
    for (read, path) in read_by_boto3("default", &copies).iter().zip(&copies) {
        let sections = &read["sections"];
        assert_eq!(read["credentials"][0], "keep");
        assert_eq!(sections["work"]["region"], "eu-west-1");
        assert_eq!(sections["z"]["s3"]["aws_access_key_id"], "keep", "{path:?}");
        for profile in PROFILES {
            let own = || log.iter().filter(|line| line["json"]["roleSessionName"] == format!("of-{profile}"));
            let key = &sections[profile]["aws_access_key_id"];
            assert!(own().any(|line| line["credential"]["accessKeyId"] == *key), "{path:?}: {key}");
            if *path == copies[copies.len() - 1] {
                assert_eq!(own().next_back().unwrap()["credential"]["accessKeyId"], *key, "{profile}");
            }
        }
    }
}

#[test]
fn a_device_that_hangs_ends_it_when_the_credentials_expire() {
    let server = Server::new();
    let mut run = renewing(&server, 4);
    run.command.args(["--timeout", "1"]);
    let run = faulty(&server, run, "C_Sign:2=delay:60000");
    let mut update = Running::of(&server, run);
    let said = update.ends(3);
    assert!(said.contains("has not answered"), "{said}");
}

#[test]
fn a_signal_in_the_middle_of_a_renewal_ends_it_cleanly() {
    let server = Server::new();
    let mut update = Running::of(&server, faulty(&server, renewing(&server, 3600), "C_Sign:2=delay:60000"));
    update.says("[work] is good until");
    is_whole(&server);
    update.signal(Signal::HUP);
    eventually("the second signature", || (calls(&server.desk, "C_Sign") == 2).then_some(()));
    update.signal(Signal::TERM);
    update.ends(0);
    is_whole(&server);

    server.aws.next(json!([{"do": "normal"}, {"do": "delay", "ms": 60_000}]));
    let mut update = Running::of(&server, renewing(&server, 3600));
    update.says("[work] is good until");
    is_whole(&server);
    update.signal(Signal::HUP);
    server.aws.log_of(3);
    update.signal(Signal::TERM);
    update.ends(0);
    let (others, own) = parts(&server.desk.read(FILE_NAME), "work");
    assert_eq!((others, own.len()), (parts(FILE.as_bytes(), "work").0, 3));
}
