//! Prompting at the terminal itself, whatever stdin and stdout are.
//!
//! The terminal's mode is set here and not by rpassword, which only reads: echo must be off before the prompt can be
//! seen, and must never be switched off again once a signal has put it back.

use std::io::{self, Write};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rpassword::ConfigBuilder;
use secrecy::SecretString;

use super::PinError;
use super::keys::Keys;
use crate::platform::{Settings, Terminal};
use crate::printable::printable;

/// What was done to the terminal, for the code that must undo it.
static STATE: Mutex<State> = Mutex::new(State::Untouched);

enum State {
    Untouched,
    /// A prompt is open; these were the settings before.
    Silent(Terminal, Settings),
    /// A signal is ending the program: the terminal is left alone from now on.
    Ending,
}

/// Whether there is a terminal at which a person could be asked.
pub fn is_there() -> bool {
    Terminal::open().is_ok()
}

/// Asks without echo. Anything typed before the prompt appeared is discarded: it was echoed.
pub(super) fn ask(prompt: &str) -> Result<SecretString, PinError> {
    let failed = |source: io::Error| PinError::Terminal { source };
    let terminal = Terminal::open().map_err(|_| PinError::NoTerminal)?;
    let input = terminal.try_clone().map_err(failed)?;
    silence(&terminal).map_err(failed)?;
    // A device's label is part of it.
    let answer = write!(&terminal, "{}", printable(prompt)).and_then(|()| {
        rpassword::read_password_with_config(
            ConfigBuilder::new().input_reader(Keys::of(input)).output_discard().build(),
        )
    });
    put_back();
    let _ = writeln!(&terminal);
    match answer {
        Ok(text) => Ok(SecretString::from(text)),
        Err(error) if error.kind() == io::ErrorKind::Interrupted => {
            // Ctrl-C raised SIGINT; its handler ends the program, and gets the time to do so here.
            std::thread::sleep(Duration::from_millis(500));
            Err(PinError::Interrupted)
        }
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
            Err(PinError::Empty { source_name: None })
        }
        Err(source) => Err(PinError::Terminal { source }),
    }
}

/// Turns the terminal's echo back on if a prompt is open, and prevents any new prompt: for the moment when a
/// signal ends the program.
pub fn restore() {
    put_back();
    *state() = State::Ending;
}

/// Silences the terminal; rpassword sees each key, and does the editing and interrupting itself.
fn silence(terminal: &Terminal) -> io::Result<()> {
    let before = terminal.settings()?;
    let kept = terminal.try_clone()?;
    let mut state = state();
    if matches!(*state, State::Ending) {
        return Err(io::ErrorKind::Interrupted.into());
    }
    terminal.silence(&before)?;
    *state = State::Silent(kept, before);
    Ok(())
}

fn put_back() {
    let mut state = state();
    if let State::Silent(terminal, settings) = &*state {
        let _ = terminal.put_back(settings);
        *state = State::Untouched;
    }
}

fn state() -> MutexGuard<'static, State> {
    STATE.lock().unwrap_or_else(PoisonError::into_inner)
}
