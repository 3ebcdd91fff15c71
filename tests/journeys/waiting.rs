//! `--wait`, and rotation in one call.

use std::fs;
use std::time::{Duration, Instant};

use crate::support::clock;
use crate::support::desk::{Desk, SIGNKEY};
use crate::support::faults::{calls, untouched, with_faults};
use crate::support::openssl::openssl_accepts;
use crate::support::p11_kit::under_p11_kit;
use crate::support::parts::{fault_module, softhsm_module};
use crate::support::pinned::pinned;
use crate::support::token_files::{UNSIGNED, unsigned_file};

#[test]
fn a_file_that_is_not_there_yet_is_waited_for_until_it_is_complete() {
    let desk = Desk::new();
    let write = || {
        desk.write("tokens.json", &UNSIGNED[..100]);
        std::thread::sleep(Duration::from_millis(600));
        desk.write("tokens.json", UNSIGNED);
    };
    desk.countersign(&["sign", "--wait", "--key", SIGNKEY, "tokens.json"])
        .with_pin()
        .go_and_when_it_says("waiting, at most 5 minutes: no such file: \"tokens.json\"", write)
        .exits(0)
        .says("tokens.json is ready: press Enter in CloudHSM CLI now.");
    assert!(openssl_accepts(&desk, "tokens.json", "device/signkey.pub.pem"));
}

#[test]
fn a_device_that_is_not_there_yet_is_waited_for() {
    let desk = Desk::new();
    desk.write("tokens.json", UNSIGNED);
    let (unplugged, tokens) = (desk.path("unplugged"), desk.path("device/tokens"));
    fs::rename(&tokens, &unplugged).unwrap();
    fs::create_dir(&tokens).unwrap();
    let plug_in = || {
        for entry in fs::read_dir(unplugged).unwrap() {
            let entry = entry.unwrap();
            fs::rename(entry.path(), tokens.join(entry.file_name())).unwrap();
        }
    };
    desk.countersign(&["sign", "--wait=30", "--key", SIGNKEY, "tokens.json"])
        .with_pin()
        .go_and_when_it_says("waiting, at most 30 seconds: no device is present", plug_in)
        .exits(0);
    assert!(openssl_accepts(&desk, "tokens.json", "device/signkey.pub.pem"));
}

#[test]
fn waiting_times_out() {
    let desk = Desk::new();
    let done =
        desk.countersign(&["sign", "--wait=1", "--key", SIGNKEY, "tokens.json"]).with_pin().go().exits(1);
    pinned("wait_timed_out", &desk, "countersign sign --wait=1 --key … tokens.json", &done);
    desk.write("tokens.json", b"{}");
    desk.countersign(&["sign", "--wait=1", "--key", SIGNKEY, "tokens.json"]).with_pin().go().exits(7);
}

#[test]
fn rotation_takes_one_call_and_ends_with_the_answers_for_cloudhsm_cli() {
    let desk = Desk::new();
    desk.write("tokens.json", UNSIGNED);
    let sign = ["sign", "--key", SIGNKEY, "--write-public-key", "new.pub", "tokens.json"];
    let done = desk.countersign(&sign).with_pin().go().exits(0);
    pinned("sign_rotation", &desk, "countersign sign --key … --write-public-key new.pub tokens.json", &done);
    assert_eq!(desk.read("new.pub"), desk.read("device/signkey.pub.pem"));
    assert!(openssl_accepts(&desk, "tokens.json", "new.pub"));
}

#[test]
fn a_file_that_is_signed_already_is_not_the_one_that_is_waited_for() {
    let desk = Desk::new();
    desk.write("tokens.json", UNSIGNED);
    desk.countersign(&["sign", "--key", SIGNKEY, "tokens.json"]).with_pin().go().exits(0);
    let write = || {
        desk.write("tokens.json", &unsigned_file(2));
    };
    desk.countersign(&["sign", "--wait=30", "--key", SIGNKEY, "tokens.json"])
        .with_pin()
        .go_and_when_it_says("is signed already; waiting for a new one", write)
        .exits(0)
        .says("2 signed and verified");
}

#[test]
fn a_file_of_any_kind_is_signed_when_nobody_writes_to_it_any_more() {
    let desk = Desk::new();
    let writer = {
        let path = desk.path("officer.token");
        std::thread::spawn(move || {
            for length in 1..=12 {
                fs::write(&path, &b"twelve bytes"[..length]).unwrap();
                clock::is_written_now(&path);
                std::thread::sleep(Duration::from_millis(250));
            }
        })
    };
    std::thread::sleep(Duration::from_millis(100));
    let sign = ["sign", "--detached", "--wait=30", "--key", SIGNKEY, "officer.token"];
    desk.countersign(&sign).with_pin().go().exits(0).says("is still being written");
    writer.join().unwrap();
    let verify = ["verify", "--detached", "--public-key", "device/signkey.pub.pem", "officer.token"];
    desk.countersign(&verify).go().exits(0);
    desk.write("empty", b"");
    desk.countersign(&["sign", "--detached", "--key", SIGNKEY, "empty"]).with_pin().go().exits(7);
}

