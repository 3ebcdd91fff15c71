//! Asking at the terminal itself, whatever stdin and stdout are.

use std::io::{self, IsTerminal};
use std::path::Path;

use secrecy::SecretString;

use super::PinError;
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcsetattr};
use std::fs::File;
use std::sync::{Mutex, PoisonError};

const TERMINAL: &str = "/dev/tty";

/// The terminal's settings while a prompt has echo switched off.
static BEFORE_PROMPT: Mutex<Option<(File, Termios)>> = Mutex::new(None);

/// Asks without echo.
pub(super) fn ask(prompt: &str) -> Result<SecretString, PinError> {
    let terminal = File::open(Path::new(TERMINAL)).map_err(|_| PinError::NoTerminal)?;
    if !terminal.is_terminal() {
        return Err(PinError::NoTerminal);
    }
    let settings = tcgetattr(&terminal).map_err(|error| PinError::Terminal { source: error.into() })?;
    *before_prompt() = Some((terminal, settings));
    let answer = rpassword::prompt_password(prompt);
    *before_prompt() = None;
    match answer {
        Ok(text) => Ok(SecretString::from(text)),
        Err(error) if error.kind() == io::ErrorKind::Interrupted => {
            // Ctrl-C raised SIGINT; whoever handles that ends the program, and is given the time to.
            std::thread::sleep(std::time::Duration::from_millis(500));
            Err(PinError::Interrupted)
        }
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
            Err(PinError::Empty { source_name: None })
        }
        Err(source) => Err(PinError::Terminal { source }),
    }
}

/// Puts the terminal's echo back if a prompt is open: for the moment at which a signal ends the program.
pub fn restore() {
    if let Some((terminal, settings)) = before_prompt().take() {
        let _ = tcsetattr(&terminal, OptionalActions::Now, &settings);
    }
}

fn before_prompt() -> std::sync::MutexGuard<'static, Option<(File, Termios)>> {
    BEFORE_PROMPT.lock().unwrap_or_else(PoisonError::into_inner)
}
