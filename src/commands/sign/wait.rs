//! `--wait`: for a file that CloudHSM CLI has not written yet, and for a device that is not plugged in yet.

use std::time::{Duration, Instant};

use countersign::error::{Error, Exit};

use super::refusal::WaitedInVain;
use crate::cli::Sign;
use crate::commands::terminal::Terminal;

/// Short enough to feel immediate, long enough to leave a reader in peace.
const BETWEEN_TRIES: Duration = Duration::from_millis(250);

/// Tries until all files are there and complete. A file that is malformed may still be being written.
pub(super) fn for_files<T>(
    arguments: &Sign,
    terminal: &Terminal,
    read: impl FnMut() -> Result<T, Error>,
) -> Result<T, Error> {
    let waits_for = |error: &Error| match error.exit() {
        Exit::Malformed => true,
        _ => arguments.files.iter().any(|file| !file.exists()),
    };
    until_done(arguments, terminal, "the file", waits_for, read)
}

/// Tries until the device is present.
pub(super) fn for_device<T>(
    arguments: &Sign,
    terminal: &Terminal,
    choose: impl FnMut() -> Result<T, Error>,
) -> Result<T, Error> {
    until_done(arguments, terminal, "the device", |error| error.exit() == Exit::Device, choose)
}

fn until_done<T>(
    arguments: &Sign,
    terminal: &Terminal,
    what: &str,
    waits_for: impl Fn(&Error) -> bool,
    mut attempt: impl FnMut() -> Result<T, Error>,
) -> Result<T, Error> {
    let Some(seconds) = arguments.wait else { return attempt() };
    let start = Instant::now();
    let mut told = false;
    loop {
        match attempt() {
            Err(error) if waits_for(&error) => {
                if start.elapsed() >= Duration::from_secs(seconds) {
                    return Err(WaitedInVain { seconds, last: error }.into());
                }
                if !told {
                    terminal.say(&format!("waiting for {what}, at most {seconds} seconds: {error}"));
                    told = true;
                }
                std::thread::sleep(BETWEEN_TRIES);
            }
            result => return result,
        }
    }
}
