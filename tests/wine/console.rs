//! A person at a console.

use std::process::{Command, Stdio};
use std::time::Duration;

use expectrl::process::unix::{PtyStream, UnixProcess, WaitStatus};
use expectrl::{Expect, Session};

use crate::desk::{Desk, KEY, MODULE, PIN, UNSIGNED, eventually};

type Console = Session<UnixProcess, PtyStream>;

const SIGN: [&str; 6] = ["sign", "--module", MODULE, "--key", KEY, "tokens.json"];

fn at_console(mut command: Command) -> Console {
    // Wine's console reads from there.
    command.stdin(Stdio::inherit());
    let mut console = Session::spawn(command).expect("a terminal");
    console.set_expect_timeout(Some(Duration::from_secs(120)));
    console
}

#[test]
fn the_pin_is_asked_for_without_echo() {
    let desk = Desk::new();
    let mut console = at_console(desk.countersign(&SIGN));
    console.expect("PIN").unwrap();
    console.send(format!("{PIN}\r")).unwrap();
    // Not to the end of the terminal: Wine's own processes may keep it open.
    let rest = console.expect("is ready").unwrap();
    let said = String::from_utf8_lossy(rest.before()).into_owned();
    assert!(!said.contains(PIN), "{said}");
    assert_eq!(console.get_process().wait().unwrap(), WaitStatus::Exited(console.get_process().pid(), 0));
    desk.is_signed("tokens.json");
}

#[test]
fn ctrl_c_at_the_prompt_ends_it_with_130() {
    let desk = Desk::new();
    let mut console = at_console(desk.countersign(&SIGN));
    console.expect("PIN").unwrap();
    console.send("\u{3}").unwrap();
    assert_eq!(console.get_process().wait().unwrap(), WaitStatus::Exited(console.get_process().pid(), 130));
    assert_eq!(desk.read("tokens.json"), UNSIGNED);
}

#[test]
fn ctrl_c_while_a_device_signs_ends_it_and_changes_nothing() {
    let desk = Desk::new();
    let mut command = desk.sign();
    command.env("KEY_FILE_SIGNS_AFTER", "60000");
    let mut console = at_console(command);
    // Whatever the code page of the console is.
    console.expect("(token 1 of 3)…").unwrap();
    console.send("\u{3}").unwrap();
    console.expect("was not changed").unwrap();
    assert_eq!(console.get_process().wait().unwrap(), WaitStatus::Exited(console.get_process().pid(), 130));
    assert_eq!(desk.read("tokens.json"), UNSIGNED);
    // Wine removes a name when the last handle of the file is closed.
    eventually("the end of the lock", || !desk.names().iter().any(|name| name.contains(".countersign-")));
}
