//! Faults in the middle of a batch: the file is complete or untouched, and nothing hangs.

use std::time::{Duration, Instant};

use crate::support::desk::Desk;
use crate::support::faults::{COMMAND, SIGN, calls, untouched, with_faults};
use crate::support::openssl::openssl_accepts;
use crate::support::pinned::pinned;
use crate::support::token_files::UNSIGNED;

#[test]
fn a_wrong_signature_is_never_written() {
    let desk = Desk::new();
    let done = with_faults(&desk, &SIGN, "C_Sign:3=corrupt").go().exits(6);
    pinned("sign_device_signs_wrongly", &desk, COMMAND, &done);
    untouched(&desk);
}

#[test]
fn a_device_that_fails_in_the_middle_leaves_the_file_alone() {
    let desk = Desk::new();
    let done = with_faults(&desk, &SIGN, "C_Sign:2=0x30").go().exits(6);
    pinned("sign_device_fails_midway", &desk, COMMAND, &done);
    untouched(&desk);
}

#[test]
fn a_device_that_is_pulled_out_ends_the_run_wherever_it_was() {
    let desk = Desk::new();
    for (faults, code) in [
        ("C_GetSlotList:1=gone:0x30", 3),
        ("C_OpenSession:2=gone:0x32", 3),
        ("C_Login:1=gone:0x32", 3),
        ("C_FindObjectsInit:4=gone:0x30", 3),
        ("C_SignInit:1=gone:0x5", 6),
        ("C_Sign:1=gone:0x30", 6),
        ("C_Sign:3=gone:0x32", 6),
    ] {
        let done = with_faults(&desk, &SIGN, faults).go();
        assert_eq!(done.code(), code, "{faults}: {}", done.stderr());
        assert!(done.stderr().contains("tokens.json was not changed."), "{faults}: {}", done.stderr());
        untouched(&desk);
    }
    with_faults(&desk, &SIGN, "C_Login:1=gone:0x30").go().says("help: plug the device in again");
    with_faults(&desk, &SIGN, "C_Sign:3=gone:0x32")
        .go()
        .says("2 of 3 signatures had been made; none of them was written.");
}

#[test]
fn a_device_that_is_pulled_out_in_the_middle_of_a_retry_is_reported_as_gone() {
    let desk = Desk::new();
    // A second login: after a lost session, for one signature, and as the user.
    let new_login = "C_Sign=newlogin,C_Login:2=0x91,C_Login:3=gone:0x30";
    for (faults, call) in [
        ("C_Sign:2=lost,C_Login:2=gone:0x30", "C_Login"),
        ("C_Sign:2=lost,C_OpenSession:3=gone:0x30", "C_OpenSession"),
        ("C_Sign:2=0x101,C_Login:2=gone:0x30", "C_Login"),
        (new_login, "C_Login"),
    ] {
        let said = format!("was removed before it signed: {call} said CKR_DEVICE_ERROR");
        with_faults(&desk, &SIGN, faults).go().exits(6).says(&said).says("help: plug the device in again");
        untouched(&desk);
    }
}

#[test]
fn a_session_that_is_lost_is_opened_again_once_and_the_run_continues() {
    let desk = Desk::new();
    with_faults(&desk, &SIGN, "C_Sign:2=lost").go().exits(0);
    assert!(openssl_accepts(&desk, "tokens.json", "device/signkey.pub.pem"));
    assert_eq!((calls(&desk, "C_Login"), calls(&desk, "C_Sign")), (2, 4));
    // Lost again at the next attempt of the same signature.
    with_faults(&desk, &SIGN, "C_Sign:2=lost,C_Sign:3=lost")
        .go()
        .exits(6)
        .says("C_Sign said CKR_SESSION_HANDLE_INVALID")
        .says("1 of 3 signatures had been made");
    untouched(&desk);
    // Also if an operation is left over, which PKCS#11 2.40 cannot end.
    with_faults(&desk, &SIGN, "C_SignInit:2=0x90").go().exits(0);
    assert!(openssl_accepts(&desk, "tokens.json", "device/signkey.pub.pem"));
}

