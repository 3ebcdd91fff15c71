//! The prompt, on a real terminal.

use std::ffi::OsStr;
use std::process::Command;

use expectrl::process::Healthcheck;
use expectrl::{ControlCode, Expect, Session};

use crate::support::desk::{Desk, PIN, SIGNKEY};
use crate::support::faults::{calls, variables};
use crate::support::openssl::openssl_accepts;
use crate::support::parts::{softhsm_module, tool};
use crate::support::running::eventually;
use crate::support::terminal::{Terminal, ends, run};
use crate::support::token_files::UNSIGNED;

fn sign(desk: &Desk) -> Terminal {
    desk.write("tokens.json", UNSIGNED);
    run(desk, &["sign", "--key", SIGNKEY, "tokens.json"], &[])
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
    terminal.set_expect_timeout(Some(std::time::Duration::from_secs(20)));
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
fn typed_text_that_cannot_be_a_pin_costs_no_attempt() {
    let desk = Desk::new();
    // Latin-1, a tab, an arrow key, and more than any device accepts.
    let long = "1".repeat(100_000);
    for (typed, why) in [
        (b"caf\xe9".as_slice(), "is not plain UTF-8 text"),
        (b"swordfish\t", "is not plain UTF-8 text"),
        (b"swordfish\x1b[D", "is not plain UTF-8 text"),
        (long.as_bytes(), "is longer than 1024 bytes"),
    ] {
        desk.write("tokens.json", UNSIGNED);
        let log = desk.path("calls");
        let [module, behind, faults] = &variables("");
        let variables = [module, behind, faults].map(|(name, value)| (*name, value.as_str()));
        let variables = [&variables[..], &[("FAULT_LOG", log.to_str().unwrap())]].concat();
        let mut terminal = run(&desk, &["sign", "--key", SIGNKEY, "tokens.json"], &variables);
        terminal.expect("): ").unwrap();
        terminal.send(typed).unwrap();
        terminal.send("\r").unwrap();
        let said = ends(terminal, 5);
        let expected = format!("the PIN from the terminal {why}; it was not sent to the device");
        assert!(said.contains(&expected), "{said}");
        assert_eq!(calls(&desk, "C_Login"), 0);
        assert_eq!(desk.read("tokens.json"), UNSIGNED);
    }
    // Deleted characters are not part of it.
    let mut terminal = sign(&desk);
    terminal.expect("): ").unwrap();
    terminal.send(b"caf\xe9\x15\t\x7f").unwrap();
    terminal.send_line(PIN).unwrap();
    ends(terminal, 0);
}

#[test]
fn a_person_types_a_pin_of_a_length_that_the_device_states() {
    let desk = Desk::new();
    for (second, code) in [(PIN, 0), ("12", 5)] {
        let mut terminal = sign(&desk);
        terminal.expect("): ").unwrap();
        terminal.send_line("123").unwrap();
        terminal.expect("a PIN of 3 characters has the wrong form for officer").unwrap();
        terminal.expect("which accepts 4 to 255 characters; no attempt was used up").unwrap();
        terminal.expect("): ").unwrap();
        terminal.send_line(second).unwrap();
        let said = ends(terminal, code);
        assert_eq!(said.contains("has 2 characters; it was not sent"), code == 5, "{said}");
    }
}

#[test]
fn a_file_that_changes_while_the_prompt_waits_is_left_as_it_was_changed() {
    let desk = Desk::new();
    let mut terminal = sign(&desk);
    terminal.expect("): ").unwrap();
    let changed = crate::support::token_files::unsigned_file(2);
    desk.write("tokens.json", &changed);
    terminal.send_line(PIN).unwrap();
    let said = ends(terminal, 1);
    assert!(said.contains("was changed by another process while it was being signed"), "{said}");
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

#[test]
fn a_terminal_that_was_told_to_stop_does_not_stall_signing() {
    let desk = Desk::new();
    desk.write("tokens.json", UNSIGNED);
    let pipe = desk.path("pin-pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let sign = ["sign", "--key", SIGNKEY, "--pin-source", "file:pin-pipe", "tokens.json"];
    let mut terminal = run(&desk, &sign, &[]);
    terminal.expect("3 to sign").unwrap();
    // Ctrl-S, before the rest is printed.
    terminal.send("\x13").unwrap();
    std::thread::sleep(std::time::Duration::from_millis(300));
    std::fs::write(&pipe, PIN).unwrap();
    eventually("the file is signed", || (desk.read("tokens.json") != UNSIGNED).then_some(()));
    // Ctrl-Q: nothing that was printed is lost.
    terminal.send("\x11").unwrap();
    let said = ends(terminal, 0);
    assert!(said.contains("3 signed and verified"), "{said}");
}
