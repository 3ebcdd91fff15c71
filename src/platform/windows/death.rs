//! An end of the process that foreign code causes from inside: it crashes. The thread on which that happens can do almost
//! nothing. So it wakes a thread that has been waiting for this, and blocks while that thread ends the process in an
//! orderly way. A module that calls exit ends the process as it likes: each brings its own C library, and nothing tells.
//!
//! One of the files with unsafe code: a filter for exceptions has no safe function.
#![allow(unsafe_code)]

use std::fs::File;
use std::io::Read;
use std::os::windows::io::IntoRawHandle;
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicPtr, AtomicU32, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use windows_sys::Win32::Foundation::{
    EXCEPTION_ACCESS_VIOLATION, EXCEPTION_ILLEGAL_INSTRUCTION, EXCEPTION_INT_DIVIDE_BY_ZERO,
    EXCEPTION_STACK_OVERFLOW,
};
use windows_sys::Win32::Storage::FileSystem::WriteFile;
use windows_sys::Win32::System::Diagnostics::Debug::{EXCEPTION_POINTERS, SetUnhandledExceptionFilter};
use windows_sys::Win32::System::Threading::GetCurrentThreadId;

use super::{signals, streams};
pub use crate::platform::words::Cause;

/// The thread that ends the process has its own limit, which is shorter.
const AT_WORST: Duration = Duration::from_secs(7);

/// The exception's code; 0 while the process lives.
static CAUSE: AtomicI32 = AtomicI32::new(0);
/// The thread that ends the process.
static UNDERTAKER: AtomicU32 = AtomicU32::new(0);
/// The pipe that wakes it.
static BELL: AtomicPtr<std::ffi::c_void> = AtomicPtr::new(ptr::null_mut());
/// The handle of stderr.
static STDERR: AtomicPtr<std::ffi::c_void> = AtomicPtr::new(ptr::null_mut());
/// The exit code if nothing else works any more.
static EXIT_AT_WORST: AtomicI32 = AtomicI32::new(1);
static IS_OVER: AtomicBool = AtomicBool::new(false);

impl Cause {
    fn of(code: i32) -> Self {
        Cause::Crashed(match code {
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
}

/// Sets where to report the minimum when nothing else works any more: a file that stays open.
pub fn speak_through(stderr: &'static File) {
    STDERR.store(streams::number_of(stderr), Ordering::SeqCst);
}

/// Everything was reported: from now on, the process may end in any way.
pub fn is_over() {
    IS_OVER.store(true, Ordering::SeqCst);
}

unsafe extern "system" fn on_exception(facts: *const EXCEPTION_POINTERS) -> i32 {
    // SAFETY: the system gives whole structures.
    let code = unsafe { (*(*facts).ExceptionRecord).ExceptionCode };
    // SAFETY: it takes nothing, and always succeeds.
    let is_undertaker = unsafe { GetCurrentThreadId() } == UNDERTAKER.load(Ordering::SeqCst);
    let is_first = CAUSE.compare_exchange(0, code, Ordering::SeqCst, Ordering::SeqCst).is_ok();
    if IS_OVER.load(Ordering::SeqCst) {
        signals::exit_now(EXIT_AT_WORST.load(Ordering::SeqCst));
    }
    if is_first && !is_undertaker {
        write(&BELL, b"!");
    }
    if !is_undertaker {
        std::thread::sleep(AT_WORST);
    }
    write(&STDERR, b"error: a PKCS#11 module ended the program\r\n");
    signals::exit_now(EXIT_AT_WORST.load(Ordering::SeqCst))
}

fn write(to: &AtomicPtr<std::ffi::c_void>, bytes: &[u8]) {
    let (handle, mut written) = (to.load(Ordering::SeqCst), 0);
    if !handle.is_null() {
        // SAFETY: the handle is one of this process's own, and is never closed.
        unsafe { WriteFile(handle, bytes.as_ptr(), bytes.len() as u32, &mut written, ptr::null_mut()) };
    }
}
