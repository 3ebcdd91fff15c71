//! An end of the process that foreign code causes from inside: it crashes, or calls exit. The thread on which that happens can
//! do almost nothing. So it wakes a thread that has been waiting for this, and blocks while that thread ends the process in an
//! orderly way. If the module's C library is not the program's own, its exit ends all other threads first: then no more is said
//! than that a module ended the program, and that only if it was being called on the thread that is left. `__fastfail`, and the
//! `abort` that calls it, cannot be noticed.
//!
//! One of the files with unsafe code: neither a filter for exceptions nor exit handlers can be obtained from a safe function.
#![allow(unsafe_code)]

use std::ffi::c_void;
use std::fs::File;
use std::io::Read;
use std::os::windows::io::IntoRawHandle;
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicPtr, AtomicU32, Ordering};
use std::sync::{OnceLock, mpsc};
use std::time::Duration;

use windows_sys::Win32::Foundation::{
    EXCEPTION_ACCESS_VIOLATION, EXCEPTION_ILLEGAL_INSTRUCTION, EXCEPTION_INT_DIVIDE_BY_ZERO,
    EXCEPTION_STACK_OVERFLOW,
};
use windows_sys::Win32::Storage::FileSystem::WriteFile;
use windows_sys::Win32::System::Diagnostics::Debug::{EXCEPTION_POINTERS, SetUnhandledExceptionFilter};
use windows_sys::Win32::System::Threading::{FlsAlloc, FlsSetValue, GetCurrentThreadId};

use super::{signals, streams};
pub use crate::platform::words::Cause;

/// The thread that ends the process has its own limit, which is shorter.
const AT_WORST: Duration = Duration::from_secs(7);

/// In place of an exception's code: exit was called.
const EXIT: i32 = -1;

/// What the process dies of: an exception's code or [`EXIT`]; 0 while it lives.
static CAUSE: AtomicI32 = AtomicI32::new(0);
/// The thread that ends the process.
static UNDERTAKER: AtomicU32 = AtomicU32::new(0);
/// The pipe that wakes it.
static BELL: AtomicPtr<c_void> = AtomicPtr::new(ptr::null_mut());
/// The handle of stderr.
static STDERR: AtomicPtr<c_void> = AtomicPtr::new(ptr::null_mut());
/// The exit code if nothing else works any more.
static EXIT_AT_WORST: AtomicI32 = AtomicI32::new(1);
static IS_OVER: AtomicBool = AtomicBool::new(false);

impl Cause {
    fn of(code: i32) -> Self {
        Cause::Crashed(match code {
            EXIT => return Cause::Exited,
            EXCEPTION_ACCESS_VIOLATION => "EXCEPTION_ACCESS_VIOLATION",
            EXCEPTION_STACK_OVERFLOW => "EXCEPTION_STACK_OVERFLOW",
            EXCEPTION_ILLEGAL_INSTRUCTION => "EXCEPTION_ILLEGAL_INSTRUCTION",
            EXCEPTION_INT_DIVIDE_BY_ZERO => "EXCEPTION_INT_DIVIDE_BY_ZERO",
            _ => "an unhandled exception",
        })
    }
}

/// From now on, `end` is called on a separate thread when something in this process ends it. If `end` does not, the
/// process ends with `exit`.
pub fn watch(exit: i32, end: impl FnOnce(Cause) + Send + 'static) {
    let Ok((mut woken, bell)) = std::io::pipe() else { return };
    EXIT_AT_WORST.store(exit, Ordering::SeqCst);
    let (ready, is_ready) = mpsc::channel();
    std::thread::spawn(move || {
        // SAFETY: it takes nothing, and always succeeds.
        UNDERTAKER.store(unsafe { GetCurrentThreadId() }, Ordering::SeqCst);
        let _ = ready.send(());
        if woken.read_exact(&mut [0]).is_ok() {
            end(Cause::of(CAUSE.load(Ordering::SeqCst)));
        }
    });
    // A thread that is just starting waits for the loader, which a module may keep busy forever.
    let _ = is_ready.recv();
    BELL.store(bell.into_raw_handle(), Ordering::SeqCst);
    // SAFETY: the filter is a function of this program, which exists until the end.
    unsafe { SetUnhandledExceptionFilter(Some(on_exception)) };
    unsafe extern "C" {
        fn atexit(handler: extern "C" fn()) -> std::ffi::c_int;
    }
    // SAFETY: the handler is a function of this program, which exists until the end.
    let _ = unsafe { atexit(on_exit) };
}

