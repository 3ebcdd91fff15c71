//! Changing the environment while there is one thread: taking a PIN out of it, so that no child process inherits it
//! (p11-kit starts programs for `remote:` modules, and any module may), and telling modules to be quiet.

use std::env::{self, VarError};
use std::ffi::OsStr;

use secrecy::SecretString;

use crate::platform::process::is_one_thread;

/// Reads the variable and removes it from the environment of this process.
///
/// # Errors
/// [`VarError`], as [`env::var`].
pub(crate) fn take(name: &str) -> Result<SecretString, VarError> {
    let value = env::var(name).map(SecretString::from)?;
    forget(name);
    Ok(value)
}

/// Removes a variable from the environment that children would inherit. Does nothing once a second thread runs, which
/// could be reading the environment: call it first thing.
#[allow(unsafe_code)]
pub fn forget(name: impl AsRef<OsStr>) {
    if is_one_thread() {
        // SAFETY: std requires that no other thread touches the environment meanwhile. There is no other thread.
        unsafe { env::remove_var(name.as_ref()) };
    }
}

/// Removes an empty variable, which counts as not set. Under the same condition.
pub fn forget_if_empty(name: impl AsRef<OsStr>) {
    if env::var_os(&name).is_some_and(|value| value.is_empty()) {
        forget(name);
    }
}

/// Sets a variable that is not set yet, under the same condition.
#[allow(unsafe_code)]
fn set_default(name: &str, value: &str) {
    if env::var_os(name).is_none() && is_one_thread() {
        // SAFETY: as in [`forget`].
        unsafe { env::set_var(name, value) };
    }
}

/// Keeps modules from writing to stderr at each call, unless somebody configured them to. Called while there
/// is one thread.
pub fn quieten_modules() {
    // tpm2-pkcs11 and the TPM's libraries below it.
    set_default("TSS2_LOG", "all+NONE");
    set_default("TPM2_PKCS11_LOG_LEVEL", "0");
}
