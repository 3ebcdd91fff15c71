//! The program on a real terminal.

use std::io::Read;
use std::process::Command;
use std::time::Duration;

use expectrl::{Eof, Expect, Session};

use crate::support::clock;
use crate::support::desk::{Desk, PIN, SIGNKEY};
use crate::support::faults::variables;
use crate::support::parts::softhsm_module;
use crate::support::token_files::UNSIGNED;

pub type Terminal = Session<expectrl::process::unix::UnixProcess, expectrl::process::unix::PtyStream>;

/// A shell on a terminal of its own, so that the state of the terminal can be examined afterwards.
pub fn run(desk: &Desk, arguments: &[&str], environment: &[(&str, &str)]) -> Terminal {
    run_under(desk, &[], arguments, environment)
}

/// The same under another program that creates its surroundings.
pub fn run_under(
    desk: &Desk,
    wrapper: &[&str],
    arguments: &[&str],
    environment: &[(&str, &str)],
) -> Terminal {
    let mut command = Command::new("sh");
    command.arg("-c").arg("stty echo; trap : INT; \"$@\"; echo \"exit $?\"; stty -a").arg("sh");
    command.args(wrapper).arg(env!("CARGO_BIN_EXE_countersign")).args(arguments);
    command.current_dir(desk.folder()).env_clear();
    command.env("PATH", "/usr/bin:/bin").env("TERM", "dumb").env("NO_COLOR", "1");
    command
        .env("SOFTHSM2_CONF", desk.path("device/softhsm2.conf"))
        .env("COUNTERSIGN_MODULE", softhsm_module());
    clock::set(&mut command).envs(environment.iter().copied());
    let mut terminal = Session::spawn(command).expect("a terminal");
    terminal.set_expect_timeout(Some(Duration::from_secs(20)));
    terminal
}

/// A run with faults, in the notation of tests/fault_module/lib.rs.
pub fn run_with_faults(
    desk: &Desk,
    arguments: &[&str],
    faults: &str,
    environment: &[(&str, &str)],
) -> Terminal {
    let variables = variables(faults);
    let faulty = variables.each_ref().map(|(name, value)| (*name, value.as_str()));
    run(desk, arguments, &[&faulty[..], environment].concat())
}

/// Signs with the PIN from a file on a slow device.
pub fn sign_slowly(desk: &Desk, faults: &str) -> Terminal {
    desk.write("tokens.json", UNSIGNED);
    let sign = ["sign", "--key", SIGNKEY, "--pin-source", "file:device/pin", "tokens.json"];
    run_with_faults(desk, &sign, faults, &[])
}

/// What is printed until the program's end; it must exit with `code`, and the terminal must echo again.
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