#[test]
fn a_session_is_not_opened_again_on_another_device_or_with_a_pin_at_risk() {
    let desk = Desk::new();
    with_faults(&desk, &SIGN, "C_Sign:2=lost").go().exits(0);
    // The PIN's state is read last when the session is opened again.
    let reads = calls(&desk, "C_GetTokenInfo");
    let last_try = format!("C_Sign:2=lost,C_GetTokenInfo:{reads}=flags:0x20000");
    with_faults(&desk, &SIGN, &last_try).go().exits(5).says("one attempt is left");
    assert_eq!(calls(&desk, "C_Login"), 1);
    untouched(&desk);
    // The slot's content is queried before that: it does not answer.
    let absent = format!("C_Sign:2=lost,C_GetTokenInfo:{}=0xe0", reads - 1);
    with_faults(&desk, &SIGN, &absent).go().exits(6).says("CKR_SESSION_HANDLE_INVALID");
    assert_eq!(calls(&desk, "C_Login"), 1);
    untouched(&desk);
}

#[test]
fn a_device_that_does_not_answer_is_given_up() {
    let desk = Desk::new();
    let sign = [&SIGN[..], &["--timeout", "1", "--audit-log", "log"]].concat();
    for (faults, code) in [
        ("C_Initialize=delay:30000", 3),
        ("C_GetSlotList:1=delay:30000", 3),
        ("C_OpenSession:2=delay:30000", 3),
        ("C_Login:1=delay:30000", 3),
        ("C_FindObjectsInit:3=delay:30000", 3),
        ("C_Sign:2=delay:30000", 6),
    ] {
        let start = Instant::now();
        with_faults(&desk, &sign, faults).go().exits(code).says("has not answered for 1 second (");
        assert!(start.elapsed() < Duration::from_secs(15), "{faults}");
        untouched(&desk);
    }
    let done = with_faults(&desk, &sign, "C_Sign:2=delay:30000").go().exits(6);
    let command = format!("{COMMAND} --timeout 1");
    pinned("sign_no_answer", &desk, &command, &done);
    let log = String::from_utf8(desk.read("log")).unwrap();
    let line: serde_json::Value = serde_json::from_str(log.lines().last().unwrap()).unwrap();
    assert_eq!((&line["outcome"], &line["signatures"]), (&"failed".into(), &1.into()));
    assert!(line["error"].as_str().unwrap().contains("has not answered"), "{line}");
    let json =
        with_faults(&desk, &[&sign[..], &["--json"]].concat(), "C_Sign:2=delay:30000").go().exits(6).json();
    assert_eq!(json["error"]["exit"], 6);
}

/// A random number generator that gives the same numbers everywhere and forever (xorshift64*).
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % bound
    }

    fn of<'a, T>(&mut self, values: &'a [T]) -> &'a T {
        &values[self.below(values.len())]
    }
}

