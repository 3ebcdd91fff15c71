//! The prompt, on a real terminal.

use std::ffi::OsStr;
use std::io::Read;
use std::process::Command;
use std::time::Duration;

use expectrl::process::Healthcheck;
use expectrl::{ControlCode, Eof, Expect, Session};

use crate::device::{Desk, PIN, SIGNKEY, UNSIGNED, fault_module, openssl_accepts, softhsm_module, tool};

pub type Terminal = Session<expectrl::process::unix::UnixProcess, expectrl::process::unix::PtyStream>;

/// A shell on a terminal of its own, so that what is left of the terminal afterwards can be looked at.
pub fn run(desk: &Desk, arguments: &[&str], environment: &[(&str, &str)]) -> Terminal {
    let mut command = Command::new("sh");
    command.arg("-c").arg("stty echo; trap : INT; \"$@\"; echo \"exit $?\"; stty -a").arg("sh");
    command.arg(env!("CARGO_BIN_EXE_countersign")).args(arguments);
    command.current_dir(desk.folder()).env_clear();
    command.env("PATH", "/usr/bin:/bin").env("TERM", "dumb").env("NO_COLOR", "1");
    command
        .env("SOFTHSM2_CONF", desk.path("device/softhsm2.conf"))
        .env("COUNTERSIGN_MODULE", softhsm_module());
    command.envs(environment.iter().copied());
    let mut terminal = Session::spawn(command).expect("a terminal");
    terminal.set_expect_timeout(Some(Duration::from_secs(20)));
    terminal
}

fn sign(desk: &Desk) -> Terminal {
    desk.write("tokens.json", UNSIGNED);
    run(desk, &["sign", "--key", SIGNKEY, "tokens.json"], &[])
}

/// Signs with the PIN from a file on a device that takes its time.
fn sign_slowly(desk: &Desk, faults: &str) -> Terminal {
    desk.write("tokens.json", UNSIGNED);
    let (module, real) = (fault_module(), softhsm_module());
    let environment =
        [("COUNTERSIGN_MODULE", module.to_str().unwrap()), ("FAULT_MODULE", real), ("FAULTS", faults)];
    run(desk, &["sign", "--key", SIGNKEY, "--pin-source", "file:device/pin", "tokens.json"], &environment)
}

/// What is said until the program's end; it must end with `code`, and the terminal must echo again.
pub fn ends(mut terminal: Terminal, code: i32) -> String {
    let found = terminal.expect(Eof).expect("the program ends");
    let mut said = String::from_utf8_lossy(found.as_bytes()).into_owned();
    let _ = terminal.read_to_string(&mut said);
    assert!(said.contains(&format!("exit {code}")), "{said}");
    for setting in ["echo", "isig", "icanon"] {
        assert!(said.split_whitespace().any(|word| word == setting), "{setting} is off: {said}");
    }
    assert!(!said.contains(PIN), "the PIN is echoed: {said}");
    said
}

#[test]
fn the_prompt_names_the_device_and_its_serial_and_the_right_pin_signs() {
    let desk = Desk::new();
    let mut terminal = sign(&desk);
    terminal.expect(expectrl::Regex(r"PIN for officer \(SoftHSM v2, serial [0-9a-f]{16}\): ")).unwrap();
    terminal.send_line(PIN).unwrap();
    let said = ends(terminal, 0);
    assert!(said.contains("3 signed and verified"), "{said}");
    assert!(openssl_accepts(&desk, "tokens.json", "device/signkey.pub.pem"));
}

#[test]
fn the_prompt_goes_to_the_terminal_although_stdin_and_stdout_are_not() {
    let desk = Desk::new();
    desk.write("unsigned.json", UNSIGNED);
    let script = "stty echo; cat unsigned.json | \"$@\" > signed.json; echo \"exit $?\"; stty -a";
    let mut command = Command::new("sh");
    command.arg("-c").arg(script).arg("sh").arg(env!("CARGO_BIN_EXE_countersign"));
    command.args(["sign", "--key", SIGNKEY, "-"]).current_dir(desk.folder());
    command
        .env("SOFTHSM2_CONF", desk.path("device/softhsm2.conf"))
        .env("COUNTERSIGN_MODULE", softhsm_module());
    let mut terminal = Session::spawn(command).unwrap();
    terminal.set_expect_timeout(Some(Duration::from_secs(20)));
    terminal.expect("PIN for officer").unwrap();
    terminal.expect(": ").unwrap();
    terminal.send_line(PIN).unwrap();
    ends(terminal, 0);
    assert!(openssl_accepts(&desk, "signed.json", "device/signkey.pub.pem"));
}

