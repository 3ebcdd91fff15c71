//! Taking a PIN out of the environment, so that no child process inherits it: p11-kit starts programs for `remote:`
//! modules, and any module may.

use std::env::{self, VarError};

use secrecy::SecretString;

/// Reads the variable and removes it from the environment of this process.
///
/// # Errors
/// [`VarError`], as [`env::var`].
pub(super) fn take(name: &str) -> Result<SecretString, VarError> {
    let value = env::var(name).map(SecretString::from)?;
    forget(name);
    Ok(value)
}

/// Removes a variable from the environment that children would inherit. Does nothing once a second thread runs, which
/// could be reading the environment: call it first thing.
#[allow(unsafe_code)]
pub fn forget(name: &str) {
    let threads = std::fs::read_dir("/proc/self/task").map(Iterator::count);
    if threads.is_ok_and(|count| count == 1) {
        // SAFETY: std wants that no other thread touches the environment meanwhile. There is no other thread.
        unsafe { env::remove_var(name) };
    }
}
