//! The process itself: nothing of its memory is left behind, and a signal ends it cleanly.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use countersign::error::Exit;
use countersign::pin::{environment, terminal as pin_prompt};
use countersign::save;
use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM};
use signal_hook::iterator::Signals;

use super::terminal;

/// How long a signal waits for a file that is just being replaced, so that no temporary file is left behind.
const REPLACING: Duration = Duration::from_secs(2);

/// All variables that the program knows.
const VARIABLES: [&str; 6] = [
    "COUNTERSIGN_AUDIT_LOG",
    "COUNTERSIGN_KEY",
    "COUNTERSIGN_MODULE",
    "COUNTERSIGN_PIN_SOURCE",
    "COUNTERSIGN_ROLE",
    "COUNTERSIGN_USERNAME",
];

/// No core dump, and no debugger of the same user: the PIN is in this process's memory. A system that refuses either
/// is no reason not to sign.
pub(crate) fn harden() {
    let _ = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) });
    let _ = set_dumpable_behavior(DumpableBehavior::NotDumpable);
}

/// An empty variable is no variable. Called while there is one thread.
pub(crate) fn forget_empty_variables() {
    for name in VARIABLES {
        if std::env::var_os(name).is_some_and(|value| value.is_empty()) {
            environment::forget(name);
        }
    }
}

/// What a signal has to have done before the program ends.
static ON_SIGNAL: Mutex<Option<Box<dyn FnOnce() + Send>>> = Mutex::new(None);

/// Has `work` done when a signal ends the program.
pub(crate) fn on_signal(work: impl FnOnce() + Send + 'static) {
    *ON_SIGNAL.lock().unwrap_or_else(PoisonError::into_inner) = Some(Box::new(work));
}

/// From now on a signal puts the terminal's echo back and ends the program with 130, also while a device blocks.
pub(crate) fn exit_on_signals() {
    let Ok(mut signals) = Signals::new([SIGINT, SIGTERM, SIGHUP, SIGQUIT]) else { return };
    std::thread::spawn(move || {
        if signals.forever().next().is_some() {
            pin_prompt::restore();
            save::wait_until_replaced(REPLACING);
            if let Some(work) = ON_SIGNAL.lock().unwrap_or_else(PoisonError::into_inner).take() {
                work();
            }
            terminal::interrupted();
            // Without the exit handlers: a module may be in the middle of a call on the other thread.
            signal_hook::low_level::exit(Exit::Interrupted as i32);
        }
    });
}