/// One to three faults at random places.
fn schedule(seed: u64) -> String {
    const CALLS: [&str; 16] = [
        "C_Initialize",
        "C_GetSlotList",
        "C_GetSlotInfo",
        "C_GetTokenInfo",
        "C_GetMechanismList",
        "C_OpenSession",
        "C_CloseSession",
        "C_Login",
        "C_FindObjectsInit",
        "C_FindObjects",
        "C_FindObjectsFinal",
        "C_GetAttributeValue",
        "C_SignInit",
        "C_Sign",
        "C_Finalize",
        "C_GetInfo",
    ];
    const FAULTS: [&str; 22] = [
        "0x1",
        "0x2",
        "0x5",
        "0x6",
        "0x7",
        "0x30",
        "0x31",
        "0x32",
        "0x50",
        "0x54",
        "0x70",
        "0x90",
        "0x91",
        "0xa0",
        "0xa4",
        "0xb3",
        "0xe0",
        "0x101",
        "0x80000001",
        "gone:0x30",
        "gone:0x32",
        "delay:20",
    ];
    let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let rules: Vec<String> = (0..=random.below(3))
        .map(|_| {
            let call = *random.of(&CALLS);
            let nth = 1 + random.below(if call == "C_GetAttributeValue" { 30 } else { 4 });
            let fault = match call {
                "C_Sign" => {
                    *random.of(&["lost", "corrupt", "0x30", "0x101", "0x150", "gone:0x30", "0x54", "0xb3"])
                }
                "C_GetTokenInfo" => *random.of(&[
                    "clock",
                    "flags:0x40000",
                    "flags:0x20000",
                    "noflags:0x8",
                    "noflags:0x4",
                    "0x30",
                    "0xe1",
                ]),
                _ => *random.of(&FAULTS),
            };
            format!("{call}:{nth}={fault}")
        })
        .collect();
    rules.join(",")
}

#[test]
fn two_hundred_random_fault_schedules_end_with_a_correct_file_or_an_untouched_one() {
    let desk = Desk::new();
    let mut ends = std::collections::BTreeMap::<i32, usize>::new();
    for seed in 1..=200 {
        let faults = schedule(seed);
        let done = with_faults(&desk, &[&SIGN[..], &["--timeout", "10"]].concat(), &faults).go();
        let code = done.code();
        let context = || format!("seed {seed}, FAULTS={faults}: {}", done.stderr());
        if code == 0 {
            assert!(openssl_accepts(&desk, "tokens.json", "device/signkey.pub.pem"), "{}", context());
        } else {
            assert!([3, 4, 5, 6].contains(&code), "exit {code}, {}", context());
            assert_eq!(desk.read("tokens.json"), UNSIGNED, "{}", context());
            assert!(done.stderr().contains("error: "), "{}", context());
        }
        assert_eq!(calls(&desk, "CONCURRENT"), 0, "{}", context());
        *ends.entry(code).or_default() += 1;
    }
    // The schedules are useful only if they include successful runs and every common kind of failure.
    assert!([0, 3, 5, 6].iter().all(|code| ends.contains_key(code)), "{ends:?}");
}

#[test]
fn the_outcome_stands_even_if_the_device_hangs_when_it_is_released() {
    let desk = Desk::new();
    desk.write("wrong", b"999999");
    for call in ["C_Logout", "C_CloseSession:3", "C_Finalize"] {
        let faults = format!("{call}=delay:30000");
        let sign = [&SIGN[..], &["--timeout", "1"]].concat();
        let start = Instant::now();
        let done = with_faults(&desk, &sign, &faults).go().exits(0);
        assert!(
            done.stderr().contains("3 signed and verified") && !done.stderr().contains("error"),
            "{faults}"
        );
        assert!(openssl_accepts(&desk, "tokens.json", "device/signkey.pub.pem"), "{faults}");
        assert!(start.elapsed() < Duration::from_secs(15), "{faults}");
        let corrupt = format!("C_Sign:2=corrupt,{faults}");
        with_faults(&desk, &sign, &corrupt).go().exits(6).says("does not verify");
        untouched(&desk);
    }
    let wrong = [&SIGN[..], &["--timeout", "1", "--pin-source", "file:wrong"]].concat();
    with_faults(&desk, &wrong, "C_Finalize=delay:3000").go().says("is wrong");
}

