//! The life of the process: it leaves nothing in memory, and whatever ends it (its own work, a signal, a device
//! that does not answer) ends it once, with one exit code, after the last work is done and the last message is printed.
//!
//! Modules are foreign code in this process, and may end it from inside a call: `death.rs` detects that.
//!
//! This module prints nothing: the message of an early end is registered by [`Lifecycle::at_an_early_end`].

mod death;

use std::fs::File;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use countersign::device;
use countersign::error::{Error, Exit, Explain};
use countersign::pin::terminal as pin_prompt;
use countersign::platform::advice::MORE_THREADS;
use countersign::platform::signals::{self, Signal};
use countersign::platform::{self, process};
use countersign::save;

/// How long a signal waits for a file that is being replaced, so that no temporary file is left behind.
const REPLACING: Duration = Duration::from_secs(2);
/// How long a signal waits for a call to a device, so that the device is not cut off while it writes.
const CALLING: Duration = Duration::from_secs(1);
/// The time by which all messages are written. A reader that does not read must not block the last words, and with them the
/// program.
const LAST_WORDS: Duration = Duration::from_secs(5);
/// After a computer's sleep a renewal is late by at most this.
const LOOK_AT_CLOCK_EVERY: Duration = Duration::from_secs(15);

/// The one life of this process. It is a static because signals and the thread that watches devices reach it
/// from outside.
pub(crate) static LIFECYCLE: Lifecycle = Lifecycle::new();

/// Owns the phase of the process and what its early end needs.
pub(crate) struct Lifecycle {
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    phase: Phase,
    /// SIGHUP came to a service.
    renewal_is_due: bool,
    last_work: Option<LastWork>,
    last_words: Option<LastWords>,
}

/// What the process is in the middle of.
enum Phase {
    /// A command.
    Running,
    /// A service: SIGTERM is the way to end it, and SIGHUP asks for a renewal.
    Service {
        /// Whether a device that does not answer ends it; without this it goes on with what it has.
        may_give_up: Option<Box<dyn Fn() -> bool + Send>>,
    },
    /// All messages are written; the devices are released.
    Decided(i32),
    /// Some thread is ending the process.
    Ending,
}

/// An end caused by another thread than the one that is in the middle of something.
pub(crate) enum Ending {
    /// By a signal.
    Interrupted,
    /// A service that is told to end.
    Stopped,
    /// A device did not answer, or a module ends the process from inside.
    Failed(Error),
}

/// The system gives no thread.
#[derive(Debug, thiserror::Error)]
#[error("a thread cannot be started: {source}")]
pub(crate) struct NoThread {
    source: std::io::Error,
}

impl Explain for NoThread {
    fn exit(&self) -> Exit {
        Exit::Other
    }

    fn hint(&self) -> Option<String> {
        Some(format!("this user has too many processes: {MORE_THREADS}"))
    }
}

type LastWork = Box<dyn FnOnce(&Ending) -> Vec<String> + Send>;
type LastWords = Box<dyn FnOnce(Ending, &[String]) + Send>;

impl Lifecycle {
    const fn new() -> Self {
        let state = State { phase: Phase::Running, renewal_is_due: false, last_work: None, last_words: None };
        Lifecycle { state: Mutex::new(state), changed: Condvar::new() }
    }

    /// No core dump, no debugger of the same user, and no swap if the limits allow it: the PIN is in this process's memory. A
    /// system that refuses any of these still signs.
    pub(crate) fn harden(&self) {
        process::harden();
    }

    /// From now on a signal puts the terminal's echo back and ends the program with 130, also while a device blocks.
    ///
    /// # Errors
    /// [`NoThread`]: without one that waits for them, signals would be lost.
    pub(crate) fn exit_on_signals(&'static self) -> Result<(), NoThread> {
        signals::listen(|signal| {
            let is_service = matches!(self.lock().phase, Phase::Service { .. });
            match signal {
                Signal::HangUp if is_service => {
                    self.lock().renewal_is_due = true;
                    self.changed.notify_all();
                }
                Signal::Terminate if is_service => self.end(Ending::Stopped),
                _ => self.end(Ending::Interrupted),
            }
        })
        .map_err(|source| NoThread { source })
    }

    /// From now on, a module that exits, aborts or crashes ends the program like any other premature end.
    pub(crate) fn survive_modules(&'static self) {
        death::watch(|death| self.end(Ending::Failed(Error::from(death))));
    }

    /// Sets where to read modules' last words when one of them ends the program, and where to report that
    /// when nothing else works any more.
    pub(crate) fn hear_modules(&self, last_words: fn() -> Vec<String>, at_worst_to: &'static File) {
        death::hear(last_words);
        platform::death::speak_through(at_worst_to);
    }

