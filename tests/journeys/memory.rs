//! What a service leaves in its memory, read as root can read it, byte by byte. The machine's swap, or a
//! fault that exposes memory of the process, must not give away credentials that nobody needs any more.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;

use rustix::process::{Pid, Signal};
use serde_json::json;

use crate::support::credentials_file::FILE;
use crate::support::running::{Running, eventually};
use crate::support::server::Server;
use crate::support::serving::Serving;

const RENEWALS: usize = 5;

#[test]
fn serve_keeps_the_newest_credentials_in_memory_and_none_of_the_old_ones() {
    let server = Server::new();
    let serving = Serving::start(&server, &["--container-token-file", "token"]);
    let token = fs::read_to_string(server.desk.path("token")).unwrap();
    serving.running.hides(&token);
    for times in 1..=RENEWALS {
        // Answers that were sent hold them too.
        serving.access_key();
        serving.ask("GET", "/creds/demo", &[("Authorization", &token)]).is(200);
        serving.running.signal(Signal::HUP).says_times(times, "role=demo renewed");
    }
    serving.access_key();
    let given = secrets(&server);
    let (newest, old) = given.split_last().unwrap();
    assert_eq!(old.len(), RENEWALS);
    let pid = serving.running.pid();
    // Otherwise this test would find nothing anywhere.
    assert!(newest.iter().all(|secret| copies(pid, secret) > 0), "the newest credentials are in no memory");
    assert_holds_none_of(pid, old);
    serving.stop();
}

#[test]
fn an_idle_update_has_no_credentials_in_memory() {
    let server = Server::new();
    server.desk.write("aws-credentials", FILE.as_bytes());
    let run = server.run("update", &["--profile", "work"]);
    let update = Running::of(&server, run.env("AWS_SHARED_CREDENTIALS_FILE", "aws-credentials"));
    update.says("[work] is good until");
    for times in 2..=RENEWALS {
        update.signal(Signal::HUP).says_times(times, "[work] is good until");
    }
    assert_holds_none_of(update.pid(), &secrets(&server));
}

#[test]
fn a_renewal_that_fails_leaves_nothing_of_an_answer_in_memory() {
    let server = Server::new();
    let serving = Serving::start(&server, &[]);
    // An unterminated answer with secrets.
    let body = json!({ "credentialSet": [{ "credentials": {
        "accessKeyId": "ASIAEXAMPLE", "secretAccessKey": "a-secret-key-that-nobody-needs",
        "sessionToken": "a-session-token-that-nobody-needs",
    }}]});
    server.aws.next(json!({ "do": "body", "status": 201, "body": body.to_string(), "times": 3 }));
    serving.running.signal(Signal::HUP).says("role=demo not renewed");
    let pid = serving.running.pid();
    let left = |secret: &str| copies(pid, secret);
    eventually("the answer is gone", || (left("a-secret-key-that-nobody-needs") == 0).then_some(()));
    assert_eq!(left("a-session-token-that-nobody-needs"), 0);
    serving.stop();
}

#[test]
fn memory_is_locked_where_its_limit_allows_that_and_doctor_warns_elsewhere() {
    let server = Server::new();
    let serving = Serving::start(&server, &[]);
    let status =
        fs::read_to_string(format!("/proc/{}/status", serving.running.pid().as_raw_nonzero())).unwrap();
    let locked = status.lines().find_map(|line| line.strip_prefix("VmLck:")).unwrap();
    let locked: usize = locked.trim().trim_end_matches(" kB").parse().unwrap();
    assert!(locked > 0, "{status}");
    serving.stop();

    server.desk.write("swaps", b"Filename Type Size Used Priority\n/dev/sda2 partition 1048572 0 -2\n");
    let warning = "this computer has swap space and limits locked memory";
    for (limits, is_warned) in
        [("", false), ("setpriv --bounding-set -ipc_lock prlimit --memlock=65536", true)]
    {
        let script = format!("mount --bind swaps /proc/swaps && exec {limits} \"$@\"");
        let run = server.desk.countersign_after_mounting(&script, &["doctor"]).with_pin();
        let said = run.go().exits(0).stdout();
        assert_eq!(said.contains(warning), is_warned, "{said}");
    }
}

/// The secret key and the session token of all credentials that were issued.
fn secrets(server: &Server) -> Vec<[String; 2]> {
    let log = server.aws.log();
    let given = log.iter().map(|line| &line["credential"]).filter(|given| given.is_object());
    let text = |given: &serde_json::Value, name: &str| given[name].as_str().expect("a secret").to_owned();
    given.map(|given| ["secretAccessKey", "sessionToken"].map(|name| text(given, name))).collect()
}

#[track_caller]
fn assert_holds_none_of(pid: Pid, secrets: &[[String; 2]]) {
    let found = secrets.iter().map(|pair| pair.each_ref().map(|secret| copies(pid, secret)));
    let found: Vec<_> = found.collect();
    assert!(found.iter().flatten().all(|copies| *copies == 0), "copies of key and token: {found:?}");
}

/// How many copies of a text are in a process's memory.
fn copies(pid: Pid, text: &str) -> usize {
    let process = format!("/proc/{}", pid.as_raw_nonzero());
    let memory = File::open(format!("{process}/mem")).expect("only root reads another program's memory");
    let maps = fs::read_to_string(format!("{process}/maps")).unwrap();
    let mut found = 0;
    for line in maps.lines().filter(|line| line.contains(" rw")) {
        let (start, end) = line.split(' ').next().unwrap().split_once('-').unwrap();
        let [start, end] = [start, end].map(|number| u64::from_str_radix(number, 16).unwrap());
        let mut bytes = vec![0; usize::try_from(end - start).unwrap()];
        // Not all mapped memory can be read, and some of it is gone by now.
        if memory.read_exact_at(&mut bytes, start).is_ok() {
            let text = text.as_bytes();
            let starts = bytes.iter().enumerate().filter(|(_, byte)| **byte == text[0]);
            found += starts.filter(|(at, _)| bytes[*at..].starts_with(text)).count();
        }
    }
    found
}
