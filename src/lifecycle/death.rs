//! An end of the process that a module causes from inside: it calls exit, aborts, or crashes. The thread on
//! which that happens can do almost nothing, being in a signal handler or without its thread-locals. So it
//! wakes a thread that has been waiting for this, and blocks while that thread ends the process in an orderly
//! way.
//!
//! One of the files with unsafe code: neither handlers of fatal signals nor exit handlers can be obtained from a safe function.
//! A crate that offers both would make it unnecessary.
#![allow(unsafe_code)]

use std::io::Read;
use std::os::fd::{BorrowedFd, IntoRawFd, RawFd};
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::sync::{OnceLock, mpsc};
use std::time::Duration;

use countersign::device::{PendingCall, pending_calls};
use countersign::error::{Exit, Explain};
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};
use nix::unistd::{Pid, getpid, gettid};

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
static UNDERTAKER: AtomicI32 = AtomicI32::new(0);
/// The pipe that wakes it.
static BELL: AtomicI32 = AtomicI32::new(-1);
static LAST_WORDS: OnceLock<fn() -> Vec<String>> = OnceLock::new();
/// The descriptor of stderr.
static STDERR: AtomicI32 = AtomicI32::new(2);
static IS_OVER: AtomicBool = AtomicBool::new(false);

/// A process that a module ended.
#[derive(Debug, thiserror::Error)]
#[error("{}", self.sentence())]
pub(super) struct Death {
    /// A signal's number, or [`EXIT`].
    cause: i32,
    call: Option<PendingCall>,
    /// What modules wrote to stderr before.
    last_words: Vec<String>,
}

impl Death {
    fn sentence(&self) -> String {
        let (did, was_done) = match Signal::try_from(self.cause) {
            Ok(Signal::SIGABRT) => ("aborted (SIGABRT)".to_owned(), "was aborted (SIGABRT)".to_owned()),
            Ok(signal) => (format!("crashed ({signal})"), format!("crashed ({signal})")),
            Err(_) => ("called exit".to_owned(), "was ended by a call of exit".to_owned()),
        };
        match &self.call {
            Some(call) => format!("the module {:?} {did} in {}", call.module, call.function),
            None => format!("the program {was_done}, outside of any call to a module"),
        }
    }
}

impl Explain for Death {
    fn exit(&self) -> Exit {
        match self.call.as_ref().map(|call| call.function) {
            None => Exit::Other,
            Some("C_SignInit" | "C_Sign") => Exit::Sign,
            Some(_) => Exit::Device,
        }
    }

    fn detail(&self) -> Vec<String> {
        self.last_words.iter().map(|line| format!("it wrote: {line}")).collect()
    }

    fn hint(&self) -> Option<String> {
        let hint = match &self.call {
            Some(_) => {
                "this is a fault in the module, not in the device or the PIN: install its newest release, or report it to \
                 its vendor; countersign doctor tries each configured module"
            }
            None => {
                "one of the modules may have done it in a thread of its own: countersign doctor tries each of them"
            }
        };
        Some(hint.into())
    }
}

/// From now on, `end` is called on a separate thread when a module ends the process.
pub(super) fn watch(end: impl FnOnce(Death) + Send + 'static) {
    let Ok((mut woken, bell)) = std::io::pipe() else { return };
    PROCESS.store(getpid().as_raw(), Ordering::SeqCst);
    let (ready, is_ready) = mpsc::channel();
    std::thread::spawn(move || {
        UNDERTAKER.store(gettid().as_raw(), Ordering::SeqCst);
        let _ = ready.send(());
        if woken.read_exact(&mut [0]).is_ok() {
            // If there are several, the newest: the others have been waiting.
            let call = pending_calls().pop();
            let last_words = LAST_WORDS.get().map(|last_words| last_words()).unwrap_or_default();
            end(Death { cause: CAUSE.load(Ordering::SeqCst), call, last_words });
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

/// Sets where to read modules' last words, and where to report the minimum when nothing else works any more.
pub(super) fn hear(last_words: fn() -> Vec<String>, stderr: RawFd) {
    let _ = LAST_WORDS.set(last_words);
    STDERR.store(stderr, Ordering::SeqCst);
}

/// Everything was reported: from now on, exit is called legitimately.
pub(super) fn is_over() {
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
    let is_undertaker = gettid().as_raw() == UNDERTAKER.load(Ordering::SeqCst);
    if is_first && !is_undertaker {
        write(BELL.load(Ordering::SeqCst), b"!");
    }
    if !is_undertaker {
        std::thread::sleep(AT_WORST);
    }
    write(STDERR.load(Ordering::SeqCst), b"error: a PKCS#11 module ended the program\n");
    signal_hook::low_level::exit(Exit::Device as i32)
}

fn is_a_child() -> bool {
    getpid() != Pid::from_raw(PROCESS.load(Ordering::SeqCst))
}

fn write(descriptor: RawFd, bytes: &[u8]) {
    if descriptor >= 0 {
        // SAFETY: the descriptor is one of this process's own, and is never closed.
        let _ = rustix::io::write(unsafe { BorrowedFd::borrow_raw(descriptor) }, bytes);
    }
}
