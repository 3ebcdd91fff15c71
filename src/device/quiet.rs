//! Keeping away what modules write to stderr while they are loaded. Some do so when they are merely configured: tpm2-pkcs11
//! without a TPM writes twenty lines. Why a module cannot be used is said in its place.

use std::fs::File;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

/// The real stderr, while it is kept away from modules.
static STDERR: Mutex<Option<OwnedFd>> = Mutex::new(None);
static MODULES_MAY_SPEAK: AtomicBool = AtomicBool::new(false);

/// Lets modules write to stderr, for whoever wants to know more.
pub fn let_modules_speak() {
    MODULES_MAY_SPEAK.store(true, Ordering::Relaxed);
}

/// Gives the process its stderr back, for whoever ends it in the middle of a call.
pub fn restore_stderr() {
    if let Some(stderr) = STDERR.lock().unwrap_or_else(PoisonError::into_inner).take() {
        let _ = rustix::stdio::dup2_stderr(stderr);
    }
}

/// Runs a call, with stderr led to nowhere.
pub(super) fn quietly<T>(call: impl FnOnce() -> T) -> T {
    if !MODULES_MAY_SPEAK.load(Ordering::Relaxed)
        && let Ok(nowhere) = File::options().write(true).open("/dev/null")
        && let Ok(stderr) = rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stderr(), 3)
    {
        *STDERR.lock().unwrap_or_else(PoisonError::into_inner) = Some(stderr);
        let _ = rustix::stdio::dup2_stderr(nowhere);
    }
    let result = call();
    restore_stderr();
    result
}
