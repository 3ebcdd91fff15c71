//! Calls that are no longer waited for. PKCS#11 has no way to end a call from outside, so while countersign
//! waits for a device, a separate thread makes the calls. If a call hangs, its thread is abandoned, and the
//! next call gets a new one.

use std::cell::Cell;
use std::panic::{self, AssertUnwindSafe};
use std::sync::mpsc::{self, Sender};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// A call that takes longer is abandoned, so that other modules are examined. The next call in the same
/// module may take twice as long: the module may only be slow.
const FIRST_LIMIT: Duration = Duration::from_secs(5);
/// If the modules answer, a check that began in time gets this long to finish.
const SHORTEST_LIMIT: Duration = Duration::from_millis(250);
/// The stack size of the main thread: modules are not written for less.
const STACK: usize = 8 << 20;

/// A call that did not return in time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotReturned {
    /// The path of the module.
    pub module: Arc<str>,
    /// The function.
    pub function: &'static str,
}

/// Runs `work`. Calls of this thread in it are abandoned at `deadline`, or when they have taken `longest`.
pub(crate) fn within<T>(deadline: Instant, longest: Duration, work: impl FnOnce() -> T) -> T {
    /// Restores the limits even if `work` panics.
    struct Restored(Option<Limits>);
    impl Drop for Restored {
        fn drop(&mut self) {
            LIMITS.set(self.0);
        }
    }
    let _restored = Restored(LIMITS.replace(Some(Limits { deadline, longest })));
    work()
}

/// The abandoned calls that have not returned yet.
pub fn hanging_calls() -> Vec<NotReturned> {
    lock(&MODULES).iter().filter_map(Abandoned::hanging).collect()
}

#[derive(Clone, Copy)]
struct Limits {
    deadline: Instant,
    longest: Duration,
}

thread_local! {
    static LIMITS: Cell<Option<Limits>> = const { Cell::new(None) };
}

/// The modules in which calls were abandoned.
static MODULES: Mutex<Vec<Abandoned>> = Mutex::new(Vec::new());

/// A module in which calls were abandoned.
struct Abandoned {
    module: Arc<str>,
    /// The last of these calls.
    function: &'static str,
    has_returned: bool,
    /// Whether the module was not restarted since.
    is_stale: bool,
    times: u32,
}

impl Abandoned {
    fn hanging(&self) -> Option<NotReturned> {
        let Abandoned { module, function, has_returned, .. } = self;
        (!has_returned).then(|| NotReturned { module: Arc::clone(module), function })
    }
}

/// The call that still runs in a module.
pub(super) fn hanging_in(module: &Arc<str>) -> Option<NotReturned> {
    lock(&MODULES).iter().find(|abandoned| abandoned.module == *module).and_then(Abandoned::hanging)
}

/// Whether a call of the module was abandoned and has returned since, so that the module must be finalized
/// before it is restarted.
pub(super) fn must_end_first(module: &Arc<str>) -> bool {
    let mut modules = lock(&MODULES);
    let found = modules.iter_mut().find(|abandoned| abandoned.module == *module && abandoned.has_returned);
    found.is_some_and(|abandoned| std::mem::take(&mut abandoned.is_stale))
}

/// How long the module's next call may take, if there is a limit.
pub(super) fn limit(module: &Arc<str>) -> Option<Duration> {
    let limits = LIMITS.get()?;
    let modules = lock(&MODULES);
    let times = modules.iter().find(|abandoned| abandoned.module == *module).map_or(0, |found| found.times);
    let slow = FIRST_LIMIT.saturating_mul(2_u32.saturating_pow(times));
    let left = limits.deadline.saturating_duration_since(Instant::now());
    Some(slow.min(limits.longest).min(left).max(SHORTEST_LIMIT))
}

type Job = Box<dyn FnOnce() + Send>;

/// The thread that makes the calls.
static CALLER: Mutex<Option<Sender<Job>>> = Mutex::new(None);

enum Answer<T> {
    Awaited,
    Given(thread::Result<T>),
    Abandoned,
}

