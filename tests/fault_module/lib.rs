//! A PKCS#11 module that passes every call on to a real one, counts them, and makes some fail: for what no real device
//! can be made to show in a test (a locked PIN, a wrong signature, a device that waits for a touch).
//!
//! - `FAULT_MODULE`: the path of the real module.
//! - `FAULTS`: what goes wrong, as `CALL[:N]=WHAT` separated by commas. Without `:N` at each call, else at the N-th.
//!   WHAT is a return code (`0xa4`), `delay:MILLISECONDS`, `corrupt` (C_Sign: a bit of the signature is flipped),
//!   `flags:0x…` (C_GetTokenInfo: these flags are added), `noflags:0x…` (they are taken away), or `hide:0x…`
//!   (C_GetAttributeValue: the attribute is not known), or `clock` (C_GetTokenInfo: a time that is none, as openCryptoki's).
//! - `FAULT_LOG`: a file to which the name of each call is appended, a line each.
#![allow(
    unsafe_code,
    missing_docs,
    non_snake_case,
    clippy::missing_safety_doc,
    clippy::undocumented_unsafe_blocks
)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::HashMap;
use std::io::Write;
use std::sync::{Mutex, OnceLock};
use std::time::Duration;

use cryptoki_sys::*;

struct Real(*mut CK_FUNCTION_LIST);
struct List(*mut CK_FUNCTION_LIST);
unsafe impl Send for Real {}
unsafe impl Sync for Real {}
unsafe impl Send for List {}
unsafe impl Sync for List {}

enum Fault {
    Code(CK_RV),
    Delay(Duration),
    Corrupt,
    Flags(CK_FLAGS),
    NoFlags(CK_FLAGS),
    Hide(CK_ATTRIBUTE_TYPE),
    Clock,
}

struct Rule {
    call: String,
    nth: Option<usize>,
    fault: Fault,
}

fn real() -> &'static CK_FUNCTION_LIST {
    static REAL: OnceLock<Real> = OnceLock::new();
    let real = REAL.get_or_init(|| unsafe {
        let path = std::env::var("FAULT_MODULE").expect("FAULT_MODULE names the real module");
        let module = Pkcs11::new(path).expect("the real module loads");
        let mut list = std::ptr::null_mut();
        assert_eq!((module.C_GetFunctionList.as_ref().unwrap())(&mut list), CKR_OK);
        std::mem::forget(module);
        Real(list)
    });
    unsafe { &*real.0 }
}

fn rules() -> &'static [Rule] {
    static RULES: OnceLock<Vec<Rule>> = OnceLock::new();
    RULES.get_or_init(|| {
        let text = std::env::var("FAULTS").unwrap_or_default();
        text.split(',').filter(|rule| !rule.is_empty()).map(rule).collect()
    })
}

fn rule(text: &str) -> Rule {
    let (call, what) = text.split_once('=').expect("CALL=WHAT");
    let (call, nth) = match call.split_once(':') {
        Some((call, nth)) => (call, Some(nth.parse().expect("a number"))),
        None => (call, None),
    };
    let number =
        |text: &str| u64::from_str_radix(text.trim_start_matches("0x"), 16).expect("a hexadecimal number");
    let fault = match what.split_once(':') {
        None if what == "corrupt" => Fault::Corrupt,
        None if what == "clock" => Fault::Clock,
        None => Fault::Code(number(what)),
        Some(("delay", milliseconds)) => {
            Fault::Delay(Duration::from_millis(milliseconds.parse().expect("a number")))
        }
        Some(("flags", flags)) => Fault::Flags(number(flags)),
        Some(("noflags", flags)) => Fault::NoFlags(number(flags)),
        Some(("hide", attribute)) => Fault::Hide(number(attribute)),
        Some(_) => panic!("unknown fault {what}"),
    };
    Rule { call: call.to_owned(), nth, fault }
}