/// Sets where to report the minimum when nothing else works any more: a file that stays open.
pub fn speak_through(stderr: &'static File) {
    STDERR.store(streams::number_of(stderr), Ordering::SeqCst);
}

/// Everything was reported, and only devices are still closed: whatever ends the process now, it ends with `exit` and says
/// no more.
pub fn is_decided(exit: i32) {
    EXIT_AT_WORST.store(exit, Ordering::SeqCst);
    STDERR.store(ptr::null_mut(), Ordering::SeqCst);
}

/// Everything was reported: from now on, the process may end in any way.
pub fn is_over() {
    IS_OVER.store(true, Ordering::SeqCst);
}

unsafe extern "system" fn on_exception(facts: *const EXCEPTION_POINTERS) -> i32 {
    // SAFETY: the system gives whole structures.
    let code = unsafe { (*(*facts).ExceptionRecord).ExceptionCode };
    if IS_OVER.load(Ordering::SeqCst) {
        signals::exit_now(EXIT_AT_WORST.load(Ordering::SeqCst));
    }
    die_of(code)
}

extern "C" fn on_exit() {
    if !IS_OVER.load(Ordering::SeqCst) {
        die_of(EXIT);
    }
}

/// Runs foreign code. If the process or this thread ends meanwhile, whatever the exit code was to be, the process ends with
/// [`EXIT_AT_WORST`].
pub(crate) fn guarded<T>(work: impl FnOnce() -> T) -> T {
    /// Unmarks the thread, also after a panic.
    struct Marked(u32);
    impl Drop for Marked {
        fn drop(&mut self) {
            // SAFETY: the slot was allocated, and is never freed.
            unsafe { FlsSetValue(self.0, ptr::null()) };
        }
    }
    static SLOT: OnceLock<u32> = OnceLock::new();
    // SAFETY: the function is one of this program, which exists until the end.
    let slot = *SLOT.get_or_init(|| unsafe { FlsAlloc(Some(on_end_of_marked)) });
    let mark: *const c_void = ptr::from_ref(&BELL).cast();
    // SAFETY: the slot was allocated, or is refused. The address is never read.
    let _marked = (unsafe { FlsSetValue(slot, mark) } != 0).then(|| Marked(slot));
    work()
}

/// The system calls it where a thread ends whose slot has a value, be it with the process, when it is the last one (`FlsAlloc`
/// in Microsoft's documentation).
unsafe extern "system" fn on_end_of_marked(_mark: *const c_void) {
    let is_watched = !BELL.load(Ordering::SeqCst).is_null();
    if is_watched && !IS_OVER.load(Ordering::SeqCst) {
        end_at_worst();
    }
}

fn die_of(code: i32) -> ! {
    // SAFETY: it takes nothing, and always succeeds.
    let is_undertaker = unsafe { GetCurrentThreadId() } == UNDERTAKER.load(Ordering::SeqCst);
    let is_first = CAUSE.compare_exchange(0, code, Ordering::SeqCst, Ordering::SeqCst).is_ok();
    if is_first && !is_undertaker {
        write(&BELL, b"!");
    }
    if !is_undertaker {
        std::thread::sleep(AT_WORST);
    }
    end_at_worst()
}

fn end_at_worst() -> ! {
    write(&STDERR, b"error: a PKCS#11 module ended the program\r\n");
    signals::exit_now(EXIT_AT_WORST.load(Ordering::SeqCst))
}

fn write(to: &AtomicPtr<c_void>, bytes: &[u8]) {
    let (handle, mut written) = (to.load(Ordering::SeqCst), 0);
    if !handle.is_null() {
        // SAFETY: the handle is one of this process's own, and is never closed.
        unsafe { WriteFile(handle, bytes.as_ptr(), bytes.len() as u32, &mut written, ptr::null_mut()) };
    }
}
