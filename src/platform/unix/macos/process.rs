//! This process, and how macOS keeps its memory to itself.
//!
//! One of the files with unsafe code: ptrace(2) and proc_pidinfo have no safe function.
#![allow(unsafe_code)]

use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

use nix::libc;
use rustix::time::{ClockId, clock_gettime};

static REFUSES_DEBUGGERS: AtomicBool = AtomicBool::new(false);

/// No call locks all memory there. Swap space is encrypted, since version 10.7.
pub(in super::super) fn lock_memory() {}

/// Whether no memory of the process can be written to swap space.
pub fn is_memory_locked() -> bool {
    false
}

/// Whether this computer has swap space that another system could read.
pub fn has_swap() -> bool {
    false
}

/// Lets no other process of this user read the memory.
pub(in super::super) fn refuse_debuggers() {
    // SAFETY: this request of ptrace(2) takes no pointer.
    let result = unsafe { libc::ptrace(libc::PT_DENY_ATTACH, 0, std::ptr::null_mut(), 0) };
    REFUSES_DEBUGGERS.store(result == 0, Ordering::SeqCst);
}

/// Whether [`refuse_debuggers`] succeeded.
pub(in super::super) fn is_closed_to_debuggers() -> bool {
    REFUSES_DEBUGGERS.load(Ordering::SeqCst)
}

/// Whether no second thread could be reading the environment.
pub fn is_one_thread() -> bool {
    // SAFETY: all bytes of this structure may be zero.
    let mut task: libc::proc_taskinfo = unsafe { std::mem::zeroed() };
    let size = size_of::<libc::proc_taskinfo>() as libc::c_int;
    // SAFETY: the buffer is a structure of this size.
    let filled = unsafe {
        libc::proc_pidinfo(libc::getpid(), libc::PROC_PIDTASKINFO, 0, (&raw mut task).cast(), size)
    };
    filled == size && task.pti_threadnum == 1
}

/// The program of this process.
///
/// # Errors
/// What the system said.
pub fn own_program() -> io::Result<PathBuf> {
    std::env::current_exe()
}

/// Milliseconds since this computer was started, including sleep. Nobody can set this clock.
pub fn since_start() -> i64 {
    let time = clock_gettime(ClockId::Monotonic);
    time.tv_sec.saturating_mul(1000).saturating_add(time.tv_nsec / 1_000_000)
}

/// A file in memory: there is none.
///
/// # Errors
/// Always.
pub fn file_in_memory() -> io::Result<File> {
    Err(io::ErrorKind::Unsupported.into())
}
