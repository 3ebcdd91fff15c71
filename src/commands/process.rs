//! The process itself: nothing of its memory is left behind, and a signal ends it cleanly.

use std::sync::{Mutex, PoisonError};

use countersign::error::Exit;
use countersign::pin::terminal as pin_prompt;
use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use super::terminal;

/// Held while a file is replaced: a signal waits for that moment to pass, so that no temporary file is left behind.
static REPLACING: Mutex<()> = Mutex::new(());

/// No core dump, and no debugger of the same user: the PIN is in this process's memory. A system that refuses either
/// is no reason not to sign.
pub(crate) fn harden() {
    let _ = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) });
    let _ = set_dumpable_behavior(DumpableBehavior::NotDumpable);
}

/// From now on a signal puts the terminal's echo back and ends the program with 130, also while a device blocks.
pub(crate) fn exit_on_signals() {
    let Ok(mut signals) = Signals::new([SIGINT, SIGTERM, SIGHUP]) else { return };
    std::thread::spawn(move || {
        if signals.forever().next().is_some() {
            let _replacing = REPLACING.lock().unwrap_or_else(PoisonError::into_inner);
            pin_prompt::restore();
            terminal::interrupted();
            // Without the exit handlers: a module may be in the middle of a call on the other thread.
            signal_hook::low_level::exit(Exit::Interrupted as i32);
        }
    });
}

/// Runs `replace` to its end although a signal arrives.
pub(crate) fn undisturbed<T>(replace: impl FnOnce() -> T) -> T {
    let _replacing = REPLACING.lock().unwrap_or_else(PoisonError::into_inner);
    replace()
}
