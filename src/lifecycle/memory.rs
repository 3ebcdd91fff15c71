//! Keeps the process's memory out of swap.

use std::sync::OnceLock;

use rustix::mm::{MlockAllFlags, mlockall};
use rustix::process::{Resource, getrlimit};
use rustix::thread::{CapabilitySet, capabilities};

static IS_LOCKED: OnceLock<bool> = OnceLock::new();

/// Locks all memory of the process, also what it takes later: a PIN has copies in a module's memory, and a credential in
/// those of the TLS library. Only without a limit (RLIMIT_MEMLOCK, CAP_IPC_LOCK): below one, memory that exceeds it could not
/// be allocated at all.
pub(super) fn lock() {
    let has_no_limit = getrlimit(Resource::Memlock).current.is_none()
        || capabilities(None).is_ok_and(|sets| sets.effective.contains(CapabilitySet::IPC_LOCK));
    // Pages that are never used are not loaded because of it.
    let all = MlockAllFlags::CURRENT | MlockAllFlags::FUTURE | MlockAllFlags::ONFAULT;
    let _ = IS_LOCKED.set(has_no_limit && mlockall(all).is_ok());
}

/// Whether [`lock`] did so.
pub(crate) fn is_locked() -> bool {
    IS_LOCKED.get().is_some_and(|is_locked| *is_locked)
}
