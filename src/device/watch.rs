//! The calls to devices that have not returned, for the code that reports what a device waits for, or gives
//! up on it. PKCS#11 has no way to end a call from outside.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};

use super::abandoned;
pub(super) use super::abandoned::NotReturned;
use crate::platform::death;

/// A device that refuses only after this time has probably waited for a touch (a YubiKey waits 15 seconds).
/// It refuses sooner for other reasons.
pub(super) const TOUCH_MISSED_AFTER: Duration = Duration::from_secs(2);

/// A PKCS#11 call that has not returned.
#[derive(Clone, Debug)]
pub struct PendingCall {
    /// The function, or the first function of a step, such as `C_FindObjectsInit`.
    pub function: &'static str,
    /// The device's name in messages; the module while there is no device yet.
    pub subject: Arc<str>,
    /// The module that is called: its path, or p11-kit's name if it has no path.
    pub module: Arc<str>,
    /// When it began.
    pub since: Instant,
    /// What is known about why it may take long.
    pub waits_for: WaitsFor,
    /// Whether its caller continues without it after a while.
    pub is_limited: bool,
    thread: ThreadId,
}

/// What a call may wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WaitsFor {
    /// For the device to finish its work, or for a touch, which most devices do not announce.
    Device,
    /// For a touch, according to the key's policy.
    Touch,
    /// For a PIN that is entered on the device itself.
    PinPad,
}

static PENDING: Mutex<Vec<PendingCall>> = Mutex::new(Vec::new());
/// Set when the program ends: from then on no call begins.
static STOPPED: AtomicBool = AtomicBool::new(false);

/// Prevents new calls, and waits for at most `limit` for those that run: some devices do not survive a
/// program that ends while they write. SoftHSM 2.6 empties `token.object` during a login before it writes the
/// file again. A signature that takes long is waiting for a touch and writes nothing, so after `limit`
/// nothing waits for it.
pub fn stop_calls(limit: Duration) {
    STOPPED.store(true, Ordering::SeqCst);
    let start = Instant::now();
    let may_write = |call: &PendingCall| call.function != "C_Sign" || call.since.elapsed() < limit;
    while start.elapsed() < limit && pending().iter().any(may_write) {
        thread::sleep(Duration::from_millis(5));
    }
}

/// The calls that have not returned, the oldest first: at most one for each thread that talks to devices.
pub fn pending_calls() -> Vec<PendingCall> {
    pending().clone()
}

/// Runs a call to a module, which is recorded as pending until it returns. Within [`abandoned::within`], a
/// call that takes too long is abandoned, and a module in which an abandoned call still runs is not called at
/// all. What the call held is never dropped: that would close a session, and so call the module. The module's
/// next start ends all of that.
pub(super) fn during<T: Send + 'static>(
    function: &'static str,
    subject: &Arc<str>,
    module: &Arc<str>,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, NotReturned> {
    if let Some(hanging) = abandoned::hanging_in(module) {
        std::mem::forget(work);
        return Err(hanging);
    }
    let Some(limit) = abandoned::limit(module) else {
        return Ok(waiting(WaitsFor::Device, function, subject, module, work));
    };
    pending_while(WaitsFor::Device, function, subject, module, true, || {
        abandoned::run(function, module, limit, || death::guarded(work))
    })
}

/// Runs a call that is known to wait for something, for as long as that takes.
pub(super) fn waiting<T>(
    waits_for: WaitsFor,
    function: &'static str,
    subject: &Arc<str>,
    module: &Arc<str>,
    work: impl FnOnce() -> T,
) -> T {
    pending_while(waits_for, function, subject, module, false, || death::guarded(work))
}

fn pending_while<T>(
    waits_for: WaitsFor,
    function: &'static str,
    subject: &Arc<str>,
    module: &Arc<str>,
    is_limited: bool,
    work: impl FnOnce() -> T,
) -> T {
    let thread = thread::current().id();
    let mut calls = pending();
    while STOPPED.load(Ordering::SeqCst) {
        drop(calls);
        // Until the process has ended.
        thread::park();
        calls = pending();
    }
    let (subject, module) = (Arc::clone(subject), Arc::clone(module));
    let call =
        PendingCall { function, subject, module, since: Instant::now(), waits_for, is_limited, thread };
    calls.push(call);
    drop(calls);
    let result = work();
    pending().retain(|call| call.thread != thread);
    result
}

fn pending() -> MutexGuard<'static, Vec<PendingCall>> {
    PENDING.lock().unwrap_or_else(PoisonError::into_inner)
}