    /// Runs `work` before a premature end. It returns what the end means for the files.
    pub(crate) fn before_an_early_end(&self, work: impl FnOnce(&Ending) -> Vec<String> + Send + 'static) {
        self.lock().last_work = Some(Box::new(work));
    }

    /// Lets `words` report a premature end, and what it means for the files.
    pub(crate) fn at_an_early_end(&self, words: impl FnOnce(Ending, &[String]) + Send + 'static) {
        self.lock().last_words = Some(Box::new(words));
    }

    /// Whether a device that does not answer ends the program.
    pub(crate) fn may_give_up(&self) -> bool {
        match &self.lock().phase {
            Phase::Service { may_give_up } => may_give_up.as_ref().is_some_and(|may_give_up| may_give_up()),
            _ => true,
        }
    }

    /// Whether this process is a service, which a manager restarts.
    pub(crate) fn is_service(&self) -> bool {
        matches!(self.lock().phase, Phase::Service { .. })
    }

    /// Threads that reach this point while the process is ending park here.
    pub(crate) fn wait_if_ending(&self) {
        if matches!(self.lock().phase, Phase::Ending) {
            park();
        }
    }

    /// Releases the devices after everything was reported. If one of them hangs, the exit code stays.
    pub(crate) fn close_devices(&self, exit: i32) {
        {
            let mut state = self.lock();
            if !matches!(state.phase, Phase::Ending) {
                state.phase = Phase::Decided(exit);
                platform::death::is_decided(exit);
            }
        }
        device::close_devices();
        self.wait_if_ending();
        platform::death::is_over();
        if !device::hanging_calls().is_empty() {
            // Without the exit handlers: a module is in the middle of a call on another thread.
            signals::exit_now(exit);
        }
    }

    /// Ends the program from a thread other than the one that is in the middle of something.
    pub(crate) fn end(&self, ending: Ending) -> ! {
        let (before, last_work, last_words) = {
            let mut state = self.lock();
            let before = std::mem::replace(&mut state.phase, Phase::Ending);
            (before, state.last_work.take(), state.last_words.take())
        };
        let is_decided = matches!(before, Phase::Decided(_));
        let exit = match (before, &ending) {
            // A second end waits for the first.
            (Phase::Ending, _) => park(),
            (Phase::Decided(exit), _) => exit,
            (_, Ending::Interrupted) => Exit::Interrupted as i32,
            (_, Ending::Stopped) => 0,
            (_, Ending::Failed(error)) => error.exit() as i32,
        };
        pin_prompt::restore();
        signals::end_within(LAST_WORDS, exit);
        device::stop_calls(if matches!(ending, Ending::Failed(_)) { Duration::ZERO } else { CALLING });
        save::stop_replacing(REPLACING);
        let consequences = last_work.map(|work| work(&ending)).unwrap_or_default();
        // After a decision, everything was reported; only the release of the device hangs.
        if let Some(words) = last_words.filter(|_| !is_decided) {
            words(ending, &consequences);
        }
        // Without the exit handlers: a module may be in the middle of a call on the other thread.
        signals::exit_now(exit)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg_attr(not(feature = "aws"), expect(dead_code, reason = "only AWS commands run as services"))]
impl Lifecycle {
    /// From now on, SIGHUP renews at once and SIGTERM ends with 0.
    pub(crate) fn become_service(&self) {
        self.lock().phase = Phase::Service { may_give_up: None };
    }

    /// From now on, a device that does not answer ends the service as soon as `nothing_is_good`.
    pub(crate) fn give_up_when(&self, nothing_is_good: impl Fn() -> bool + Send + 'static) {
        if let Phase::Service { may_give_up } = &mut self.lock().phase {
            *may_give_up = Some(Box::new(nothing_is_good));
        }
    }

    /// Waits until nothing is `left` or somebody requests a renewal; true if somebody did. It checks from
    /// time to time, since the time of a sleeping computer does not count, and its clock may be set.
    pub(crate) fn wait_for_renewal(&self, left: impl Fn() -> Duration) -> bool {
        loop {
            // This may read a file, and no signal should have to wait for that.
            let left = left();
            let mut state = self.lock();
            if std::mem::take(&mut state.renewal_is_due) {
                return true;
            }
            if left.is_zero() {
                return false;
            }
            drop(self.changed.wait_timeout(state, left.min(LOOK_AT_CLOCK_EVERY)));
        }
    }
}

fn park() -> ! {
    loop {
        std::thread::park();
    }
}
