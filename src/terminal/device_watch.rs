//! Watching the calls to devices: tells a person what a device waits for, and gives up on one that does not answer.

use std::io::Write;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use countersign::device::{PendingCall, WaitsFor, pending_calls};
use countersign::duration::in_words;
use countersign::error::{Error, Exit, Explain};

use super::{Notices, Terminal, stderr};
use crate::lifecycle::{Ending, LIFECYCLE};

/// A device that has not signed by then is probably waiting for a touch: PKCS#11 has no way to ask it.
const TOUCH_AFTER: Duration = Duration::from_millis(500);
/// One thread watches all calls of a run; waking it for each would cost more than signing in software does.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// The thread that watches, from the first device on.
pub(crate) struct DeviceWatch {
    patience: Duration,
    told: OnceLock<Watched>,
}

/// What is told, and where; nowhere if nobody is there.
#[derive(Clone)]
struct Watched {
    signing: Told,
    notices: Option<Arc<Notices>>,
}

/// What a person was told about the current signature; none if nobody is there, or none is being made.
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
        let (patience, notices) = (self.patience, terminal.notices().map(Arc::new));
        self.told.get_or_init(|| {
            let told = Watched { signing: Told::default(), notices: notices.clone() };
            let shared = told.clone();
            let (ready, is_ready) = mpsc::channel();
            let watching = thread::Builder::new().name("watch".into()).spawn(move || {
                let _ = ready.send(());
                loop {
                    look(&shared, patience);
                    stderr::forget_old_words();
                    stderr::go_on();
                    thread::sleep(LOOK_EVERY);
                }
            });
            if let Err(error) = watching {
                terminal.warn(&format!(
                    "a device that does not answer is waited for without end: a thread cannot be started: {error}"
                ));
            }
            // A thread that is just starting waits for the loader, which a module may keep busy forever.
            let _ = is_ready.recv();
            told
        });
    }

    /// Makes a signature. If the device waits, a person is told `what`; the notice is removed when the device
    /// has answered.
    pub(crate) fn signing<T>(&self, what: impl FnOnce() -> String, work: impl FnOnce() -> T) -> T {
        self.signing_begins(what);
        let result = work();
        self.signing_ends();
        result
    }

    /// From now on, a device that waits does so for this signature.
    pub(crate) fn signing_begins(&self, what: impl FnOnce() -> String) {
        if let Some(told) = self.told.get() {
            *lock(&told.signing) = Some(Signing { since: Instant::now(), what: what(), told: None });
        }
    }

    /// The device has answered: removes the notice about the signature.
    pub(crate) fn signing_ends(&self) {
        if let Some(told) = self.told.get() {
            take_back(told);
        }
    }
}

fn look(told: &Watched, patience: Duration) {
    let calls = pending_calls();
    if let Some(call) = calls.iter().find(|call| !call.is_limited && call.since.elapsed() >= patience) {
        // A service continues to hand out what it has.
        if LIFECYCLE.may_give_up() {
            give_up(told, call, patience);
        }
    }
    let Some(notices) = &told.notices else { return };
    let mut signing = lock(&told.signing);
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
    write(&line, notices);
    signing.told = Some(line.chars().count());
}

/// The other thread is in a call that cannot be ended: the process ends.
fn give_up(told: &Watched, call: &PendingCall, patience: Duration) -> ! {
    take_back(told);
    let error = NoAnswer {
        device: call.subject.to_string(),
        function: call.function,
        waits_for: call.waits_for,
        patience,
        in_service: LIFECYCLE.is_service(),
    };
    LIFECYCLE.end(Ending::Failed(Error::from(error)))
}

/// A device that does not answer.
#[derive(Debug, thiserror::Error)]
#[error("{device} has not answered for {} ({function})", in_words(*patience))]
struct NoAnswer {
    device: String,
    function: &'static str,
    waits_for: WaitsFor,
    patience: Duration,
    /// A service manager learns that the device is absent, whichever call it did not answer.
    in_service: bool,
}

impl Explain for NoAnswer {
    fn exit(&self) -> Exit {
        match self.function {
            _ if self.in_service => Exit::Device,
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

/// With spaces, because output without colors has no escape sequences.
fn take_back(told: &Watched) {
    let line = lock(&told.signing).take().and_then(|signing| signing.told);
    if let (Some(length), Some(notices)) = (line, &told.notices) {
        write(&format!("\r{:length$}\r", ""), notices);
    }
}

fn lock(told: &Told) -> MutexGuard<'_, Option<Signing>> {
    told.lock().unwrap_or_else(PoisonError::into_inner)
}

fn write(text: &str, notices: &Notices) {
    let mut place: Box<dyn Write> = match notices {
        Notices::Stderr => Box::new(stderr::stream()),
        Notices::Terminal(terminal) => Box::new(terminal),
    };
    let _ = write!(place, "{text}").and_then(|()| place.flush());
}