#[test]
fn permanent_errors_are_not_waited_for() {
    let desk = Desk::new();
    desk.write("tokens.json", UNSIGNED);
    let start = Instant::now();
    let sign =
        |arguments: &[&str]| desk.countersign(&[&["sign", "--wait=30"], arguments].concat()).with_pin().go();
    sign(&["-", "tokens.json"]).exits(2);
    sign(&["pkcs11:"]).exits(2);
    sign(&["--module", "/nowhere.so", "tokens.json"]).exits(3);
    sign(&["60", "tokens.json"]).exits(2).says("seconds are given as --wait=SECONDS");
    assert!(start.elapsed() < Duration::from_secs(20));
}

#[test]
fn a_module_that_hangs_in_any_call_ends_the_wait_in_time_and_is_named() {
    let desk = Desk::new();
    let named = ["sign", "--wait=1", "--key", SIGNKEY, "tokens.json"];
    for call in [
        "C_Initialize",
        "C_GetInfo",
        "C_GetSlotList",
        "C_GetTokenInfo",
        "C_GetSlotInfo",
        "C_OpenSession",
        "C_FindObjects",
        "C_GetAttributeValue",
    ] {
        let start = Instant::now();
        let done = with_faults(&desk, &named, &format!("{call}=delay:60000")).go().exits(3);
        assert!(start.elapsed() < Duration::from_secs(10), "{call}: {:?}", start.elapsed());
        let done = done.says("timed out after 1 second: ");
        let hanging = format!("; {} hangs in {call}\n", fault_module().display());
        assert!(done.stderr().contains(&hanging), "{call}: {}", done.stderr());
        assert_eq!(calls(&desk, "C_Login"), 0, "{call}");
        untouched(&desk);
    }
    let command = "countersign sign --wait=1 --key … tokens.json";
    let done = with_faults(&desk, &named, "C_GetSlotList=delay:60000").go().exits(3);
    let path = fault_module().display().to_string();
    pinned("wait_module_hangs", &desk, command, &done.map_stderr(|text| text.replace(&path, "MODULE")));
}

#[test]
fn a_device_is_searched_for_again_when_the_call_that_hung_has_returned() {
    let desk = Desk::new();
    for call in ["C_Initialize", "C_GetSlotList", "C_OpenSession", "C_FindObjects"] {
        let sign = ["sign", "--wait=60", "--timeout=1", "--key", SIGNKEY, "tokens.json"];
        let done = with_faults(&desk, &sign, &format!("{call}:1=delay:3000")).go().exits(0);
        done.says("waiting, at most 60 seconds: ").says(&format!("hangs in {call}\n"));
        assert!(openssl_accepts(&desk, "tokens.json", "device/signkey.pub.pem"));
        let log = String::from_utf8(desk.read("calls")).unwrap();
        let log: Vec<&str> = log.lines().collect();
        assert!(!log.contains(&"CONCURRENT"), "{call}: the module was called while it hung");
        // What it had begun is ended first.
        let at = |call: &str| log.iter().rposition(|line| *line == call).unwrap();
        assert!(log[..at("C_Initialize")].ends_with(&["C_Finalize"]), "{call}: {log:?}");
    }
}

#[test]
fn other_modules_are_searched_while_one_hangs() {
    let desk = Desk::new();
    // A separate copy of the library: the one that hangs must not block what SoftHSM itself uses.
    fs::copy(softhsm_module(), desk.path("other.so")).unwrap();
    let hanging = format!("module: {}\n", fault_module().display());
    let modules =
        [("a-hanging.module", &*hanging), ("softhsm2.module", &format!("module: {}\n", softhsm_module()))];
    let run = |arguments: &[&str], hang: &str| {
        desk.write("tokens.json", UNSIGNED);
        let run = under_p11_kit(&desk, &modules, arguments).with_pin();
        run.env("FAULT_MODULE", desk.path("other.so")).env("FAULTS", format!("{hang}=delay:60000")).go()
    };
    for hang in ["C_Initialize", "C_GetSlotList"] {
        let start = Instant::now();
        run(&["sign", "--wait=40", "--timeout=2", "--key", SIGNKEY, "tokens.json"], hang).exits(0);
        assert!(start.elapsed() < Duration::from_secs(20), "{hang}: {:?}", start.elapsed());
        assert!(openssl_accepts(&desk, "tokens.json", "device/signkey.pub.pem"));
        // Without a URI the selected key may be behind the module that hangs, so the PIN must not go to
        // another device.
        let done = run(&["sign", "--wait=2", "--timeout=1", "tokens.json"], hang).exits(3);
        done.says("in a slot of a-hanging").says(&format!("hangs in {hang}"));
        assert_eq!(desk.read("tokens.json"), UNSIGNED);
    }
}
