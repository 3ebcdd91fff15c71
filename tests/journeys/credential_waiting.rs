//! Several `credential-process` at once on a bad day: none waits for long, and each says what it waits for.

use std::process::{Child, Output, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;

use crate::support::authority::text;
use crate::support::faults::{behind_faults, calls};
use crate::support::server::Server;
use crate::support::template::copy_device;
use crate::support::terminal::run_with_faults;

/// Starts one with a copy of the device: SoftHSM writes at each login, and another process that reads at that moment finds
/// no device.
fn start(server: &Server) -> Child {
    static NUMBER: AtomicUsize = AtomicUsize::new(0);
    let copy = server.desk.path(&format!("copy-{}", NUMBER.fetch_add(1, Ordering::SeqCst)));
    copy_device(&server.desk.path("device"), &copy);
    let run = behind_faults(server.run("credential-process", &[]), &server.desk, "");
    let mut command = run.command;
    command
        .env("SOFTHSM2_CONF", copy.join("softhsm2.conf"))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Waits for all of them; returns how long the last one took.
fn all_end(children: Vec<Child>, start: Instant) -> (Vec<Output>, Duration) {
    let outputs = children.into_iter().map(|child| child.wait_with_output().unwrap()).collect();
    (outputs, start.elapsed())
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn processes_share_the_failure_of_the_one_that_they_waited_for() {
    let server = Server::new();
    server.aws.next(json!({"do": "status", "status": 503, "times": 0}));
    let begin = Instant::now();
    let (outputs, took) = all_end((0..10).map(|_| start(&server)).collect(), begin);
    for output in &outputs {
        assert_eq!(output.status.code(), Some(9), "{}", said(output));
        assert!(output.stdout.is_empty() && said(output).contains("try again later"), "{}", said(output));
    }
    // One that starts after the first has failed asks for itself; nobody waits for ten in a row.
    let requests = server.aws.log().len();
    assert!(requests <= 12, "{requests} requests of ten processes, each of which may make three");
    assert!(took < Duration::from_secs(12), "{took:?}");
}

#[test]
fn a_server_that_never_answers_delays_nobody_for_a_minute_and_waiting_is_reported() {
    let server = Server::new();
    server.aws.next(json!({"do": "delay", "ms": 120_000, "times": 0}));
    let begin = Instant::now();
    let children: Vec<Child> = (0..3).map(|_| start(&server)).collect();
    let processes: Vec<String> = children.iter().map(|child| child.id().to_string()).collect();
    let (outputs, took) = all_end(children, begin);
    assert!(took < Duration::from_secs(58), "{took:?}");
    for output in &outputs {
        assert_eq!(output.status.code(), Some(9), "{}", said(output));
    }
    let waited: Vec<String> =
        outputs.iter().map(said).filter(|said| said.contains("waiting for another countersign")).collect();
    assert_eq!(waited.len(), 2, "{outputs:?}");
    assert!(waited.iter().all(|said| processes.iter().any(|process| said.contains(process))), "{waited:?}");
}

#[test]
fn a_process_that_was_stopped_with_the_lock_blocks_nobody_forever() {
    let server = Server::new();
    server.aws.next(json!({"do": "delay", "ms": 1500}));
    let mut first = start(&server);
    server.aws.log_of(1);
    let process = Pid::from_child(&first);
    kill_process(process, Signal::STOP).unwrap();
    let begin = Instant::now();
    let (outputs, took) = all_end(vec![start(&server)], begin);
    assert!(outputs[0].status.success(), "{}", said(&outputs[0]));
    assert!(took < Duration::from_secs(50), "{took:?}");
    kill_process(process, Signal::CONT).unwrap();
    assert!(first.wait().unwrap().success());
}

#[test]
fn nobody_waits_for_one_that_asks_a_person_for_the_pin() {
    let server = Server::new();
    let options = server.options_but(&[]);
    let arguments: Vec<&str> =
        ["credential-process"].into_iter().chain(options.iter().map(String::as_str)).collect();
    let bundle = server.aws.ca();
    let mut terminal = run_with_faults(&server.desk, &arguments, "", &[("AWS_CA_BUNDLE", text(&bundle))]);
    expectrl::Expect::expect(&mut terminal, "PIN for officer").unwrap();
    let begin = Instant::now();
    // The same options, with a PIN from a file.
    let (outputs, took) = all_end(vec![start(&server)], begin);
    assert!(outputs[0].status.success(), "{}", said(&outputs[0]));
    assert!(took < Duration::from_secs(15) && !said(&outputs[0]).contains("waiting"), "{took:?}");
    assert_eq!(calls(&server.desk, "C_Login"), 1);
}
