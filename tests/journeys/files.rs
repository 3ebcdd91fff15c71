//! The file is replaced whole or not touched, whatever the folder, the disk, other processes and kill -9 do.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::support::desk::{Desk, SIGNKEY};
use crate::support::openssl::openssl_accepts;
use crate::support::pinned::pinned;
use crate::support::token_files::{UNSIGNED, unsigned_file};

const SIGN: [&str; 4] = ["sign", "--key", SIGNKEY, "tokens.json"];

const COMMAND: &str = "countersign sign --key … tokens.json";

/// Root may read and write everything; without capabilities it is a user like any other.
const UNPRIVILEGED: [&str; 3] = ["setpriv", "--inh-caps=-all", "--bounding-set=-all"];

fn as_a_user(desk: &Desk, arguments: &[&str]) -> crate::support::run::Run {
    if rustix::process::geteuid().is_root() {
        desk.countersign_under(&UNPRIVILEGED, arguments)
    } else {
        desk.countersign(arguments)
    }
}

#[test]
fn an_unreadable_file_is_reported() {
    let desk = Desk::new();
    desk.write("tokens.json", UNSIGNED);
    fs::set_permissions(desk.path("tokens.json"), fs::Permissions::from_mode(0o000)).unwrap();
    let done = as_a_user(&desk, &SIGN).with_pin().go();
    pinned("file_unreadable", &desk, COMMAND, &done);
    assert_eq!(done.code(), 1);
}

#[test]
fn a_descriptor_that_the_program_opened_for_itself_is_refused_as_output_and_as_pin() {
    let desk = Desk::new();
    desk.write("tokens.json", UNSIGNED);
    // Nothing is handed down above stderr. What is open there is a stream that modules have lost, a pipe, or a module's file.
    let alone = "exec 3>&- 4>&- 5>&- 6>&- 7>&- 8>&- 9>&-; exec \"$@\"";
    let alone = ["sh", "-c", alone, "sh"];
    for number in 3..10 {
        let output = format!("/dev/fd/{number}");
        desk.countersign_under(&alone, &["public-key", "--key", SIGNKEY, "-o", &output])
            .go()
            .exits(1)
            .says(&format!("no such file: {output:?}"));
        let source = format!("fd:{number}");
        desk.countersign_under(&alone, &["sign", "--key", SIGNKEY, "--pin-source", &source, "tokens.json"])
            .go()
            .exits(5)
            .says(&format!("file descriptor {number}"))
            .says("Bad file descriptor");
        assert_eq!(desk.read("tokens.json"), UNSIGNED);
    }
    // One that is handed down takes both.
    let script = ["sh", "-c", "exec 7<device/pin 8>key.pub; exec \"$@\"", "sh"];
    desk.countersign_under(&script, &["sign", "--key", SIGNKEY, "--pin-source", "fd:7", "tokens.json"])
        .go()
        .exits(0);
    desk.countersign_under(&script, &["public-key", "--key", SIGNKEY, "-o", "/dev/fd/8"]).go().exits(0);
    assert!(openssl_accepts(&desk, "tokens.json", "key.pub"));
}

