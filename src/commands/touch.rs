//! Telling a person that the device waits for a touch.
//!
//! PKCS#11 has no way to ask a device whether it does. One that has not answered after half a second probably does.

use std::io::Write;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::thread;
use std::time::{Duration, Instant};

use super::terminal::Terminal;

/// A device that has not answered by then is waiting.
const TOUCH_AFTER: Duration = Duration::from_millis(500);
/// One thread looks at all calls of a run; being woken for each would cost more than signing in software does.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Watches calls to the device, if anybody is there to be told.
pub(crate) struct TouchNotice {
    call: Option<Arc<Mutex<Option<Call>>>>,
}

/// A call that has not returned.
struct Call {
    since: Instant,
    what: String,
    told: bool,
}

impl TouchNotice {
    pub(crate) fn new(terminal: &Terminal) -> Self {
        let call = terminal.is_watched().then(Arc::default);
        if let Some(call) = &call {
            let call = Arc::downgrade(call);
            thread::spawn(move || watch(&call));
        }
        TouchNotice { call }
    }

    /// Runs a call. What was said meanwhile is taken back when it returns.
    pub(crate) fn during<T>(&self, what: impl FnOnce() -> String, work: impl FnOnce() -> T) -> T {
        let Some(call) = &self.call else { return work() };
        *lock(call) = Some(Call { since: Instant::now(), what: what(), told: false });
        let result = work();
        if lock(call).take().is_some_and(|call| call.told) {
            write("\r\x1b[K");
        }
        result
    }
}

fn watch(call: &Weak<Mutex<Option<Call>>>) {
    while let Some(call) = call.upgrade() {
        if let Some(call) =
            lock(&call).as_mut().filter(|call| !call.told && call.since.elapsed() >= TOUCH_AFTER)
        {
            write(&format!("The device is waiting: touch it if it blinks ({})…", call.what));
            call.told = true;
        }
        drop(call);
        thread::sleep(LOOK_EVERY);
    }
}

fn lock(call: &Mutex<Option<Call>>) -> MutexGuard<'_, Option<Call>> {
    call.lock().unwrap_or_else(PoisonError::into_inner)
}

fn write(text: &str) {
    let mut stderr = anstream::stderr();
    let _ = write!(stderr, "{text}").and_then(|()| stderr.flush());
}
