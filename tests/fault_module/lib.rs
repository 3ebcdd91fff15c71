//! A PKCS#11 module that passes every call on to a real one, counts them, and makes some fail: for what no real device
//! can be made to show in a test (a locked PIN, a wrong signature, a device that waits for a touch).
//!
//! - `FAULT_MODULE`: the path of the real module.
//! - `FAULTS`: what goes wrong, as `CALL[:N]=WHAT` separated by commas. Without `:N` at each call, else at the N-th.
//!   With `NAME/` before it a rule is for the copy of this module whose file has that name.
//!   WHAT is for any call:
//!   - a return code (`0xa4`), or `delay:MILLISECONDS`;
//!   - `print:TEXT` to stdout, at once and through the C library, and `warn:TEXT` to stderr;
//!   - the end of the process: `exit:N`, `quit:N` (without exit handlers), `abort`, `crash` (SIGSEGV);
//!   - `gone:0x…`: the device is pulled out. This call and all after it say the code, and the slots are empty;
//!
//!   and for one call:
//!   - C_GetInterface: a return code. Without one it gives the same functions as C_GetFunctionList;
//!   - C_Initialize: `cantlock` (CKR_CANT_LOCK where CKF_OS_LOCKING_OK is set);
//!   - C_FindObjectsInit: `unknown:0x…` (a template with this attribute is refused with CKR_ATTRIBUTE_TYPE_INVALID);
//!   - C_FindObjects: `few:0x…` (it gives so many handles at most, and goes on), `again` (it gives one forever);
//!   - C_GetSlotList: `appears` (the first call counts one slot less than there are, and a list that is too short is refused without
//!     their number, as by ykcs11), `only:N` (of the slots the N-th alone, counted from 0), `none` (there is no slot, as a
//!     Luna's client says that no appliance knows);
//!   - C_GetTokenInfo: `flags:0x…` are added, `noflags:0x…` are taken away, `clock` (a time that is none, as
//!     openCryptoki's), `store` (a device whose label begins with that word requires no login), `label:HEX`
//!     (it has this label), `zeros` (its serial number is zeros, as a TPM's);
//!   - C_OpenSession: `ro:0x…` and `rw:0x…` refuse read-only and read-write sessions with a code;
//!   - C_Login: `user:0x…` accepts only this type of user, and takes it for CKU_USER; `pad` (a PIN pad: a PIN from here is
//!     refused, and without one the right one is in `FAULT_PAD_PIN`);
//!   - C_GetAttributeValue: `hide:0x…` (the attribute is not known), `give:0x…:HEX` (it has this value),
//!     `tell:0x…` (it is logged, as `0x…=HEX`, or `0x… is unknown`), `length:0x…:0x…` (its length is said to be this);
//!   - C_GenerateKeyPair: `unknown:0x…` (a template with this attribute is refused with CKR_ATTRIBUTE_TYPE_INVALID), `drop:0x…`
//!     (the attribute of the templates is ignored);
//!   - C_GetMechanismList: `mechanism:0x…` is not listed;
//!   - C_Sign: `corrupt` (a bit of the signature is flipped), `lost` (the session is closed behind the caller's back),
//!     `refuse:0x…` (the code, after which the operation has ended, as by the standard), `newlogin` (CKR_USER_NOT_LOGGED_IN,
//!     unless C_Login of a user came since the last signature, as CACKey requires it), `once` (the question for the length
//!     is refused), `room:0x…` (CKR_BUFFER_TOO_SMALL where there is less room).
//! - `FAULT_LOG`: a file to which the name of each call is appended, a line each; `C_Sign asked` where only the length was
//!   asked for; and `CONCURRENT` for a call that began
//!   before another one had returned, which fails.
#![allow(
    unsafe_code,
    missing_docs,
    non_snake_case,
    unreachable_pub,
    clippy::missing_safety_doc,
    clippy::undocumented_unsafe_blocks
)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod calls;
mod faults;

use std::sync::OnceLock;

use cryptoki_sys::*;

struct List(*mut CK_FUNCTION_LIST);
unsafe impl Send for List {}
unsafe impl Sync for List {}

/// The function list of the real module.
fn real() -> &'static CK_FUNCTION_LIST {
    static REAL: OnceLock<List> = OnceLock::new();
    let real = REAL.get_or_init(|| unsafe {
        let path = std::env::var("FAULT_MODULE").expect("FAULT_MODULE names the real module");
        let module = Pkcs11::new(path).expect("the real module loads");
        let mut list = std::ptr::null_mut();
        assert_eq!((module.C_GetFunctionList.as_ref().unwrap())(&mut list), CKR_OK);
        std::mem::forget(module);
        List(list)
    });
    unsafe { &*real.0 }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn C_GetFunctionList(list: CK_FUNCTION_LIST_PTR_PTR) -> CK_RV {
    static LIST: OnceLock<List> = OnceLock::new();
    let own = LIST.get_or_init(|| {
        let mut list = *real();
        calls::replace(&mut list);
        list.C_GetFunctionList = Some(C_GetFunctionList);
        List(Box::leak(Box::new(list)))
    });
    unsafe { *list = own.0 };
    CKR_OK
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn C_GetInterface(
    _name: CK_UTF8CHAR_PTR,
    _version: CK_VERSION_PTR,
    interface: CK_INTERFACE_PTR_PTR,
    _flags: CK_FLAGS,
) -> CK_RV {
    calls::get_interface(|| {
        let mut list = std::ptr::null_mut();
        unsafe { C_GetFunctionList(&mut list) };
        let own = CK_INTERFACE {
            pInterfaceName: c"PKCS 11".as_ptr().cast_mut().cast(),
            pFunctionList: list.cast(),
            flags: 0,
        };
        unsafe { *interface = Box::leak(Box::new(own)) };
        CKR_OK
    })
}
