//! What asks the process to end: keys at the console, its window being closed, a logoff, a shutdown.
//!
//! One of the files with unsafe code: console events have no safe function.
#![allow(unsafe_code)]

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

use windows_sys::Win32::System::Console::{
    CTRL_BREAK_EVENT, CTRL_C_EVENT, CTRL_LOGOFF_EVENT, SetConsoleCtrlHandler,
};
use windows_sys::Win32::System::RemoteDesktop::ProcessIdToSessionId;
use windows_sys::Win32::System::Threading::{GetCurrentProcess, TerminateProcess};

pub use crate::platform::words::Signal;

/// The system ends the process when a handler returns from these events, or after five seconds.
const AT_MOST: Duration = Duration::from_secs(10);

/// The thread that calls the listener.
static EVENTS: OnceLock<Mutex<Sender<Signal>>> = OnceLock::new();
/// The thread that ends the process in time. A new thread would wait for the loader, which a module may keep busy forever.
static LIMIT: OnceLock<Mutex<Sender<(Duration, i32)>>> = OnceLock::new();
/// Whether that thread has been told when.
static IS_ENDING: AtomicBool = AtomicBool::new(false);

/// From now on a thread calls `on` for each event, also while other threads are blocked.
///
/// # Errors
/// The system gives no thread.
pub fn listen(on: impl Fn(Signal) + Send + 'static) -> io::Result<()> {
    let (send, events) = mpsc::channel();
    let (limit, limits) = mpsc::channel::<(Duration, i32)>();
    std::thread::Builder::new().name("signals".into()).spawn(move || events.iter().for_each(on))?;
    std::thread::Builder::new().name("limit".into()).spawn(move || {
        let Ok((limit, exit)) = limits.recv() else { return };
        // Another event ends it at once.
        if let Ok(_) | Err(RecvTimeoutError::Timeout) = limits.recv_timeout(limit) {
            exit_now(exit);
        }
    })?;
    let _ = EVENTS.set(Mutex::new(send));
    let _ = LIMIT.set(Mutex::new(limit));
    // SAFETY: the handler is a function of this program, which exists until the end.
    match unsafe { SetConsoleCtrlHandler(Some(on_event), 1) } {
        0 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}

/// Called by the system on a thread of its own.
unsafe extern "system" fn on_event(event: u32) -> i32 {
    // Services are told of anybody's.
    if event == CTRL_LOGOFF_EVENT && is_of_a_service() {
        return 1;
    }
    let is_key = [CTRL_C_EVENT, CTRL_BREAK_EVENT].contains(&event);
    if IS_ENDING.load(Ordering::SeqCst) {
        // The exit code is the one that was decided.
        send(&LIMIT, (Duration::ZERO, 0));
    }
    send(&EVENTS, if is_key { Signal::Interrupt } else { Signal::Terminate });
    if !is_key {
        std::thread::sleep(AT_MOST);
    }
    1
}

/// Whether this process belongs to no user who sits here: session 0 is for services.
fn is_of_a_service() -> bool {
    let mut session = 0;
    // SAFETY: there is room for the number.
    unsafe { ProcessIdToSessionId(std::process::id(), &mut session) != 0 && session == 0 }
}

/// Ends the process with `exit` after `limit`, whatever its threads do, or at the next event.
pub fn end_within(limit: Duration, exit: i32) {
    IS_ENDING.store(true, Ordering::SeqCst);
    send(&LIMIT, (limit, exit));
}

/// Ends the process without the code that modules run at its end: one may be in the middle of a call on another thread.
pub fn exit_now(exit: i32) -> ! {
    // SAFETY: it ends this process.
    unsafe { TerminateProcess(GetCurrentProcess(), exit as u32) };
    std::process::abort()
}

fn send<T>(to: &OnceLock<Mutex<Sender<T>>>, what: T) {
    if let Some(to) = to.get() {
        let _ = to.lock().unwrap_or_else(PoisonError::into_inner).send(what);
    }
}
