//! A module that answers at random: return codes, lengths, counts, values. Whatever it answers, nothing
//! panics, hangs or reads out of bounds, and no signature is returned that does not verify.
#![no_main]
#![allow(non_snake_case)]

use std::cell::RefCell;
use std::ffi::c_void;
use std::slice;

use countersign::device::{
    KeyRequest, LoginMemory, LoginOptions, Policy, UserType, choose, fuzzing, inventory,
};
use countersign::pin::PinSource;
use countersign::signature::{Hash, Mechanism, Payload};
use countersign::uri::Uri;
use cryptoki_sys::*;
use libfuzzer_sys::fuzz_target;

/// What is left of the input.
#[derive(Default)]
struct Input {
    bytes: Vec<u8>,
    at: usize,
}

thread_local! {
    static INPUT: RefCell<Input> = RefCell::default();
}

/// When the input has ended, 0 forever: then everything succeeds and nothing is found.
fn byte() -> u8 {
    INPUT.with_borrow_mut(|input| {
        let byte = input.bytes.get(input.at).copied().unwrap_or(0);
        input.at += 1;
        byte
    })
}

/// Mostly CKR_OK.
fn code() -> CK_RV {
    const CODES: [CK_RV; 16] = [
        CKR_GENERAL_ERROR,
        CKR_ARGUMENTS_BAD,
        CKR_CANT_LOCK,
        CKR_ATTRIBUTE_SENSITIVE,
        CKR_ATTRIBUTE_TYPE_INVALID,
        CKR_ATTRIBUTE_VALUE_INVALID,
        CKR_DEVICE_REMOVED,
        CKR_BUFFER_TOO_SMALL,
        CKR_OPERATION_NOT_INITIALIZED,
        CKR_SESSION_HANDLE_INVALID,
        CKR_USER_NOT_LOGGED_IN,
        CKR_USER_ALREADY_LOGGED_IN,
        CKR_PIN_INCORRECT,
        CKR_MECHANISM_INVALID,
        CKR_TOKEN_NOT_PRESENT,
        0x8000_0001,
    ];
    match byte() {
        at @ 240.. => CODES[usize::from(at - 240)],
        _ => CKR_OK,
    }
}

/// Mostly `expected`.
fn length(expected: CK_ULONG) -> CK_ULONG {
    match byte() {
        255 => CK_ULONG::MAX,
        254 => CK_ULONG::MAX - 1,
        253 => 0xffff_ffff,
        252 => expected + 1,
        251 => expected.saturating_sub(1),
        250 => 0,
        249 => CK_ULONG::from(byte()) << 12,
        _ => expected,
    }
}

/// Fills the given room.
fn fill(room: &mut [u8]) {
    let value = byte();
    for (index, place) in room.iter_mut().enumerate() {
        *place = if index < 8 { byte() } else { value };
    }
}

macro_rules! only_code {
    ($($name:ident($($argument:ty),*);)*) => {
        $(unsafe extern "C" fn $name($(_: $argument),*) -> CK_RV { code() })*
    };
}

only_code! {
    C_Initialize(*mut c_void);
    C_Finalize(*mut c_void);
    C_CloseSession(CK_SESSION_HANDLE);
    C_Login(CK_SESSION_HANDLE, CK_USER_TYPE, *mut CK_BYTE, CK_ULONG);
    C_Logout(CK_SESSION_HANDLE);
    C_FindObjectsInit(CK_SESSION_HANDLE, *mut CK_ATTRIBUTE, CK_ULONG);
    C_FindObjectsFinal(CK_SESSION_HANDLE);
    C_SignInit(CK_SESSION_HANDLE, *mut CK_MECHANISM, CK_OBJECT_HANDLE);
}

unsafe extern "C" fn C_GetInfo(info: *mut CK_INFO) -> CK_RV {
    fill(unsafe { &mut (*info).manufacturerID });
    code()
}

unsafe extern "C" fn C_GetSlotList(_: CK_BBOOL, slots: *mut CK_SLOT_ID, count: *mut CK_ULONG) -> CK_RV {
    unsafe { list(slots, count, 1 + CK_ULONG::from(byte() % 3)) }
}

unsafe extern "C" fn C_GetMechanismList(
    _: CK_SLOT_ID,
    mechanisms: *mut CK_MECHANISM_TYPE,
    count: *mut CK_ULONG,
) -> CK_RV {
    unsafe { list(mechanisms, count, CK_ULONG::from(byte() % 8)) }
}

unsafe fn list(list: *mut CK_ULONG, count: *mut CK_ULONG, there: CK_ULONG) -> CK_RV {
    if !list.is_null() {
        let room = unsafe { slice::from_raw_parts_mut(list, *count as usize) };
        for place in room.iter_mut().take(there as usize) {
            *place = CK_ULONG::from(byte());
        }
    }
    unsafe { *count = length(there) };
    code()
}

unsafe extern "C" fn C_GetSlotInfo(_: CK_SLOT_ID, info: *mut CK_SLOT_INFO) -> CK_RV {
    fill(unsafe { &mut (*info).slotDescription });
    code()
}

unsafe extern "C" fn C_GetTokenInfo(_: CK_SLOT_ID, info: *mut CK_TOKEN_INFO) -> CK_RV {
    let info = unsafe { &mut *info };
    info.flags = CKF_TOKEN_INITIALIZED | CKF_LOGIN_REQUIRED | CKF_USER_PIN_INITIALIZED;
    if byte() > 200 {
        info.flags ^= CK_FLAGS::from(byte()) << (byte() % 24);
    }
    fill(&mut info.label);
    fill(&mut info.serialNumber);
    code()
}

