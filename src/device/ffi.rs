//! The only unsafe code that talks to modules. What cryptoki cannot do:
//!
//! - ask libp11-kit which modules are configured (it is no PKCS#11 call at all);
//! - read the token information of a device whose clock it cannot parse;
//! - list the slots of a module that does not say how many there are when the list was too short (ykcs11 2.2 while a card is
//!   inserted): cryptoki 0.12 calls it again and again with the same length. A cryptoki release that asks for the number
//!   again removes this one;
//! - call `C_Sign` alone after `C_SignInit` and a context-specific login. cryptoki 0.12's `Session::sign` does both in
//!   one, and its multi-part calls are refused for CKM_RSA_PKCS. A cryptoki release with a public single-part `C_Sign`
//!   (`sign_single` in its main branch) removes this one.
#![allow(unsafe_code)]

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::path::{Path, PathBuf};
use std::ptr;

use cryptoki::context::Function;
use cryptoki::error::{Error, Rv, RvError};
use cryptoki::session::Session;
use cryptoki_sys::{
    CK_BYTE, CK_FUNCTION_LIST, CK_SLOT_ID, CK_TOKEN_INFO, CK_TRUE, CK_ULONG, CKR_BUFFER_TOO_SMALL, CKR_OK,
};
use libloading::Library;

/// The library's name; without a folder, so that the system's loader looks for it.
pub(super) const LIBP11_KIT: &str = "libp11-kit.so.0";

/// A module of p11-kit's configuration (pkcs11.conf(5)).
#[derive(Clone, Debug, Default)]
pub(super) struct P11KitModule {
    pub(super) name: String,
    pub(super) path: Option<PathBuf>,
    pub(super) remote: bool,
    pub(super) trust_policy: bool,
    pub(super) init_reserved: Option<String>,
}

/// Asks libp11-kit for the modules it is configured with, in its order. Initialises none of them. Also returns its last
/// message, which names a module that it could not load.
pub(super) fn p11_kit_modules() -> Result<(Vec<P11KitModule>, Option<String>), libloading::Error> {
    type Modules = *mut *mut CK_FUNCTION_LIST;
    // SAFETY: libp11-kit's constructors have no preconditions. The signatures below are those of p11-kit/p11-kit.h,
    // where a CK_FUNCTION_LIST is cryptoki_sys's. The library is never unloaded (forgotten below).
    unsafe {
        let library = Library::new(LIBP11_KIT)?;
        let set_progname = library.get::<unsafe extern "C" fn(*const c_char)>(b"p11_kit_set_progname\0")?;
        let be_quiet = library.get::<unsafe extern "C" fn()>(b"p11_kit_be_quiet\0")?;
        let message = library.get::<unsafe extern "C" fn() -> *const c_char>(b"p11_kit_message\0")?;
        let load = library
            .get::<unsafe extern "C" fn(*const c_char, c_int) -> Modules>(b"p11_kit_modules_load\0")?;
        let get_name = library.get::<unsafe extern "C" fn(*mut CK_FUNCTION_LIST) -> *mut c_char>(
            b"p11_kit_module_get_name\0",
        )?;
        // Newer than the rest; without it the configuration's `module` option says nearly the same.
        let get_filename = library.get::<unsafe extern "C" fn(*mut CK_FUNCTION_LIST) -> *mut c_char>(
            b"p11_kit_module_get_filename\0",
        );
        let config_option = library
            .get::<unsafe extern "C" fn(*mut CK_FUNCTION_LIST, *const c_char) -> *mut c_char>(
                b"p11_kit_config_option\0",
            )?;

        be_quiet();
        set_progname(c"countersign".as_ptr());
        let list = load(ptr::null(), 0);
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
                remote: option(c"remote").is_some(),
                trust_policy: option(c"trust-policy").is_some_and(|value| value == "yes"),
                init_reserved: option(c"x-init-reserved"),
            });
            entry = entry.add(1);
        }
        // Kept loaded for the life of the process: modules that are unloaded and loaded again misbehave, and the
        // operating system takes back what is left.
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

/// CK_TOKEN_INFO as it is: cryptoki refuses all of it when the device's clock field cannot be parsed (openCryptoki). A
/// cryptoki that leaves out what it cannot parse removes this. Not for p11-kit-proxy, see [`SinglePart`].
pub(super) fn token_info(module: &Path, slot: u64) -> Result<CK_TOKEN_INFO, Error> {
    let mut info = CK_TOKEN_INFO::default();
    // SAFETY: the module is loaded and initialised already (see `function_list`); `info` is valid for the call.
    unsafe {
        let list = function_list(module)?;
        let call = (*list).C_GetTokenInfo.ok_or(Error::NullFunctionPointer)?;
        Rv::from(call(slot as CK_ULONG, &mut info)).into_result(Function::GetTokenInfo)?;
    }
    Ok(info)
}

/// How often the slots may become more while they are listed.
const SLOT_TRIES: usize = 10;

