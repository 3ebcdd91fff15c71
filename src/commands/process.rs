//! The process itself: nothing of its memory is left behind, and a signal ends it cleanly.

use std::sync::atomic::{AtomicBool, AtomicI32, AtomicI64, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError, mpsc};
use std::time::{Duration, SystemTime};

use countersign::device;
use countersign::environment;
use countersign::error::{Error, Exit};
use countersign::pin::terminal as pin_prompt;
use countersign::save;
use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};
use signal_hook::consts::{SIGALRM, SIGHUP, SIGINT, SIGQUIT, SIGTERM};
use signal_hook::iterator::Signals;

use super::terminal;

/// How long a signal waits for a file that is just being replaced, so that no temporary file is left behind.
const REPLACING: Duration = Duration::from_secs(2);

/// How long a signal waits for a call to a device, so that the device is not cut off while it writes.
const CALLING: Duration = Duration::from_secs(1);
/// All that there is to say is said by then, in seconds.
const LAST_WORDS: std::ffi::c_uint = 5;

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
    /// A service that is told to end.
    Stopped,
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

/// Set by the first end.
static ENDING: AtomicBool = AtomicBool::new(false);
/// The exit code of a run that is decided; none yet: negative.
static DECIDED: AtomicI32 = AtomicI32::new(-1);

/// Ends the program from a thread beside the one that is in the middle of something.
pub(crate) fn end(ending: Ending) -> ! {
    // A second end waits for the first.
    if ENDING.swap(true, Ordering::SeqCst) {
        park();
    }
    pin_prompt::restore();
    let decided = DECIDED.load(Ordering::SeqCst);
    let exit = match &ending {
        _ if decided >= 0 => decided,
        Ending::Interrupted => Exit::Interrupted as i32,
        Ending::Stopped => 0,
        Ending::GaveUp(error) => error.exit() as i32,
    };
    end_at_the_latest(exit);
    device::stop_calls(if matches!(ending, Ending::GaveUp(_)) { Duration::ZERO } else { CALLING });
    save::stop_replacing(REPLACING);
    let work = LAST_WORK.lock().unwrap_or_else(PoisonError::into_inner).take();
    let consequences = work.map(|work| work(&ending)).unwrap_or_default();
    match ending {
        // All was said; the device only hangs when it is let go.
        _ if decided >= 0 => {}
        Ending::Stopped => {}
        Ending::Interrupted => terminal::interrupted(&consequences),
        Ending::GaveUp(error) => {
            terminal::gave_up(consequences.into_iter().fold(error, Error::with_consequence));
        }
    }
    // Without the exit handlers: a module may be in the middle of a call on the other thread.
    signal_hook::low_level::exit(exit)
}

/// A reader that does not read must not keep the last words, and with them the program: the system's alarm ends it then, and
/// so does a second signal.
fn end_at_the_latest(exit: i32) {
    let now = Arc::new(AtomicBool::new(true));
    for signal in [SIGALRM, SIGINT, SIGTERM, SIGQUIT] {
        let _ = signal_hook::flag::register_conditional_shutdown(signal, exit, Arc::clone(&now));
    }
    nix::unistd::alarm::set(LAST_WORDS);
}

/// Whoever would go on while the program ends waits for that instead.
pub(crate) fn wait_if_ending() {
    if ENDING.load(Ordering::SeqCst) {
        park();
    }
}

fn park() -> ! {
    loop {
        std::thread::park();
    }
}

/// Lets the devices go, after all was said. One that hangs then is no reason for another exit code.
pub(crate) fn close_devices(exit: i32) {
    DECIDED.store(exit, Ordering::SeqCst);
    device::close_devices();
    wait_if_ending();
    if !device::hanging_calls().is_empty() {
        // Without the exit handlers: a module is in the middle of a call on another thread.
        signal_hook::low_level::exit(exit);
    }
}

/// Whether SIGTERM is the way to end, and SIGHUP asks for something.
static SERVICE: AtomicBool = AtomicBool::new(false);
static RENEW: (Mutex<bool>, Condvar) = (Mutex::new(false), Condvar::new());

/// From now on SIGHUP renews at once and SIGTERM ends with 0.
pub(crate) fn become_service() {
    SERVICE.store(true, Ordering::SeqCst);
}

fn is_service() -> bool {
    SERVICE.load(Ordering::SeqCst)
}

/// Until then a service goes on although a device does not answer: what it has is still good. In seconds since 1970.
static GOOD_UNTIL: AtomicI64 = AtomicI64::new(i64::MAX);

/// A service without anything good from `time` on, in seconds since 1970, is to end when a device does not answer.
pub(crate) fn give_up_after(time: i64) {
    GOOD_UNTIL.store(time, Ordering::SeqCst);
}

/// Whether a device that does not answer ends the program.
pub(crate) fn may_give_up() -> bool {
    !is_service() || super::aws::now() >= GOOD_UNTIL.load(Ordering::SeqCst)
}

/// Waits until `limit` has passed or somebody asks for a renewal; true if somebody did. The clock is looked at every now and
/// then, since a computer that sleeps does not count.
pub(crate) fn wait_for_renewal(limit: Duration) -> bool {
    /// A renewal is late by at most as much after a computer's sleep.
    const LOOK_EVERY: Duration = Duration::from_secs(15);
    let until = SystemTime::now() + limit;
    let (asked, changed) = &RENEW;
    let mut asked = asked.lock().unwrap_or_else(PoisonError::into_inner);
    loop {
        if std::mem::take(&mut *asked) {
            return true;
        }
        let Ok(left) = until.duration_since(SystemTime::now()) else { return false };
        let waited = changed.wait_timeout(asked, left.min(LOOK_EVERY));
        (asked, _) = waited.unwrap_or_else(PoisonError::into_inner);
    }
}

fn renew_now() {
    let (asked, changed) = &RENEW;
    *asked.lock().unwrap_or_else(PoisonError::into_inner) = true;
    changed.notify_all();
}

/// From now on a signal puts the terminal's echo back and ends the program with 130, also while a device blocks.
pub(crate) fn exit_on_signals() {
    let Ok(mut signals) = Signals::new([SIGINT, SIGTERM, SIGHUP, SIGQUIT]) else { return };
    let (ready, is_ready) = mpsc::channel();
    std::thread::spawn(move || {
        let _ = ready.send(());
        for signal in &mut signals {
            match signal {
                SIGHUP if is_service() => renew_now(),
                SIGTERM if is_service() => end(Ending::Stopped),
                _ => end(Ending::Interrupted),
            }
        }
    });
    // A thread that is only starting waits for the loader, which a module may keep busy for ever.
    let _ = is_ready.recv();
}
