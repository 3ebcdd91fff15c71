//! p11-kit's configuration, read by its own library, since PKCS#11 has no call for it.

use std::ffi::{CStr, c_char, c_int, c_void};
use std::path::PathBuf;
use std::ptr;
use std::sync::{Mutex, PoisonError};

use cryptoki_sys::CK_FUNCTION_LIST;

use super::functions::Functions;
use crate::platform::library;

/// A module in p11-kit's configuration (pkcs11.conf(5)).
#[derive(Clone)]
pub(in crate::device) struct P11KitModule {
    pub(in crate::device) name: String,
    pub(in crate::device) path: Option<PathBuf>,
    /// The functions of a module for which p11-kit starts a program (option `remote`): only p11-kit can do
    /// that.
    pub(in crate::device) remote: Option<Functions>,
    pub(in crate::device) trust_policy: bool,
    pub(in crate::device) init_reserved: Option<String>,
}

/// The modules that libp11-kit is configured with, in its order, and its last message, which names a module
/// that it could not load.
type Configured = (Vec<P11KitModule>, Option<String>);

/// Asks libp11-kit which modules it is configured with. Initializes none of them.
///
/// A process asks once. libp11-kit frees the memory of a list (about 30 kB) only by unloading its modules,
/// and modules that are unloaded and loaded again misbehave, so a service that asked at each renewal would
/// leak.
pub(in crate::device) fn p11_kit_modules() -> Result<Configured, libloading::Error> {
    static CONFIGURED: Mutex<Option<Configured>> = Mutex::new(None);
    let known = || CONFIGURED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(configured) = &*known() {
        return Ok(configured.clone());
    }
    // Not under the lock, because loading a module may never return.
    let configured = load()?;
    // If there are none, somebody may install one later.
    if !configured.0.is_empty() {
        *known() = Some(configured.clone());
    }
    Ok(configured)
}

fn load() -> Result<Configured, libloading::Error> {
    type Modules = *mut *mut CK_FUNCTION_LIST;
    // SAFETY: libp11-kit's constructors have no preconditions. The signatures below are those of p11-kit/p11-kit.h,
    // where a CK_FUNCTION_LIST is cryptoki_sys's. The library is never unloaded (forgotten below).
    unsafe {
        let library = library::open(library::p11_kit())?;
        let set_progname = library.get::<unsafe extern "C" fn(*const c_char)>(b"p11_kit_set_progname\0")?;
        let be_quiet = library.get::<unsafe extern "C" fn()>(b"p11_kit_be_quiet\0")?;
        let message = library.get::<unsafe extern "C" fn() -> *const c_char>(b"p11_kit_message\0")?;
        let modules_load = library
            .get::<unsafe extern "C" fn(*const c_char, c_int) -> Modules>(b"p11_kit_modules_load\0")?;
        let get_name = library.get::<unsafe extern "C" fn(*mut CK_FUNCTION_LIST) -> *mut c_char>(
            b"p11_kit_module_get_name\0",
        )?;
        // Newer than the other functions. Without it, the configuration's `module` option says nearly the
        // same.
        let get_filename = library.get::<unsafe extern "C" fn(*mut CK_FUNCTION_LIST) -> *mut c_char>(
            b"p11_kit_module_get_filename\0",
        );
        let config_option = library
            .get::<unsafe extern "C" fn(*mut CK_FUNCTION_LIST, *const c_char) -> *mut c_char>(
                b"p11_kit_config_option\0",
            )?;

        be_quiet();
        set_progname(c"countersign".as_ptr());
        let list = modules_load(ptr::null(), 0);
        let last_message = message();
        let last_message = (!last_message.is_null())
            .then(|| CStr::from_ptr(last_message).to_string_lossy().into_owned())
            .filter(|text| !text.is_empty());

        let mut modules = Vec::new();
        let mut entry = list;
        // SAFETY: the list ends with a null pointer; a null list means that nothing could be loaded.
        while !entry.is_null() && !(*entry).is_null() {
            let option = |name: &CStr| take_string(config_option(*entry, name.as_ptr()));
            let path = match &get_filename {
                Ok(get_filename) => take_string(get_filename(*entry)),
                Err(_) => option(c"module"),
            };
            modules.push(P11KitModule {
                name: take_string(get_name(*entry)).unwrap_or_default(),
                path: path.map(PathBuf::from),
                // The list is never returned to p11-kit, which would free it.
                remote: option(c"remote").and_then(|_| Functions::new(*entry)),
                trust_policy: option(c"trust-policy").is_some_and(|value| value == "yes"),
                init_reserved: option(c"x-init-reserved"),
            });
            entry = entry.add(1);
        }
        // Stays loaded for the life of the process: modules that are unloaded and loaded again misbehave, and
        // the operating system reclaims the rest.
        std::mem::forget(library);
        Ok((modules, last_message))
    }
}

/// A string that libp11-kit allocated, freed as its manual says.
///
/// # Safety
/// `text` must be null or a NUL-terminated string from malloc that nobody else frees.
unsafe fn take_string(text: *mut c_char) -> Option<String> {
    unsafe extern "C" {
        fn free(pointer: *mut c_void);
    }
    if text.is_null() {
        return None;
    }
    // SAFETY: the caller promises both.
    unsafe {
        let owned = CStr::from_ptr(text).to_string_lossy().into_owned();
        free(text.cast());
        Some(owned)
    }
}