#[test]
fn every_call_has_an_end() {
    let desk = Desk::new();
    let sign = [&SIGN[..], &["--timeout", "1"]].concat();
    for call in [
        "C_GetInfo",
        "C_GetSlotInfo:1",
        "C_GetTokenInfo:1",
        "C_CloseSession:1",
        "C_GetAttributeValue:2",
        "C_SignInit:2",
    ] {
        let start = Instant::now();
        with_faults(&desk, &sign, &format!("{call}=delay:30000"))
            .go()
            .says("has not answered for 1 second (");
        assert!(start.elapsed() < Duration::from_secs(15), "{call}");
        untouched(&desk);
    }
    // A module that hangs while it is loaded: a pipe that nobody writes to.
    crate::support::parts::tool("mkfifo", &[desk.path("module.so").as_os_str()]);
    let module = desk.path("module.so");
    for _ in 0..5 {
        desk.countersign(&["list", "--timeout", "1", "--module", module.to_str().unwrap()])
            .go()
            .exits(3)
            .says("has not answered for 1 second (dlopen)");
    }
}

#[test]
fn a_reader_that_does_not_read_delays_no_exit() {
    use std::os::fd::OwnedFd;
    use std::process::Stdio;
    let desk = Desk::new();
    for signal in ["TERM", "INT"] {
        let (reader, writer) = std::io::pipe().unwrap();
        let flags = rustix::fs::fcntl_getfl(&writer).unwrap();
        rustix::fs::fcntl_setfl(&writer, flags | rustix::fs::OFlags::NONBLOCK).unwrap();
        while std::io::Write::write(&mut &writer, &[b' '; 4096]).is_ok() {}
        rustix::fs::fcntl_setfl(&writer, flags).unwrap();
        let mut run = with_faults(&desk, &[&SIGN[..], &["-q"]].concat(), "C_Sign:2=delay:60000");
        let mut child = run.command.stderr(Stdio::from(OwnedFd::from(writer))).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(700));
        // setsid is replaced by the program.
        let start = Instant::now();
        crate::support::parts::tool(
            "kill",
            &[format!("-{signal}").as_ref(), child.id().to_string().as_ref()],
        );
        let status = child.wait().unwrap();
        assert_eq!(status.code(), Some(130), "{signal}: {status}");
        assert!(start.elapsed() < Duration::from_secs(10), "{signal}");
        untouched(&desk);
        drop(reader);
    }
}

#[test]
fn a_login_that_is_about_to_return_is_not_cut_off_by_a_signal() {
    let desk = Desk::new();
    // Longer than a signal waits for a read-only call.
    let mut run = with_faults(&desk, &SIGN, "C_Login=delay:2500");
    run.command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null());
    let mut child = run.command.spawn().unwrap();
    let has_begun =
        || desk.path("calls").exists().then(|| calls(&desk, "C_Login")).filter(|calls| *calls > 0);
    crate::support::running::eventually("a login", has_begun);
    let start = Instant::now();
    std::thread::sleep(Duration::from_millis(1700));
    crate::support::parts::tool("kill", &["-TERM".as_ref(), child.id().to_string().as_ref()]);
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert!(start.elapsed() >= Duration::from_millis(2400), "it was cut off after {:?}", start.elapsed());
    // The device is intact.
    desk.write("tokens.json", UNSIGNED);
    desk.countersign(&SIGN).with_pin().go().exits(0);
}

#[test]
fn a_limit_of_open_files_loses_nothing_and_is_named() {
    let desk = Desk::new();
    let (mut signed, mut named) = (false, false);
    // From the first number with which the program itself can be loaded.
    for limit in 4..48 {
        desk.write("tokens.json", UNSIGNED);
        let wrapper = ["prlimit", &format!("--nofile={limit}")];
        let done = desk.countersign_under(&wrapper, &SIGN).with_pin().go();
        let said = done.stderr();
        match done.code() {
            0 => {
                signed = true;
                assert!(openssl_accepts(&desk, "tokens.json", "device/signkey.pub.pem"), "{limit}");
            }
            code => {
                assert!((1..=7).contains(&code) && said.contains("error: "), "{limit}: {code}, {said}");
                assert_eq!(desk.read("tokens.json"), UNSIGNED, "{limit}: {said}");
            }
        }
        assert!(!said.contains("somebody else") && !said.contains("panicked"), "{limit}: {said}");
        named |= said.contains("ulimit -n");
    }
    assert!(signed && named);
}
