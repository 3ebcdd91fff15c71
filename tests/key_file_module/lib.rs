//! A PKCS#11 module whose one RSA key is in a file: for systems on which no device, and no other module, is to be had in a test.
//! It has the calls that signing needs, and none more.
//!
//! - `KEY_FILE`: the private key (PKCS#1, DER).
//! - `KEY_FILE_PIN`: the user's PIN.
//! - `KEY_FILE_SIGNS_AFTER`: milliseconds, as if a device waited for a touch.
//! - `KEY_FILE_TELLS`: a file that is made when C_Sign is called.
//! - `KEY_FILE_ENDS`: `C_Sign=crash` or `C_Logout=…`, or in place of `crash` the C library's `exit` or, without that, `exit-at-once`.
#![allow(
    unsafe_code,
    missing_docs,
    non_snake_case,
    unreachable_pub,
    clippy::missing_safety_doc,
    clippy::undocumented_unsafe_blocks
)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod key;

use std::sync::{Mutex, MutexGuard};

use cryptoki_sys::*;

use key::Key;

const SLOT: CK_SLOT_ID = 1;
const SESSION: CK_SESSION_HANDLE = 7;
const OBJECT: CK_OBJECT_HANDLE = 3;
const TRIES: u8 = 3;

/// What the device and its one session are in the middle of.
struct State {
    is_logged_in: bool,
    tries: u8,
    found: Vec<CK_OBJECT_HANDLE>,
    signs: bool,
}

static STATE: Mutex<State> =
    Mutex::new(State { is_logged_in: false, tries: TRIES, found: Vec::new(), signs: false });

fn state() -> MutexGuard<'static, State> {
    STATE.lock().expect("no call panics")
}

