//! A person at a console.

use std::process::Stdio;
use std::time::Duration;

use expectrl::process::unix::{PtyStream, UnixProcess, WaitStatus};
use expectrl::{Expect, Session};

use crate::desk::{Desk, KEY, MODULE, PIN, UNSIGNED};

type Console = Session<UnixProcess, PtyStream>;

fn at_console(desk: &Desk) -> Console {
    let mut command = desk.countersign(&["sign", "--module", MODULE, "--key", KEY, "tokens.json"]);
    // Wine's console reads from there.
    command.stdin(Stdio::inherit());
    let mut console = Session::spawn(command).expect("a terminal");
    console.set_expect_timeout(Some(Duration::from_secs(30)));
    console
}

#[test]
fn the_pin_is_asked_for_without_echo() {
    let desk = Desk::new();
    let mut console = at_console(&desk);
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
    let mut console = at_console(&desk);
    console.expect("PIN").unwrap();
    console.send("\u{3}").unwrap();
    assert_eq!(console.get_process().wait().unwrap(), WaitStatus::Exited(console.get_process().pid(), 130));
    assert_eq!(desk.read("tokens.json"), UNSIGNED);
}