#[test]
fn a_person_may_try_once_more_after_a_wrong_pin() {
    let desk = Desk::new();
    let mut terminal = sign(&desk);
    terminal.expect("): ").unwrap();
    terminal.send_line("000000").unwrap();
    terminal.expect("that PIN is wrong for officer").unwrap();
    terminal.expect("): ").unwrap();
    terminal.send_line(PIN).unwrap();
    ends(terminal, 0);
    assert!(openssl_accepts(&desk, "tokens.json", "device/signkey.pub.pem"));
}

#[test]
fn after_two_wrong_pins_nobody_is_asked_again() {
    let desk = Desk::new();
    let mut terminal = sign(&desk);
    for _ in 0..2 {
        terminal.expect("): ").unwrap();
        terminal.send_line("000000").unwrap();
    }
    let said = ends(terminal, 5);
    assert!(said.contains("error: the PIN for officer"), "{said}");
    assert_eq!(desk.read("tokens.json"), UNSIGNED);

    // The device remembers, so that the next run asks once.
    let mut terminal = sign(&desk);
    terminal.expect("): ").unwrap();
    terminal.send_line("000000").unwrap();
    let said = ends(terminal, 5);
    assert!(said.contains("CKF_USER_PIN_COUNT_LOW"), "{said}");
}

#[test]
fn ctrl_c_at_the_prompt_restores_the_terminal_and_exits_130() {
    let desk = Desk::new();
    let mut terminal = sign(&desk);
    terminal.expect("): ").unwrap();
    terminal.send("12").unwrap();
    terminal.send(ControlCode::EndOfText).unwrap();
    let said = ends(terminal, 130);
    assert!(said.contains("interrupted"), "{said}");
    assert_eq!(desk.read("tokens.json"), UNSIGNED);
}

#[test]
fn a_signal_at_the_prompt_restores_the_terminal_too() {
    let desk = Desk::new();
    for signal in ["-TERM", "-INT", "-HUP", "-QUIT"] {
        let mut terminal = sign(&desk);
        terminal.expect("): ").unwrap();
        let shell = terminal.get_process().pid().to_string();
        tool("pkill", &[signal, "--parent", &shell, "countersign"].map(OsStr::new));
        ends(terminal, 130);
        assert_eq!(desk.read("tokens.json"), UNSIGNED);
    }
}

#[test]
fn an_empty_answer_and_ctrl_d_are_not_sent_to_the_device() {
    let desk = Desk::new();
    for answer in ["\n", "\x04"] {
        let mut terminal = sign(&desk);
        terminal.expect("): ").unwrap();
        terminal.send(answer).unwrap();
        let said = ends(terminal, 5);
        assert!(said.contains("the PIN is empty; it was not sent to the device"), "{said}");
    }
}

#[test]
fn a_device_that_waits_is_said_to_want_a_touch() {
    let desk = Desk::new();
    let mut terminal = sign_slowly(&desk, "C_Sign:2=delay:1200");
    terminal.expect("The device is waiting: touch it if it blinks (token 2 of 3)").unwrap();
    ends(terminal, 0);
}

#[test]
fn ctrl_c_while_the_device_blocks_leaves_the_file_alone() {
    let desk = Desk::new();
    let mut terminal = sign_slowly(&desk, "C_Sign:2=delay:15000");
    terminal.expect("touch it if it blinks").unwrap();
    terminal.send(ControlCode::EndOfText).unwrap();
    ends(terminal, 130);
    assert_eq!(desk.read("tokens.json"), UNSIGNED);
}

#[test]
fn a_file_that_changes_while_the_prompt_waits_is_left_as_it_was_changed() {
    let desk = Desk::new();
    let mut terminal = sign(&desk);
    terminal.expect("): ").unwrap();
    let changed = crate::device::unsigned_file(2);
    desk.write("tokens.json", &changed);
    terminal.send_line(PIN).unwrap();
    let said = ends(terminal, 1);
    assert!(said.contains("was changed by somebody else while it was being signed"), "{said}");
    assert_eq!(desk.read("tokens.json"), changed);
}

#[test]
fn a_second_run_while_the_prompt_waits_is_told_to_wait() {
    let desk = Desk::new();
    let mut terminal = sign(&desk);
    terminal.expect("): ").unwrap();
    desk.countersign(&["sign", "--key", SIGNKEY, "tokens.json"])
        .with_pin()
        .go()
        .exits(1)
        .says("\"tokens.json\" is being signed by another process");
    assert!(terminal.get_process().is_alive().unwrap());
    terminal.send_line(PIN).unwrap();
    ends(terminal, 0);
}
