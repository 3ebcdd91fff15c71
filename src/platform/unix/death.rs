//! An end of the process that foreign code causes from inside: it calls exit, aborts, or crashes. The thread on
//! which that happens can do almost nothing, being in a signal handler or without its thread-locals. So it
//! wakes a thread that has been waiting for this, and blocks while that thread ends the process in an orderly
//! way.
//!
//! One of the files with unsafe code: neither handlers of fatal signals nor exit handlers can be obtained from a safe function.
//! A crate that offers both would make it unnecessary.
#![allow(unsafe_code)]

use std::fs::File;
use std::io::Read;
use std::os::fd::{BorrowedFd, IntoRawFd};
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicUsize, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use nix::sys::pthread::pthread_self;
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};
use nix::unistd::{Pid, getpid};

use super::streams;
pub use crate::platform::words::Cause;

/// How a module ends a process that it runs in, by a signal.
const FATAL: [Signal; 6] =
    [Signal::SIGSEGV, Signal::SIGBUS, Signal::SIGILL, Signal::SIGFPE, Signal::SIGABRT, Signal::SIGSYS];
/// In place of a signal's number: exit was called.
const EXIT: i32 = -1;
/// The thread that ends the process has its own limit, which is shorter.
const AT_WORST: Duration = Duration::from_secs(7);

/// What the process dies of: a signal's number or [`EXIT`]; 0 while it lives.
static CAUSE: AtomicI32 = AtomicI32::new(0);
/// The number of this process, not of a child that a module forked.
static PROCESS: AtomicI32 = AtomicI32::new(0);
/// The thread that ends the process.
static UNDERTAKER: AtomicUsize = AtomicUsize::new(0);
/// The pipe that wakes it.
static BELL: AtomicI32 = AtomicI32::new(-1);
/// The descriptor of stderr.
static STDERR: AtomicI32 = AtomicI32::new(2);
/// The exit code if nothing else works any more.
static EXIT_AT_WORST: AtomicI32 = AtomicI32::new(1);
static IS_OVER: AtomicBool = AtomicBool::new(false);

impl Cause {
    fn of(number: i32) -> Self {
        match Signal::try_from(number) {
            Ok(Signal::SIGABRT) => Cause::Aborted,
            Ok(signal) => Cause::Crashed(signal.as_str()),
            Err(_) => Cause::Exited,
        }
    }
}

/// From now on, `end` is called on a separate thread when something in this process ends it. If `end` does not, the
/// process ends with `exit`.
pub fn watch(exit: i32, end: impl FnOnce(Cause) + Send + 'static) {
    let Ok((mut woken, bell)) = std::io::pipe() else { return };
    PROCESS.store(getpid().as_raw(), Ordering::SeqCst);
    EXIT_AT_WORST.store(exit, Ordering::SeqCst);
    let (ready, is_ready) = mpsc::channel();
    std::thread::spawn(move || {
        UNDERTAKER.store(this_thread(), Ordering::SeqCst);
        let _ = ready.send(());
        if woken.read_exact(&mut [0]).is_ok() {
            end(Cause::of(CAUSE.load(Ordering::SeqCst)));
        }
    });
    // A thread that is just starting waits for the loader, which a module may keep busy forever.
    let _ = is_ready.recv();
    BELL.store(bell.into_raw_fd(), Ordering::SeqCst);
    let action = SigAction::new(SigHandler::Handler(on_signal), SaFlags::SA_ONSTACK, SigSet::empty());
    for signal in FATAL {
        // SAFETY: the handler does only what a signal handler may: atomics, write, nanosleep and _exit.
        let _ = unsafe { sigaction(signal, &action) };
    }
    unsafe extern "C" {
        fn atexit(handler: extern "C" fn()) -> std::ffi::c_int;
    }
    // SAFETY: the handler is a function of this program, which exists until the end. Handlers of modules are
    // registered later and so run before it.
    let _ = unsafe { atexit(on_exit) };
}

/// Runs foreign code: what it does to the process is seen by the handlers that [`watch`] set up.
pub(crate) fn guarded<T>(work: impl FnOnce() -> T) -> T {
    work()
}

/// Sets where to report the minimum when nothing else works any more: a file that stays open.
pub fn speak_through(stderr: &'static File) {
    STDERR.store(streams::number_of(stderr), Ordering::SeqCst);
}

/// Everything was reported, and only devices are still closed: whatever ends the process now, it ends with `exit` and says
/// no more.
pub fn is_decided(exit: i32) {
    EXIT_AT_WORST.store(exit, Ordering::SeqCst);
    STDERR.store(-1, Ordering::SeqCst);
}

/// Everything was reported: from now on, exit is called legitimately.
pub fn is_over() {
    IS_OVER.store(true, Ordering::SeqCst);
}

extern "C" fn on_signal(signal: std::ffi::c_int) {
    if is_a_child() {
        let _ = signal_hook::low_level::emulate_default_handler(signal);
        return;
    }
    die_of(signal);
}

extern "C" fn on_exit() {
    if !is_a_child() && !IS_OVER.load(Ordering::SeqCst) {
        die_of(EXIT);
    }
}

fn die_of(cause: i32) -> ! {
    let is_first = CAUSE.compare_exchange(0, cause, Ordering::SeqCst, Ordering::SeqCst).is_ok();
    let is_undertaker = this_thread() == UNDERTAKER.load(Ordering::SeqCst);
    if is_first && !is_undertaker {
        write(BELL.load(Ordering::SeqCst), b"!");
    }
    if !is_undertaker {
        std::thread::sleep(AT_WORST);
    }
    write(STDERR.load(Ordering::SeqCst), b"error: a PKCS#11 module ended the program\n");
    signal_hook::low_level::exit(EXIT_AT_WORST.load(Ordering::SeqCst))
}

/// A number or an address, which is all that can be compared in a signal handler.
#[allow(clippy::unnecessary_cast, reason = "the types differ between systems")]
fn this_thread() -> usize {
    pthread_self() as usize
}

fn is_a_child() -> bool {
    getpid() != Pid::from_raw(PROCESS.load(Ordering::SeqCst))
}

fn write(descriptor: i32, bytes: &[u8]) {
    if descriptor >= 0 {
        // SAFETY: the descriptor is one of this process's own, and is never closed.
        let _ = rustix::io::write(unsafe { BorrowedFd::borrow_raw(descriptor) }, bytes);
    }
}