#[test]
fn a_read_only_folder_is_found_before_the_pin_is_asked_for() {
    let desk = Desk::new();
    fs::create_dir(desk.path("folder")).unwrap();
    desk.write("folder/tokens.json", UNSIGNED);
    fs::set_permissions(desk.path("folder"), fs::Permissions::from_mode(0o555)).unwrap();
    let done = as_a_user(&desk, &["sign", "--key", SIGNKEY, "folder/tokens.json"]).with_pin().go();
    pinned("file_read_only_folder", &desk, "countersign sign --key … folder/tokens.json", &done);
    assert_eq!(done.code(), 1);
    assert_eq!(desk.read("folder/tokens.json"), UNSIGNED);
    fs::set_permissions(desk.path("folder"), fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn a_disk_that_fills_up_leaves_the_old_file() {
    let desk = Desk::new();
    fs::create_dir(desk.path("small")).unwrap();
    // Room for the unsigned file of 300 tokens, but not for the signed one beside it.
    let unsigned = unsigned_file(300);
    desk.write("unsigned.json", &unsigned);
    let script =
        "mount -t tmpfs -o size=64k none small && cp unsigned.json small/tokens.json && \"$@\"; code=$?
                  cp small/tokens.json after.json; ls -A small > listing; exit $code";
    let done = desk
        .countersign_after_mounting(script, &["sign", "--key", SIGNKEY, "small/tokens.json"])
        .with_pin()
        .go();
    pinned("file_disk_full", &desk, "countersign sign --key … small/tokens.json", &done);
    assert_eq!(done.code(), 1);
    assert_eq!(desk.read("after.json"), unsigned);
    assert_eq!(desk.read("listing"), b"tokens.json\n", "no temporary file is left");
}

#[test]
fn a_pipe_in_the_file_system_is_not_signed_in_place() {
    let desk = Desk::new();
    let path = desk.path("tokens.json");
    assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
    // Nobody writes to it: opening it would wait forever.
    let done = desk.countersign(&SIGN).with_pin().go();
    pinned("file_pipe", &desk, COMMAND, &done);
    assert_eq!(done.code(), 1);
}

#[test]
fn special_files_are_written_to_and_not_replaced() {
    let desk = Desk::new();
    desk.write("tokens.json", UNSIGNED);
    desk.countersign(&["sign", "--key", SIGNKEY, "-o", "/dev/null", "tokens.json"]).with_pin().go().exits(0);
    assert!(!fs::metadata("/dev/null").unwrap().is_file());
    desk.countersign(&["sign", "--key", SIGNKEY, "-o", "/dev/full", "tokens.json"])
        .with_pin()
        .go()
        .exits(1)
        .says("No space left on device");
    let done = desk
        .countersign(&["sign", "--key", SIGNKEY, "-o", "/dev/stdout", "tokens.json"])
        .with_pin()
        .go()
        .exits(0);
    desk.write("signed.json", done.stdout_bytes());
    assert!(openssl_accepts(&desk, "signed.json", "device/signkey.pub.pem"));
}

#[test]
fn a_new_output_file_has_the_mode_that_the_umask_gives() {
    let desk = Desk::new();
    desk.write("tokens.json", UNSIGNED);
    let sign = ["sign", "--key", SIGNKEY, "-o", "out.json", "tokens.json"];
    desk.countersign_under(&["sh", "-c", "umask 027; exec \"$@\"", "sh"], &sign).with_pin().go().exits(0);
    assert_eq!(fs::metadata(desk.path("out.json")).unwrap().permissions().mode() & 0o7777, 0o640);
}

#[test]
fn kill_9_at_any_moment_leaves_the_old_file_or_the_new_one() {
    let desk = Desk::new();
    let unsigned = unsigned_file(28);
    // How long a whole run takes here: the replacement happens near its end. Takes the fastest of several, as
    // other tests run at the same time.
    let run = |_| {
        desk.write("tokens.json", &unsigned);
        let started = std::time::Instant::now();
        desk.countersign(&SIGN).with_pin().go().exits(0);
        started.elapsed()
    };
    let mut edge = (0..3).map(run).min().unwrap();
    let signed = desk.read("tokens.json");
    assert!(openssl_accepts(&desk, "tokens.json", "device/signkey.pub.pem"));

    let (mut old, mut new) = (0, 0);
    for round in 0..150u32 {
        desk.write("tokens.json", &unsigned);
        desk.restore_device();
        let mut run = desk.countersign(&SIGN).with_pin();
        run.command.stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = run.command.spawn().unwrap();
        // A third of the kills are spread over the run, the others follow the moment of the replacement.
        let share = if round % 3 == 0 { f64::from(round) / 150.0 } else { 1.0 };
        std::thread::sleep(edge.mul_f64(share));
        child.kill().unwrap();
        child.wait().unwrap();
        // PKCS#1 v1.5 signatures are deterministic, so there is only one signed file.
        match desk.read("tokens.json") {
            bytes if bytes == unsigned => {
                old += 1;
                if round % 3 != 0 {
                    edge = edge.mul_f64(1.08);
                }
            }
            bytes if bytes == signed => {
                new += 1;
                edge = edge.mul_f64(0.92);
            }
            bytes => panic!("round {round} left a third thing of {} bytes", bytes.len()),
        }
    }
    assert!(old > 0 && new > 0, "the kills fell before ({old}) and after ({new}) the replacement");
}

#[test]
fn two_runs_on_one_file_never_lose_a_signature() {
    let desk = Desk::new();
    let unsigned = unsigned_file(28);
    desk.write("tokens.json", &unsigned);
    let spawn = || {
        let mut run = desk.countersign(&SIGN).with_pin();
        run.command.stdout(Stdio::null()).stderr(Stdio::piped());
        run.command.spawn().unwrap()
    };
    let children = [spawn(), spawn(), spawn()];
    let mut good = 0;
    for child in children {
        let output = child.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        match output.status.code() {
            Some(0) => good += 1,
            Some(1) => assert!(said.contains("is being signed by another process"), "{said}"),
            other => panic!("{other:?}: {said}"),
        }
    }
    assert!(good >= 1);
    assert!(openssl_accepts(&desk, "tokens.json", "device/signkey.pub.pem"));
}

#[test]
fn a_closed_stdout_does_not_crash() {
    let desk = Desk::new();
    let script = "\"$@\" | true; exit ${PIPESTATUS[0]}";
    desk.countersign_under(&["bash", "-c", script, "bash"], &["list"]).go().exits(0);
    std::thread::sleep(Duration::from_millis(10));
}

#[test]
fn no_file_of_a_run_has_two_uses() {
    let desk = Desk::new();
    let token = vec![7; 245];
    desk.write("officer.token", &token);
    desk.write("officer.token.sig", &token);
    desk.write("tokens.json", UNSIGNED);
    for arguments in [
        &["--write-public-key", "tokens.json", "tokens.json"][..],
        &["-o", "out", "--write-public-key", "./out", "tokens.json"],
        &["--audit-log", "log", "-o", "log", "tokens.json"],
        &["--audit-log", "log", "--write-public-key", "log", "tokens.json"],
        &["--audit-log", "tokens.json", "tokens.json"],
        &["--detached", "--force", "-o", "officer.token", "officer.token"],
        &["--detached", "--force", "officer.token", "officer.token.sig"],
    ] {
        let all = [&["sign", "--key", SIGNKEY], arguments].concat();
        desk.countersign(&all).with_pin().go().exits(2).says("are the same file");
    }
    assert_eq!((desk.read("officer.token"), desk.read("officer.token.sig")), (token.clone(), token));
    assert_eq!(desk.read("tokens.json"), UNSIGNED);
}
