//! Watching the calls to devices: tells a person what a device waits for, and gives up on one that does not answer.

use std::io::Write;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use countersign::device::{PendingCall, WaitsFor, pending_calls};
use countersign::duration::in_words;
use countersign::error::{Error, Exit, Explain};

use super::{Terminal, stderr};
use crate::lifecycle::{Ending, LIFECYCLE};

/// A device that has not signed by then is probably waiting for a touch: PKCS#11 has no way to ask it.
const TOUCH_AFTER: Duration = Duration::from_millis(500);
/// One thread looks at all calls of a run; being woken for each would cost more than signing in software does.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// The thread that watches, from the first device on.
pub(crate) struct DeviceWatch {
    patience: Duration,
    told: OnceLock<Told>,
}

/// What a person was told about the signature that is being made; none while nobody is there, or none is made.
type Told = Arc<Mutex<Option<Signing>>>;

/// A signature that is being made.
struct Signing {
    since: Instant,
    what: String,
    /// The line that was written, in characters.
    told: Option<usize>,
}

impl DeviceWatch {
    /// Gives up on a call that has not returned after `patience`.
    pub(crate) fn new(patience: Duration) -> Self {
        DeviceWatch { patience, told: OnceLock::new() }
    }

    /// How long a call may take.
    pub(crate) fn patience(&self) -> Duration {
        self.patience
    }

    /// Begins to watch.
    pub(crate) fn start(&self, terminal: &Terminal) {
        let (patience, is_watched) = (self.patience, terminal.is_watched());
        self.told.get_or_init(|| {
            let told = Told::default();
            let shared = Arc::clone(&told);
            let (ready, is_ready) = mpsc::channel();
            thread::spawn(move || {
                let _ = ready.send(());
                loop {
                    look(&shared, patience, is_watched);
                    thread::sleep(LOOK_EVERY);
                }
            });
            // A thread that is only starting waits for the loader, which a module may keep busy for ever.
            let _ = is_ready.recv();
            told
        });
    }

    /// Makes a signature: `what` is told to a person if the device waits. It is taken back when the device has answered.
    pub(crate) fn signing<T>(&self, what: impl FnOnce() -> String, work: impl FnOnce() -> T) -> T {
        self.signing_begins(what);
        let result = work();
        self.signing_ends();
        result
    }

    /// From now on a device that waits does so for this signature.
    pub(crate) fn signing_begins(&self, what: impl FnOnce() -> String) {
        if let Some(told) = self.told.get() {
            *lock(told) = Some(Signing { since: Instant::now(), what: what(), told: None });
        }
    }

    /// The device has answered: what was told of the signature is taken back.
    pub(crate) fn signing_ends(&self) {
        if let Some(told) = self.told.get() {
            take_back(told);
        }
    }
}

fn look(told: &Told, patience: Duration, is_watched: bool) {
    let calls = pending_calls();
    if let Some(call) = calls.iter().find(|call| !call.is_limited && call.since.elapsed() >= patience) {
        // A service goes on handing out what it has.
        if LIFECYCLE.may_give_up() {
            give_up(told, call, patience);
        }
    }
    if !is_watched {
        return;
    }
    let mut signing = lock(told);
    let Some(signing) = signing.as_mut().filter(|signing| signing.told.is_none()) else { return };
    let waits_for = calls.first().map(|call| call.waits_for);
    let line = match waits_for {
        Some(WaitsFor::PinPad) => format!("Enter the PIN on the device ({})…", signing.what),
        Some(WaitsFor::Touch) => format!("Touch the device now ({})…", signing.what),
        _ if signing.since.elapsed() >= TOUCH_AFTER => {
            format!("The device is waiting: touch it if it blinks ({})…", signing.what)
        }
        _ => return,
    };
    write(&line);
    signing.told = Some(line.chars().count());
}

/// The other thread is in a call that cannot be ended: the process ends.
fn give_up(told: &Told, call: &PendingCall, patience: Duration) -> ! {
    take_back(told);
    let error = NoAnswer {
        device: call.subject.to_string(),
        function: call.function,
        waits_for: call.waits_for,
        patience,
    };
    LIFECYCLE.end(Ending::GaveUp(Error::from(error)))
}

/// A device that does not answer.
#[derive(Debug, thiserror::Error)]
#[error("{device} has not answered for {} ({function})", in_words(*patience))]
struct NoAnswer {
    device: String,
    function: &'static str,
    waits_for: WaitsFor,
    patience: Duration,
}

impl Explain for NoAnswer {
    fn exit(&self) -> Exit {
        match self.function {
            "C_SignInit" | "C_Sign" => Exit::Sign,
            _ if self.waits_for == WaitsFor::PinPad => Exit::Pin,
            _ => Exit::Device,
        }
    }

    fn hint(&self) -> Option<String> {
        let hint = match (self.function, self.waits_for) {
            (_, WaitsFor::PinPad) => "repeat the command, and enter the PIN on the device",
            ("C_Sign", _) => {
                "repeat the command, and touch the device when it blinks; --timeout SECONDS waits longer"
            }
            _ => {
                "end other programs that use the device, or unplug it and plug it in again where that is possible; then repeat the \
                 command; --timeout SECONDS waits longer"
            }
        };
        Some(hint.into())
    }
}

/// By spaces: who wants no colours, or has a terminal without them, gets no escape sequence through.
fn take_back(told: &Told) {
    if let Some(length) = lock(told).take().and_then(|signing| signing.told) {
        write(&format!("\r{:length$}\r", ""));
    }
}

fn lock(told: &Told) -> MutexGuard<'_, Option<Signing>> {
    told.lock().unwrap_or_else(PoisonError::into_inner)
}

fn write(text: &str) {
    let mut stderr = stderr::stream();
    let _ = write!(stderr, "{text}").and_then(|()| stderr.flush());
}
