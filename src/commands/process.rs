//! The process itself: nothing of its memory is left behind, and a signal ends it cleanly.

use std::sync::{Mutex, Once, PoisonError};
use std::time::Duration;

use countersign::environment;
use countersign::error::{Error, Exit};
use countersign::pin::terminal as pin_prompt;
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

/// Has modules keep what they would write to stderr at each call, unless somebody set them up to write. Called while there
/// is one thread.
pub(crate) fn quieten_modules() {
    // tpm2-pkcs11 and the TPM's libraries below it.
    environment::set_default("TSS2_LOG", "all+NONE");
    environment::set_default("TPM2_PKCS11_LOG_LEVEL", "0");
}

/// An end that another thread makes while a device blocks.
pub(crate) enum Ending {
    /// By a signal.
    Interrupted,
    /// A device did not answer.
    GaveUp(Error),
}

type LastWork = Box<dyn FnOnce(&Ending) -> Vec<String> + Send>;

/// What such an end has to have done.
static LAST_WORK: Mutex<Option<LastWork>> = Mutex::new(None);

/// Has `work` done before such an end. It returns what the end means for the files.
pub(crate) fn before_an_early_end(work: impl FnOnce(&Ending) -> Vec<String> + Send + 'static) {
    *LAST_WORK.lock().unwrap_or_else(PoisonError::into_inner) = Some(Box::new(work));
}

/// Ends the program from a thread beside the one that is in the middle of something.
pub(crate) fn end(ending: Ending) -> ! {
    static ENDS: Once = Once::new();
    // A second end waits for the first, and never comes.
    ENDS.call_once(|| {
        pin_prompt::restore();
        save::wait_until_replaced(REPLACING);
        let work = LAST_WORK.lock().unwrap_or_else(PoisonError::into_inner).take();
        let consequences = work.map(|work| work(&ending)).unwrap_or_default();
        let exit = match ending {
            Ending::Interrupted => {
                terminal::interrupted(&consequences);
                Exit::Interrupted
            }
            Ending::GaveUp(error) => {
                let exit = error.exit();
                terminal::gave_up(consequences.into_iter().fold(error, Error::with_consequence));
                exit
            }
        };
        // Without the exit handlers: a module may be in the middle of a call on the other thread.
        signal_hook::low_level::exit(exit as i32)
    });
    loop {
        std::thread::park();
    }
}

/// From now on a signal puts the terminal's echo back and ends the program with 130, also while a device blocks.
pub(crate) fn exit_on_signals() {
    let Ok(mut signals) = Signals::new([SIGINT, SIGTERM, SIGHUP, SIGQUIT]) else { return };
    std::thread::spawn(move || {
        if signals.forever().next().is_some() {
            end(Ending::Interrupted);
        }
    });
}
