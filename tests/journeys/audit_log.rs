//! The audit log: a line for each attempt, in a chain that reveals every change.

use crate::support::desk::{Desk, SIGNKEY};
use crate::support::pinned::pinned;
use crate::support::token_files::UNSIGNED;

fn lines(desk: &Desk) -> Vec<serde_json::Value> {
    let text = String::from_utf8(desk.read("audit.log")).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

const SIGN: [&str; 6] = ["sign", "--key", SIGNKEY, "--audit-log", "audit.log", "tokens.json"];

#[test]
fn each_attempt_leaves_a_line_even_a_failed_one() {
    let desk = Desk::new();
    desk.write("tokens.json", UNSIGNED);
    desk.write("wrong-pin", b"98-76-54");
    desk.countersign(&SIGN).with_pin().go().exits(0);
    desk.countersign(&SIGN).go().exits(0);
    desk.write("tokens.json", UNSIGNED);
    desk.countersign(&SIGN).env("COUNTERSIGN_PIN_SOURCE", "file:wrong-pin").go().exits(5);
    desk.countersign(&["sign", "--key", "pkcs11:token=none", "tokens.json"])
        .env("COUNTERSIGN_AUDIT_LOG", "audit.log")
        .go()
        .exits(3);
    desk.write("tokens.json", b"{}");
    desk.countersign(&SIGN).with_pin().go().exits(7);

    let lines = lines(&desk);
    let outcomes: Vec<_> = lines.iter().map(|line| line["outcome"].as_str().unwrap()).collect();
    assert_eq!(outcomes, ["signed", "signed already", "failed", "failed", "failed"]);
    let first = &lines[0];
    assert_eq!(first["signatures"], 3);
    assert_eq!(first["mechanism"], "CKM_RSA_PKCS");
    assert_eq!(first["device"]["label"], "officer");
    assert_eq!(first["device"]["manufacturer"], "SoftHSM project");
    assert_eq!(first["key"]["uri"], SIGNKEY);
    assert_eq!(first["key"]["id"], "01");
    assert_eq!(first["key"]["public_key_sha256"].as_str().unwrap().len(), 64);
    assert_eq!(first["command"], "sign");
    assert!(first["file"].as_str().unwrap().ends_with("/tokens.json"));
    for member in ["time", "user", "host", "sha256_before", "sha256_after"] {
        assert!(first[member].as_str().is_some_and(|text| !text.is_empty()), "{member}");
    }
    assert_eq!(lines[1]["sha256_before"], first["sha256_after"]);
    assert!(lines[2]["error"].as_str().unwrap().contains("CKR_PIN_INCORRECT"));
    let done = desk.countersign(&["audit", "verify", "audit.log"]).go().exits(0);
    assert!(done.stdout().contains("5 entries, an unbroken chain"), "{}", done.stdout());
    assert!(!String::from_utf8(desk.read("audit.log")).unwrap().contains("98-76-54"));
}

#[test]
fn a_changed_a_missing_and_a_moved_line_are_named() {
    let desk = Desk::new();
    for _ in 0..4 {
        desk.write("tokens.json", UNSIGNED);
        desk.countersign(&SIGN).with_pin().go().exits(0);
    }
    let text = String::from_utf8(desk.read("audit.log")).unwrap();
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let verify = |name: &str, text: &str| {
        desk.write("audit.log", text.as_bytes());
        let done = desk.countersign(&["audit", "verify", "audit.log"]).go().exits(8);
        pinned(name, &desk, "countersign audit verify audit.log", &done);
    };
    verify("audit_changed", &text.replacen("\"signatures\":3", "\"signatures\":4", 1));
    verify("audit_missing", &[lines[0], lines[2], lines[3]].concat());
    verify("audit_moved", &[lines[0], lines[1], lines[3], lines[2]].concat());
    desk.write("audit.log", b"hello\n");
    desk.countersign(&["audit", "verify", "audit.log"])
        .go()
        .exits(7)
        .says("line 1 is not an audit log entry");
}

#[test]
fn what_cannot_be_logged_is_not_signed() {
    let desk = Desk::new();
    desk.write("tokens.json", UNSIGNED);
    let sign = |log: &str| {
        desk.countersign(&["sign", "--key", SIGNKEY, "--audit-log", log, "tokens.json"]).with_pin().go()
    };
    pinned(
        "audit_no_folder",
        &desk,
        "countersign sign --key … --audit-log nowhere/log tokens.json",
        &sign("nowhere/log").exits(1),
    );
    desk.write("cut-off.log", b"{\"number\":1");
    pinned(
        "audit_cut_off",
        &desk,
        "countersign sign --key … --audit-log cut-off.log tokens.json",
        &sign("cut-off.log").exits(7),
    );
    // A log on a full disk: this is noticed when the line is written, before the file is.
    sign("/dev/full").exits(1);
    assert_eq!(desk.read("tokens.json"), UNSIGNED);
}

#[test]
fn a_write_that_was_logged_and_did_not_happen_is_recognized() {
    let desk = Desk::new();
    for name in ["tokens.json", "other.json", "removed.json"] {
        desk.write(name, UNSIGNED);
        desk.countersign(&[&SIGN[..5], &[name]].concat()).with_pin().go().exits(0);
    }
    desk.countersign(&[&SIGN[..5], &["-o", "out.json", "--force", "tokens.json"]].concat())
        .with_pin()
        .go()
        .exits(0);
    // As left by a run that was killed between writing the line and the file.
    desk.write("tokens.json", UNSIGNED);
    std::fs::remove_file(desk.path("removed.json")).unwrap();
    let verify =
        |more: &[&str]| desk.countersign(&[&["audit", "verify", "audit.log"], more].concat()).go().exits(0);
    let said = verify(&["--files"]).stdout();
    let line = |name: &str| {
        let line = said
            .lines()
            .find(|line| line.contains(&format!("/{name}: ")) || line.contains(&format!(" {name}: ")));
        line.unwrap_or_else(|| panic!("{name}: {said}")).to_owned()
    };
    assert!(line("tokens.json").ends_with("NOT written: it is as it was before that line"), "{said}");
    assert!(
        line("other.json").ends_with(": as the log says") && line("out.json").ends_with(": as the log says")
    );
    assert!(line("removed.json").ends_with(": not there, or not readable"), "{said}");
    let json = verify(&["--files", "--json"]).json();
    assert_eq!(json["files"][0]["state"], "not written");
    desk.write("tokens.json", b"{}");
    assert!(verify(&["--files"]).stdout().contains("tokens.json: changed since"));
    assert!(!verify(&[]).stdout().contains("tokens.json"));
}

#[test]
fn concurrent_writers_keep_the_chain() {
    // A device each: SoftHSM rewrites its store at each login, and at that moment readers find no device.
    let desks: Vec<Desk> = (0..6).map(|_| Desk::new()).collect();
    let log = desks[0].path("audit.log");
    let children: Vec<_> = desks
        .iter()
        .map(|desk| {
            desk.write("tokens.json", UNSIGNED);
            let mut run = desk
                .countersign(&["sign", "--key", SIGNKEY, "tokens.json"])
                .with_pin()
                .env("COUNTERSIGN_AUDIT_LOG", &log);
            run.command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::piped());
            run.command.spawn().unwrap()
        })
        .collect();
    for child in children {
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    let done = desks[0].countersign(&["audit", "verify", "audit.log"]).go().exits(0);
    assert!(done.stdout().contains("6 entries"), "{}", done.stdout());
}

#[test]
fn nothing_that_a_file_holds_can_spoil_the_log() {
    let desk = Desk::new();
    let huge = format!("{{\"version\":\"{}\",\"tokens\":[]}}", "A".repeat(200_000));
    desk.write("tokens.json", huge.as_bytes());
    let done = desk.countersign(&SIGN).with_pin().go().exits(7);
    assert!(done.stderr().len() < 1000, "the file is not repeated: {} bytes", done.stderr().len());
    assert!(desk.read("audit.log").len() < 4000);
    desk.write("tokens.json", UNSIGNED);
    desk.countersign(&SIGN).with_pin().go().exits(0);
    desk.countersign(&["audit", "verify", "audit.log"]).go().exits(0);
}

#[test]
fn an_interrupted_attempt_and_an_early_failure_are_logged() {
    let desk = Desk::new();
    let mut run =
        desk.countersign(&["sign", "--wait=30", "--key", SIGNKEY, "--audit-log", "audit.log", "tokens.json"]);
    run.command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null());
    let mut child = run.command.spawn().unwrap();
    while !desk.path("audit.log").exists() {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    std::thread::sleep(std::time::Duration::from_millis(300));
    crate::support::parts::tool("kill", &["-TERM".as_ref(), child.id().to_string().as_ref()]);
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert_eq!(lines(&desk)[0]["outcome"], "interrupted");

    desk.write("tokens.json", UNSIGNED);
    let elsewhere = [&SIGN[..5], &["-o", "/nowhere/out", "tokens.json"]].concat();
    desk.countersign(&elsewhere).with_pin().go().exits(1);
    assert_eq!(lines(&desk)[1]["outcome"], "failed");
    let full = [&SIGN[..5], &["--write-public-key", "/dev/full", "tokens.json"]].concat();
    desk.countersign(&full).with_pin().go().exits(1);
    let lines = lines(&desk);
    let outcomes: Vec<_> = lines.iter().map(|line| line["outcome"].as_str().unwrap()).collect();
    assert_eq!(outcomes, ["interrupted", "failed", "signed", "failed"]);
    desk.countersign(&["audit", "verify", "audit.log"]).go().exits(0);
}

#[test]
fn a_log_that_is_moved_away_meanwhile_is_started_again() {
    let desk = Desk::new();
    desk.write("other.json", UNSIGNED);
    desk.countersign(&["sign", "--key", SIGNKEY, "--audit-log", "audit.log", "other.json"])
        .with_pin()
        .go()
        .exits(0);
    let mut run = desk
        .countersign(&["sign", "--wait=30", "--key", SIGNKEY, "--audit-log", "audit.log", "tokens.json"])
        .with_pin();
    run.command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null());
    let mut child = run.command.spawn().unwrap();
    std::thread::sleep(std::time::Duration::from_millis(500));
    std::fs::rename(desk.path("audit.log"), desk.path("audit.log.1")).unwrap();
    desk.write("tokens.json", UNSIGNED);
    assert!(child.wait().unwrap().success());
    assert_eq!(lines(&desk).len(), 1);
    for log in ["audit.log", "audit.log.1"] {
        desk.countersign(&["audit", "verify", log]).go().exits(0);
    }
}

#[test]
fn a_log_without_its_last_line_end_is_cut_off() {
    let desk = Desk::new();
    desk.write("tokens.json", UNSIGNED);
    desk.countersign(&SIGN).with_pin().go().exits(0);
    let log = desk.read("audit.log");
    desk.write("audit.log", &log[..log.len() - 1]);
    desk.countersign(&["audit", "verify", "audit.log"]).go().exits(7).says("line 1 is cut off");
    desk.countersign(&SIGN).with_pin().go().exits(7);
    for special in ["/dev/null", "device"] {
        desk.countersign(&["sign", "--key", SIGNKEY, "--audit-log", special, "tokens.json"])
            .with_pin()
            .go()
            .exits(1);
    }
}
