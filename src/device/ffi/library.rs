//! Loading a module's library.

use std::path::Path;
use std::ptr;

use cryptoki_sys::{CK_FUNCTION_LIST, CK_INTERFACE, CK_INTERFACE_PTR, CK_RV, CKR_OK};

use super::functions::Functions;
use crate::device::call::{CallError, reason_of};
use crate::platform::library;

/// Why a library could not be loaded as a module.
#[derive(Debug)]
pub(in crate::device) enum LoadError {
    /// The loader refused it, for this reason.
    Loader(String),
    /// It has neither C_GetFunctionList nor C_GetInterface.
    NoModule,
    /// It returns no function list.
    NoFunctions(CallError),
}

type GetFunctionList = unsafe extern "C" fn(*mut *mut CK_FUNCTION_LIST) -> CK_RV;
type GetInterface = unsafe extern "C" fn(
    *mut u8,
    *mut std::ffi::c_void,
    *mut CK_INTERFACE_PTR,
    cryptoki_sys::CK_FLAGS,
) -> CK_RV;

impl Functions {
    /// Loads the library at `path` or, if that is a name without a folder, from where the system's loader
    /// finds it. It is never unloaded: some modules do not survive that. C_GetFunctionList is tried before
    /// PKCS#11 v3.0's C_GetInterface, because nothing newer than v2.40 is called, and a Luna's C_GetInterface
    /// fails.
    pub(in crate::device) fn load(path: &Path) -> Result<Self, LoadError> {
        // SAFETY: no precondition of a module's constructors could be met here. Both functions have the
        // standard's signatures (PKCS#11 v2.40 section 5.4, v3.0 section 5.4). The list that they
        // return lives as long as the library, which is forgotten here.
        unsafe {
            let library = library::open(path).map_err(|error| LoadError::Loader(reason_of(&error)))?;
            let library = std::mem::ManuallyDrop::new(library);
            let list = library.get::<GetFunctionList>(b"C_GetFunctionList\0").ok().map(|get| {
                let mut list: *mut CK_FUNCTION_LIST = ptr::null_mut();
                answer("C_GetFunctionList", get(&mut list), list.cast_const())
            });
            let list = match list {
                Some(Ok(list)) => Ok(list),
                other => match library.get::<GetInterface>(b"C_GetInterface\0") {
                    Err(_) => other.unwrap_or(Err(LoadError::NoModule)),
                    Ok(get) => {
                        let mut interface: *mut CK_INTERFACE = ptr::null_mut();
                        let code = get(ptr::null_mut(), ptr::null_mut(), &mut interface, 0);
                        let list =
                            interface.as_ref().map_or(ptr::null(), |found| found.pFunctionList.cast_const());
                        // The older function's answer is the better known error.
                        answer("C_GetInterface", code, list.cast())
                            .or_else(|error| other.unwrap_or(Err(error)))
                    }
                },
            }?;
            Functions::new(list).ok_or(LoadError::NoModule)
        }
    }
}

fn answer(
    function: &'static str,
    code: CK_RV,
    list: *const CK_FUNCTION_LIST,
) -> Result<*const CK_FUNCTION_LIST, LoadError> {
    if code != CKR_OK {
        Err(LoadError::NoFunctions(CallError::of(function, code)))
    } else if list.is_null() {
        Err(LoadError::NoFunctions(CallError::unusable(function, "the module gives no function list".into())))
    } else {
        Ok(list)
    }
}