/// The IDs of the slots that have a device. Not for p11-kit-proxy, see [`SinglePart`].
pub(super) fn slots_with_token(module: &Path) -> Result<Vec<u64>, Error> {
    for _ in 0..SLOT_TRIES {
        let mut result = Rv::from(CKR_OK);
        let mut slots: Vec<CK_SLOT_ID> = Vec::new();
        let mut count: CK_ULONG = 0;
        // SAFETY: the module is loaded and initialised already (see `function_list`); a null list asks for the number, and
        // `slots` has room for as many as `count` says.
        unsafe {
            let call = (*function_list(module)?).C_GetSlotList.ok_or(Error::NullFunctionPointer)?;
            Rv::from(call(CK_TRUE, ptr::null_mut(), &mut count)).into_result(Function::GetSlotList)?;
            slots.resize(count as usize, 0);
            if count > 0 {
                result = Rv::from(call(CK_TRUE, slots.as_mut_ptr(), &mut count));
            }
        }
        if !matches!(result, Rv::Error(RvError::BufferTooSmall)) {
            result.into_result(Function::GetSlotList)?;
            slots.truncate(count as usize);
            return Ok(slots);
        }
    }
    Err(Error::Pkcs11(RvError::BufferTooSmall, Function::GetSlotList))
}

/// The function list of a module that is loaded and initialised through cryptoki already: the loader then gives the same
/// library once more.
///
/// # Safety
/// `module` must be the path that cryptoki loaded it by.
unsafe fn function_list(module: &Path) -> Result<*mut CK_FUNCTION_LIST, Error> {
    // SAFETY: no constructor runs, as the library is loaded; C_GetFunctionList has the standard's signature (PKCS#11
    // v2.40 section 5.4) and gives a list that lives as long as the library, which is never unloaded (forgotten here).
    unsafe {
        let library = cryptoki_sys::Pkcs11::new(module).map_err(Error::LibraryLoading)?;
        let mut list: *mut CK_FUNCTION_LIST = ptr::null_mut();
        let get =
            library.C_GetFunctionList.as_ref().map_err(|_| Error::MissingSymbol("C_GetFunctionList"))?;
        Rv::from(get(&mut list)).into_result(Function::GetFunctionList)?;
        std::mem::forget(library);
        if list.is_null() { Err(Error::NullFunctionPointer) } else { Ok(list) }
    }
}

/// A module's C_Sign, called alone.
pub(super) struct SinglePart {
    function: unsafe extern "C" fn(CK_ULONG, *mut CK_BYTE, CK_ULONG, *mut CK_BYTE, *mut CK_ULONG) -> CK_ULONG,
}

impl SinglePart {
    /// Takes C_Sign from the module at `path`. Not for p11-kit-proxy, where each function list is an instance of its own.
    pub(super) fn of_module(path: &Path) -> Result<Self, Error> {
        // SAFETY: the caller has a session of the module, so cryptoki loaded it by this path.
        let function = unsafe { (*function_list(path)?).C_Sign };
        Ok(SinglePart { function: function.ok_or(Error::NullFunctionPointer)? })
    }

    /// C_Sign on a session in which C_SignInit has succeeded. `expected` is the signature's length in bytes.
    pub(super) fn sign(&self, session: &Session, data: &[u8], expected: usize) -> Result<Vec<u8>, Error> {
        let mut signature = vec![0; expected];
        loop {
            let mut length = signature.len() as CK_ULONG;
            // SAFETY: `data` and `signature` are valid for the lengths given with them; the module does not write to
            // its input, although the standard's signature has no const. The session is open: it is borrowed.
            let code = unsafe {
                (self.function)(
                    session.handle(),
                    data.as_ptr().cast_mut(),
                    data.len() as CK_ULONG,
                    signature.as_mut_ptr(),
                    &mut length,
                )
            };
            if code == CKR_BUFFER_TOO_SMALL && length as usize > signature.len() && length <= 4096 {
                signature.resize(length as usize, 0);
                continue;
            }
            if code == CKR_OK {
                signature.truncate(length as usize);
                return Ok(signature);
            }
            Rv::from(code).into_result(Function::Sign)?;
        }
    }
}

/// C_Initialize arguments with a reserved string, as some modules want (p11-kit's option `x-init-reserved`).
pub(super) fn initialize_with_reserved(
    pkcs11: &cryptoki::context::Pkcs11,
    reserved: &str,
) -> Result<(), Error> {
    use cryptoki::context::{CInitializeArgs, CInitializeFlags};
    let text = CString::new(reserved)?;
    // Modules may keep the pointer: the string lives as long as the process.
    let text = ptr::NonNull::from(Box::leak(text.into_boxed_c_str())).cast::<c_void>();
    // SAFETY: `text` points to a NUL-terminated string that is never freed, which is what such modules read.
    let arguments = unsafe { CInitializeArgs::new_with_reserved(CInitializeFlags::OS_LOCKING_OK, text) };
    pkcs11.initialize(arguments)
}