/// Runs a call on that thread, for at most `limit`.
pub(super) fn run<T: Send + 'static>(
    function: &'static str,
    module: &Arc<str>,
    limit: Duration,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, NotReturned> {
    let answer = Arc::new((Mutex::new(Answer::Awaited), Condvar::new()));
    let (shared, called) = (Arc::clone(&answer), Arc::clone(module));
    send(Box::new(move || {
        let result = panic::catch_unwind(AssertUnwindSafe(work));
        let (answer, changed) = &*shared;
        let mut answer = lock(answer);
        if let Answer::Abandoned = *answer {
            drop(answer);
            std::mem::forget(result);
            returned(&called);
        } else {
            *answer = Answer::Given(result);
            changed.notify_one();
        }
    }));
    let (answer, changed) = &*answer;
    let is_awaited = |answer: &mut Answer<T>| matches!(answer, Answer::Awaited);
    let waited = changed.wait_timeout_while(lock(answer), limit, is_awaited);
    let (mut answer, _) = waited.unwrap_or_else(PoisonError::into_inner);
    match std::mem::replace(&mut *answer, Answer::Abandoned) {
        Answer::Given(Ok(result)) => Ok(result),
        Answer::Given(Err(panicked)) => panic::resume_unwind(panicked),
        Answer::Awaited | Answer::Abandoned => {
            // Before the lock is released, because the call may return at once.
            abandon(function, module);
            *lock(&CALLER) = None;
            Err(NotReturned { module: Arc::clone(module), function })
        }
    }
}

/// Gives that thread a job; it is a new one if a call was left running in the last.
fn send(job: Job) {
    let mut caller = lock(&CALLER);
    let sender = caller.get_or_insert_with(|| {
        let (sender, jobs) = mpsc::channel::<Job>();
        // If no thread can be started, there is no answer, and the call counts as abandoned.
        let _ = thread::Builder::new().name("calls".into()).stack_size(STACK).spawn(move || {
            for job in jobs {
                job();
            }
        });
        sender
    });
    let _ = sender.send(job);
}

fn abandon(function: &'static str, module: &Arc<str>) {
    let mut modules = lock(&MODULES);
    let found = modules.iter().position(|abandoned| abandoned.module == *module);
    let times = found.map_or(0, |at| modules.swap_remove(at).times) + 1;
    let module = Arc::clone(module);
    modules.push(Abandoned { module, function, has_returned: false, is_stale: true, times });
}

fn returned(module: &Arc<str>) {
    if let Some(abandoned) = lock(&MODULES).iter_mut().find(|abandoned| abandoned.module == *module) {
        abandoned.has_returned = true;
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::super::watch;
    use super::*;

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(60)
    }

    #[test]
    fn a_call_that_hangs_is_abandoned_and_its_module_left_alone_until_it_returns() {
        let module = Arc::from("/hangs.so");
        let (go, goes) = mpsc::channel::<()>();
        let call =
            |work: Box<dyn FnOnce() -> u8 + Send>| watch::during("C_GetSlotList", &module, &module, work);
        within(soon(), Duration::from_millis(300), || {
            assert_eq!(call(Box::new(|| 1)), Ok(1));
            assert!(!must_end_first(&module));
            let hung = call(Box::new(move || goes.recv().map_or(0, |()| 2))).unwrap_err();
            assert_eq!((hung.function, &hung.module), ("C_GetSlotList", &module));
            let start = Instant::now();
            assert!(call(Box::new(|| 3)).is_err(), "it is called again");
            assert!(start.elapsed() < Duration::from_millis(250), "the call that hangs is waited for again");
            let other = Arc::from("/other.so");
            assert_eq!(watch::during("C_GetSlotList", &other, &other, || 4), Ok(4), "another module");
        });
        assert!(call(Box::new(|| 5)).is_err(), "nor is it called without a limit");
        assert!(hanging_calls().iter().any(|call| call.module == module));
        assert!(!must_end_first(&module), "not while it is called");
        go.send(()).unwrap();
        while hanging_in(&module).is_some() {
            thread::sleep(Duration::from_millis(5));
        }
        assert!(must_end_first(&module));
        assert!(!must_end_first(&module), "once");
        assert_eq!(call(Box::new(|| 6)), Ok(6));
    }

    #[test]
    fn a_module_that_was_too_slow_gets_more_time_and_never_more_than_is_left() {
        let module = Arc::from("/slow.so");
        assert_eq!(limit(&module), None);
        within(soon(), Duration::from_secs(120), || assert_eq!(limit(&module), Some(FIRST_LIMIT)));
        abandon("C_GetSlotList", &module);
        within(soon(), Duration::from_secs(120), || assert_eq!(limit(&module), Some(FIRST_LIMIT * 2)));
        within(soon(), Duration::from_secs(7), || assert_eq!(limit(&module), Some(Duration::from_secs(7))));
        within(Instant::now(), Duration::from_secs(7), || assert_eq!(limit(&module), Some(SHORTEST_LIMIT)));
        returned(&module);
    }
}