unsafe extern "C" fn C_OpenSession(
    _: CK_SLOT_ID,
    _: CK_FLAGS,
    _: *mut c_void,
    _: CK_NOTIFY,
    session: *mut CK_SESSION_HANDLE,
) -> CK_RV {
    unsafe { *session = CK_ULONG::from(byte()) };
    code()
}

unsafe extern "C" fn C_FindObjects(
    _: CK_SESSION_HANDLE,
    objects: *mut CK_OBJECT_HANDLE,
    room: CK_ULONG,
    count: *mut CK_ULONG,
) -> CK_RV {
    let there = CK_ULONG::from(byte() % 4).min(room);
    for place in unsafe { slice::from_raw_parts_mut(objects, there as usize) } {
        *place = CK_ULONG::from(byte());
    }
    unsafe { *count = length(there) };
    code()
}

unsafe extern "C" fn C_GetAttributeValue(
    _: CK_SESSION_HANDLE,
    _: CK_OBJECT_HANDLE,
    template: *mut CK_ATTRIBUTE,
    count: CK_ULONG,
) -> CK_RV {
    for attribute in unsafe { slice::from_raw_parts_mut(template, count as usize) } {
        let value: Vec<u8> = match attribute.type_ {
            CKA_KEY_TYPE if byte() < 200 => CKK_RSA.to_ne_bytes().to_vec(),
            CKA_MODULUS => [&[0x80 | byte()], &[byte() | 1; 255][..]].concat(),
            CKA_PUBLIC_EXPONENT => vec![1, 0, 1],
            CKA_SENSITIVE | CKA_SIGN | CKA_LOCAL if byte() < 200 => vec![1],
            CKA_EXTRACTABLE if byte() < 200 => vec![0],
            _ => (0..byte() % 16).map(|_| byte()).collect(),
        };
        if !attribute.pValue.is_null() {
            let room = unsafe {
                slice::from_raw_parts_mut(attribute.pValue.cast::<u8>(), attribute.ulValueLen as usize)
            };
            for (place, byte) in room.iter_mut().zip(&value) {
                *place = *byte;
            }
        }
        attribute.ulValueLen = length(value.len() as CK_ULONG);
    }
    code()
}

unsafe extern "C" fn C_Sign(
    _: CK_SESSION_HANDLE,
    _: *mut CK_BYTE,
    _: CK_ULONG,
    signature: *mut CK_BYTE,
    room: *mut CK_ULONG,
) -> CK_RV {
    let there = unsafe { *room };
    if !signature.is_null() {
        fill(unsafe { slice::from_raw_parts_mut(signature, there as usize) });
    }
    unsafe { *room = length(there) };
    code()
}

static LIST: CK_FUNCTION_LIST = CK_FUNCTION_LIST {
    C_Initialize: Some(C_Initialize),
    C_Finalize: Some(C_Finalize),
    C_GetInfo: Some(C_GetInfo),
    C_GetSlotList: Some(C_GetSlotList),
    C_GetSlotInfo: Some(C_GetSlotInfo),
    C_GetTokenInfo: Some(C_GetTokenInfo),
    C_GetMechanismList: Some(C_GetMechanismList),
    C_OpenSession: Some(C_OpenSession),
    C_CloseSession: Some(C_CloseSession),
    C_Login: Some(C_Login),
    C_Logout: Some(C_Logout),
    C_FindObjectsInit: Some(C_FindObjectsInit),
    C_FindObjects: Some(C_FindObjects),
    C_FindObjectsFinal: Some(C_FindObjectsFinal),
    C_GetAttributeValue: Some(C_GetAttributeValue),
    C_SignInit: Some(C_SignInit),
    C_Sign: Some(C_Sign),
    // All other functions are missing.
    ..unsafe { std::mem::zeroed() }
};

fuzz_target!(|bytes: &[u8]| {
    INPUT.set(Input { bytes: bytes.to_vec(), at: 0 });
    let signs = byte() % 2 == 0;
    let Some(modules) = (unsafe { fuzzing::module_of(&LIST) }) else { return };
    let login = LoginOptions {
        pin_source: Some(PinSource::Value("123456".to_owned().into())),
        use_last_try: false,
        user_type: UserType::User,
        memory: LoginMemory::default(),
    };
    if !signs {
        let _ = inventory(&modules, &Uri::default(), Some(&login), &mut |_| {});
        return;
    }
    let request = KeyRequest { uris: Vec::new(), policy: Policy::ANY_KEY, certificate: None };
    let Ok(chosen) = choose(&modules, &request) else { return };
    let Ok(open) = chosen.log_in(&login, &mut |_| {}) else { return };
    let Ok(mut key) = open.signing_key(Policy::ANY_KEY) else { return };
    let payload = Payload::Message { hash: Hash::Sha256, bytes: b"what is signed".to_vec() };
    let mechanisms = [Mechanism::ShaRsaPkcs(Hash::Sha256), Mechanism::RsaPkcs];
    if let Ok((signature, _)) = key.sign(&payload, &mechanisms) {
        key.verifier().verify(&payload, &signature).expect("a signature that is returned verifies");
    }
});