/// Counts and logs the call, and returns the faults for it.
fn faults(call: &'static str) -> impl Iterator<Item = &'static Fault> {
    static COUNTS: Mutex<Option<HashMap<&'static str, usize>>> = Mutex::new(None);
    let mut counts = COUNTS.lock().unwrap();
    let count = counts.get_or_insert_default().entry(call).or_default();
    *count += 1;
    let count = *count;
    if let Ok(path) = std::env::var("FAULT_LOG") {
        let mut log = std::fs::File::options().append(true).create(true).open(path).expect("the log opens");
        writeln!(log, "{call}").expect("the log is written");
    }
    rules()
        .iter()
        .filter(move |rule| rule.call == call && rule.nth.is_none_or(|nth| nth == count))
        .map(|rule| &rule.fault)
}

/// The call with its faults that are no matter of its arguments.
fn pass(call: &'static str, next: impl FnOnce() -> CK_RV) -> CK_RV {
    for fault in faults(call) {
        match fault {
            Fault::Code(code) => return *code,
            Fault::Delay(time) => std::thread::sleep(*time),
            _ => {}
        }
    }
    next()
}

macro_rules! pass {
    ($($name:ident($($argument:ident: $type:ty),*);)*) => {
        $(unsafe extern "C" fn $name($($argument: $type),*) -> CK_RV {
            pass(stringify!($name), || unsafe { (real().$name.unwrap())($($argument),*) })
        })*
        fn replace(list: &mut CK_FUNCTION_LIST) {
            $(list.$name = Some($name);)*
        }
    };
}

pass! {
    C_Initialize(arguments: CK_VOID_PTR);
    C_GetSlotList(present: CK_BBOOL, slots: CK_SLOT_ID_PTR, count: CK_ULONG_PTR);
    C_OpenSession(slot: CK_SLOT_ID, flags: CK_FLAGS, application: CK_VOID_PTR, notify: CK_NOTIFY, session: CK_SESSION_HANDLE_PTR);
    C_Login(session: CK_SESSION_HANDLE, user: CK_USER_TYPE, pin: CK_UTF8CHAR_PTR, length: CK_ULONG);
    C_FindObjectsInit(session: CK_SESSION_HANDLE, template: CK_ATTRIBUTE_PTR, count: CK_ULONG);
    C_SignInit(session: CK_SESSION_HANDLE, mechanism: CK_MECHANISM_PTR, key: CK_OBJECT_HANDLE);
}

unsafe extern "C" fn C_GetTokenInfo(slot: CK_SLOT_ID, info: CK_TOKEN_INFO_PTR) -> CK_RV {
    let code = unsafe { (real().C_GetTokenInfo.unwrap())(slot, info) };
    for fault in faults("C_GetTokenInfo") {
        match fault {
            Fault::Code(code) => return *code,
            Fault::Flags(flags) => unsafe { (*info).flags |= flags },
            Fault::NoFlags(flags) => unsafe { (*info).flags &= !flags },
            Fault::Clock => unsafe {
                (*info).flags |= CKF_CLOCK_ON_TOKEN;
                (*info).utcTime = *b"no time at all !";
            },
            _ => {}
        }
    }
    code
}

unsafe extern "C" fn C_Sign(
    session: CK_SESSION_HANDLE,
    data: CK_BYTE_PTR,
    length: CK_ULONG,
    signature: CK_BYTE_PTR,
    signature_length: CK_ULONG_PTR,
) -> CK_RV {
    let next = || unsafe { (real().C_Sign.unwrap())(session, data, length, signature, signature_length) };
    // A call that only asks for the length is none that signs.
    if signature.is_null() {
        return next();
    }
    let mut corrupt = false;
    for fault in faults("C_Sign") {
        match fault {
            Fault::Code(code) => return *code,
            Fault::Delay(time) => std::thread::sleep(*time),
            Fault::Corrupt => corrupt = true,
            _ => {}
        }
    }
    let code = next();
    if corrupt && code == CKR_OK {
        unsafe { *signature.add(100) ^= 1 };
    }
    code
}

unsafe extern "C" fn C_GetAttributeValue(
    session: CK_SESSION_HANDLE,
    object: CK_OBJECT_HANDLE,
    template: CK_ATTRIBUTE_PTR,
    count: CK_ULONG,
) -> CK_RV {
    let code = unsafe { (real().C_GetAttributeValue.unwrap())(session, object, template, count) };
    let mut hidden = false;
    for fault in faults("C_GetAttributeValue") {
        if let Fault::Code(code) = fault {
            return *code;
        }
        for index in 0..count as usize {
            let attribute = unsafe { &mut *template.add(index) };
            if matches!(fault, Fault::Hide(which) if *which == attribute.type_) {
                attribute.ulValueLen = CK_UNAVAILABLE_INFORMATION;
                hidden = true;
            }
        }
    }
    if hidden && code == CKR_OK { CKR_ATTRIBUTE_TYPE_INVALID } else { code }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn C_GetFunctionList(list: CK_FUNCTION_LIST_PTR_PTR) -> CK_RV {
    static LIST: OnceLock<List> = OnceLock::new();
    let own = LIST.get_or_init(|| {
        let mut list = *real();
        replace(&mut list);
        list.C_GetFunctionList = Some(C_GetFunctionList);
        list.C_GetTokenInfo = Some(C_GetTokenInfo);
        list.C_Sign = Some(C_Sign);
        list.C_GetAttributeValue = Some(C_GetAttributeValue);
        List(Box::leak(Box::new(list)))
    });
    unsafe { *list = own.0 };
    CKR_OK
}
