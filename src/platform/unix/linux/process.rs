//! This process, and how Linux keeps its memory to itself.

use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::sync::OnceLock;

use rustix::fs::{MemfdFlags, OFlags};
use rustix::mm::{MlockAllFlags, mlockall};
use rustix::process::{DumpableBehavior, Resource, dumpable_behavior, getrlimit, set_dumpable_behavior};
use rustix::thread::{CapabilitySet, capabilities};
use rustix::time::{ClockId, clock_gettime};

static IS_LOCKED: OnceLock<bool> = OnceLock::new();

/// Locks all memory of the process, also what it takes later: a PIN has copies in a module's memory, and a credential in
/// those of the TLS library. Only without a limit (RLIMIT_MEMLOCK, CAP_IPC_LOCK): below one, memory that exceeds it could not
/// be allocated at all.
pub(in super::super) fn lock_memory() {
    let has_no_limit = getrlimit(Resource::Memlock).current.is_none()
        || capabilities(None).is_ok_and(|sets| sets.effective.contains(CapabilitySet::IPC_LOCK));
    // Pages that are never used are not loaded because of it.
    let all = MlockAllFlags::CURRENT | MlockAllFlags::FUTURE | MlockAllFlags::ONFAULT;
    let _ = IS_LOCKED.set(has_no_limit && mlockall(all).is_ok());
}

/// Whether no memory of the process can be written to swap space.
pub fn is_memory_locked() -> bool {
    IS_LOCKED.get().is_some_and(|is_locked| *is_locked)
}

/// Whether this computer has swap space.
pub fn has_swap() -> bool {
    // A heading, and a line for each swap area.
    std::fs::read_to_string("/proc/swaps").unwrap_or_default().lines().count() > 1
}

/// Lets no other process of this user read the memory.
pub(in super::super) fn refuse_debuggers() {
    let _ = set_dumpable_behavior(DumpableBehavior::NotDumpable);
}

/// Whether [`refuse_debuggers`] succeeded.
pub(in super::super) fn is_closed_to_debuggers() -> bool {
    matches!(dumpable_behavior(), Ok(DumpableBehavior::NotDumpable))
}

/// Whether no second thread could be reading the environment.
pub fn is_one_thread() -> bool {
    std::fs::read_dir("/proc/self/task").map(Iterator::count).is_ok_and(|count| count == 1)
}

/// The program of this process, even if its file was replaced after it started.
///
/// # Errors
/// None.
pub fn own_program() -> io::Result<PathBuf> {
    Ok(PathBuf::from("/proc/self/exe"))
}

/// Milliseconds since this computer was started, including sleep. Nobody can set this clock.
pub fn since_start() -> i64 {
    let time = clock_gettime(ClockId::Boottime);
    time.tv_sec.saturating_mul(1000).saturating_add(time.tv_nsec / 1_000_000)
}

/// A file in memory, written at its end, wherever that is then.
///
/// # Errors
/// Not every system gives one.
pub fn file_in_memory() -> io::Result<File> {
    let memory = rustix::fs::memfd_create("stderr of modules", MemfdFlags::CLOEXEC)?;
    rustix::fs::fcntl_setfl(&memory, OFlags::APPEND)?;
    Ok(File::from(memory))
}