fn padded<const N: usize>(text: &str) -> [u8; N] {
    let mut field = [b' '; N];
    field[..text.len()].copy_from_slice(text.as_bytes());
    field
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn C_GetFunctionList(list: CK_FUNCTION_LIST_PTR_PTR) -> CK_RV {
    let functions = CK_FUNCTION_LIST {
        version: CK_VERSION { major: 2, minor: 40 },
        C_Initialize: Some(initialize),
        C_Finalize: Some(initialize),
        C_GetInfo: Some(info),
        C_GetFunctionList: Some(C_GetFunctionList),
        C_GetSlotList: Some(slot_list),
        C_GetSlotInfo: Some(slot_info),
        C_GetTokenInfo: Some(token_info),
        C_GetMechanismList: Some(mechanism_list),
        C_GetMechanismInfo: Some(mechanism_info),
        C_OpenSession: Some(open_session),
        C_CloseSession: Some(close_session),
        C_CloseAllSessions: Some(close_session),
        C_GetSessionInfo: Some(session_info),
        C_Login: Some(login),
        C_Logout: Some(logout),
        C_FindObjectsInit: Some(find_init),
        C_FindObjects: Some(find),
        C_FindObjectsFinal: Some(find_final),
        C_GetAttributeValue: Some(attribute_value),
        C_SignInit: Some(sign_init),
        C_Sign: Some(sign),
        ..CK_FUNCTION_LIST::default()
    };
    unsafe { *list = Box::leak(Box::new(functions)) };
    CKR_OK
}

unsafe extern "C" fn initialize(_: CK_VOID_PTR) -> CK_RV {
    CKR_OK
}

unsafe extern "C" fn info(info: CK_INFO_PTR) -> CK_RV {
    let known = CK_INFO {
        cryptokiVersion: CK_VERSION { major: 2, minor: 40 },
        manufacturerID: padded("countersign's tests"),
        libraryDescription: padded("a key in a file"),
        ..CK_INFO::default()
    };
    unsafe { info.write_unaligned(known) };
    CKR_OK
}

/// Gives a list, or its length.
unsafe fn give<T: Copy>(values: &[T], list: *mut T, count: CK_ULONG_PTR) -> CK_RV {
    let room = unsafe { count.read_unaligned() } as usize;
    unsafe { count.write_unaligned(values.len() as CK_ULONG) };
    if list.is_null() {
        return CKR_OK;
    }
    if room < values.len() {
        return CKR_BUFFER_TOO_SMALL;
    }
    values.iter().enumerate().for_each(|(at, value)| unsafe { list.add(at).write_unaligned(*value) });
    CKR_OK
}

unsafe extern "C" fn slot_list(_: CK_BBOOL, list: CK_SLOT_ID_PTR, count: CK_ULONG_PTR) -> CK_RV {
    let slots: &[CK_SLOT_ID] = if std::env::var_os("KEY_FILE").is_some() { &[SLOT] } else { &[] };
    unsafe { give(slots, list, count) }
}

unsafe extern "C" fn slot_info(_: CK_SLOT_ID, info: CK_SLOT_INFO_PTR) -> CK_RV {
    let known = CK_SLOT_INFO {
        slotDescription: padded("a slot"),
        manufacturerID: padded("countersign's tests"),
        flags: CKF_TOKEN_PRESENT | CKF_REMOVABLE_DEVICE,
        ..CK_SLOT_INFO::default()
    };
    unsafe { info.write_unaligned(known) };
    CKR_OK
}

unsafe extern "C" fn token_info(_: CK_SLOT_ID, info: CK_TOKEN_INFO_PTR) -> CK_RV {
    let tries = match state().tries {
        0 => CKF_USER_PIN_LOCKED,
        1 => CKF_USER_PIN_COUNT_LOW | CKF_USER_PIN_FINAL_TRY,
        TRIES => 0,
        _ => CKF_USER_PIN_COUNT_LOW,
    };
    let known = CK_TOKEN_INFO {
        label: padded("Key File"),
        manufacturerID: padded("countersign's tests"),
        model: padded("file"),
        serialNumber: padded("0042"),
        ulMinPinLen: 4,
        ulMaxPinLen: 64,
        flags: CKF_LOGIN_REQUIRED | CKF_USER_PIN_INITIALIZED | CKF_TOKEN_INITIALIZED | tries,
        ..CK_TOKEN_INFO::default()
    };
    unsafe { info.write_unaligned(known) };
    CKR_OK
}

unsafe extern "C" fn mechanism_list(
    _: CK_SLOT_ID,
    list: CK_MECHANISM_TYPE_PTR,
    count: CK_ULONG_PTR,
) -> CK_RV {
    unsafe { give(&[CKM_RSA_PKCS], list, count) }
}

unsafe extern "C" fn mechanism_info(
    _: CK_SLOT_ID,
    _: CK_MECHANISM_TYPE,
    info: CK_MECHANISM_INFO_PTR,
) -> CK_RV {
    let known = CK_MECHANISM_INFO { ulMinKeySize: 1024, ulMaxKeySize: 4096, flags: CKF_SIGN };
    unsafe { info.write_unaligned(known) };
    CKR_OK
}

unsafe extern "C" fn open_session(
    _: CK_SLOT_ID,
    _: CK_FLAGS,
    _: CK_VOID_PTR,
    _: CK_NOTIFY,
    session: CK_SESSION_HANDLE_PTR,
) -> CK_RV {
    unsafe { session.write_unaligned(SESSION) };
    CKR_OK
}

unsafe extern "C" fn close_session(_: CK_SESSION_HANDLE) -> CK_RV {
    state().is_logged_in = false;
    CKR_OK
}

unsafe extern "C" fn session_info(_: CK_SESSION_HANDLE, info: CK_SESSION_INFO_PTR) -> CK_RV {
    let is_logged_in = state().is_logged_in;
    let known = CK_SESSION_INFO {
        slotID: SLOT,
        state: if is_logged_in { CKS_RO_USER_FUNCTIONS } else { CKS_RO_PUBLIC_SESSION },
        flags: CKF_SERIAL_SESSION,
        ulDeviceError: 0,
    };
    unsafe { info.write_unaligned(known) };
    CKR_OK
}

unsafe extern "C" fn login(
    _: CK_SESSION_HANDLE,
    _: CK_USER_TYPE,
    pin: CK_UTF8CHAR_PTR,
    length: CK_ULONG,
) -> CK_RV {
    let pin = unsafe { std::slice::from_raw_parts(pin, length as usize) };
    let is_right = std::env::var("KEY_FILE_PIN").is_ok_and(|right| right.as_bytes() == pin);
    let mut state = state();
    if state.tries == 0 {
        return CKR_PIN_LOCKED;
    }
    if !is_right {
        state.tries -= 1;
        return CKR_PIN_INCORRECT;
    }
    (state.is_logged_in, state.tries) = (true, TRIES);
    CKR_OK
}

unsafe extern "C" fn logout(_: CK_SESSION_HANDLE) -> CK_RV {
    end_in("C_Logout");
    state().is_logged_in = false;
    CKR_OK
}

unsafe extern "C" fn find_init(_: CK_SESSION_HANDLE, template: CK_ATTRIBUTE_PTR, length: CK_ULONG) -> CK_RV {
    let mut state = state();
    let key = Key::of_file();
    let fits = (0..length as usize).all(|at| {
        let wanted = unsafe { template.add(at).read_unaligned() };
        let value =
            unsafe { std::slice::from_raw_parts(wanted.pValue.cast::<u8>(), wanted.ulValueLen as usize) };
        key.attribute(wanted.type_).is_some_and(|has| has == value)
    });
    state.found = if fits && state.is_logged_in { vec![OBJECT] } else { Vec::new() };
    CKR_OK
}

unsafe extern "C" fn find(
    _: CK_SESSION_HANDLE,
    list: CK_OBJECT_HANDLE_PTR,
    room: CK_ULONG,
    count: CK_ULONG_PTR,
) -> CK_RV {
    let found = if room == 0 { None } else { state().found.pop() };
    unsafe {
        count.write_unaligned(found.iter().len() as CK_ULONG);
        found.into_iter().for_each(|handle| list.write_unaligned(handle));
    }
    CKR_OK
}

unsafe extern "C" fn find_final(_: CK_SESSION_HANDLE) -> CK_RV {
    CKR_OK
}

unsafe extern "C" fn attribute_value(
    _: CK_SESSION_HANDLE,
    _: CK_OBJECT_HANDLE,
    template: CK_ATTRIBUTE_PTR,
    length: CK_ULONG,
) -> CK_RV {
    let key = Key::of_file();
    let mut code = CKR_OK;
    for at in 0..length as usize {
        let mut wanted = unsafe { template.add(at).read_unaligned() };
        match key.attribute(wanted.type_) {
            None => {
                code = CKR_ATTRIBUTE_TYPE_INVALID;
                wanted.ulValueLen = CK_UNAVAILABLE_INFORMATION;
            }
            Some(value) if wanted.pValue.is_null() => wanted.ulValueLen = value.len() as CK_ULONG,
            Some(value) if (wanted.ulValueLen as usize) < value.len() => {
                code = CKR_BUFFER_TOO_SMALL;
                wanted.ulValueLen = CK_UNAVAILABLE_INFORMATION;
            }
            Some(value) => {
                unsafe { wanted.pValue.cast::<u8>().copy_from_nonoverlapping(value.as_ptr(), value.len()) };
                wanted.ulValueLen = value.len() as CK_ULONG;
            }
        }
        unsafe { template.add(at).write_unaligned(wanted) };
    }
    code
}

unsafe extern "C" fn sign_init(
    _: CK_SESSION_HANDLE,
    mechanism: CK_MECHANISM_PTR,
    _: CK_OBJECT_HANDLE,
) -> CK_RV {
    let mut state = state();
    if unsafe { mechanism.read_unaligned() }.mechanism != CKM_RSA_PKCS {
        return CKR_MECHANISM_INVALID;
    }
    if !state.is_logged_in {
        return CKR_USER_NOT_LOGGED_IN;
    }
    state.signs = true;
    CKR_OK
}

unsafe extern "C" {
    fn exit(code: std::ffi::c_int) -> !;
}

/// Ends the process if this is the function in which that is to happen.
fn end_in(function: &str) {
    let Ok(end) = std::env::var("KEY_FILE_ENDS") else { return };
    match end.split_once('=') {
        Some((wanted, _)) if wanted != function => {}
        Some((_, "crash")) => drop(unsafe { std::ptr::null::<u8>().read_volatile() }),
        Some((_, "exit")) => unsafe { exit(9) },
        Some((_, "exit-at-once")) => std::process::exit(9),
        _ => panic!("no such end: {end}"),
    }
}

unsafe extern "C" fn sign(
    _: CK_SESSION_HANDLE,
    data: CK_BYTE_PTR,
    length: CK_ULONG,
    signature: CK_BYTE_PTR,
    room: CK_ULONG_PTR,
) -> CK_RV {
    if !state().signs {
        return CKR_OPERATION_NOT_INITIALIZED;
    }
    if let Some(path) = std::env::var_os("KEY_FILE_TELLS") {
        std::fs::write(path, "").expect("a file can be made");
    }
    end_in("C_Sign");
    if let Ok(delay) = std::env::var("KEY_FILE_SIGNS_AFTER") {
        std::thread::sleep(std::time::Duration::from_millis(delay.parse().expect("milliseconds")));
    }
    let data = unsafe { std::slice::from_raw_parts(data, length as usize) };
    let code = unsafe { give(&Key::of_file().sign(data), signature, room) };
    state().signs = signature.is_null() || code != CKR_OK;
    code
}
