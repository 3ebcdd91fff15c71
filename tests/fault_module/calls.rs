//! The calls, with their faults.

use std::cell::Cell;
use std::io::Write;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use cryptoki_sys::*;

use crate::faults::{Fault, alone, faults_of, gone, log, pull_out, rules_of};
use crate::real;

/// The call with the faults that are the same for all calls. `own` looks at the others; a code from it is the answer.
fn pass(
    call: &'static str,
    detail: &str,
    mut own: impl FnMut(&Fault) -> Option<CK_RV>,
    next: impl FnOnce() -> CK_RV,
) -> CK_RV {
    alone(|| {
        for fault in faults_of(call, detail) {
            match fault {
                Fault::Code(code) => return *code,
                Fault::Delay(time) => std::thread::sleep(*time),
                Fault::Gone(code) => pull_out(*code),
                Fault::Print(text) => print(text),
                Fault::Warn(text) => writeln!(std::io::stderr(), "{text}").expect("stderr is written"),
                Fault::Exit(code) => std::process::exit(*code),
                Fault::Quit(code) => unsafe { _exit(*code) },
                Fault::Abort => std::process::abort(),
                Fault::Crash => unsafe { std::ptr::null_mut::<u8>().write_volatile(1) },
                fault => {
                    if let Some(code) = own(fault) {
                        return code;
                    }
                }
            }
        }
        // What a module does without its device: it can be asked for slots, and be ended.
        match gone() {
            Some(code) if !["C_GetSlotList", "C_Finalize", "C_GetInfo"].contains(&call) => code,
            _ => next(),
        }
    })
}

unsafe extern "C" {
    fn _exit(code: std::ffi::c_int) -> !;
    fn puts(text: *const std::ffi::c_char) -> std::ffi::c_int;
}

/// Once at once, and once as C libraries do, which write to a pipe when the program ends.
fn print(text: &str) {
    let at_once = std::fs::File::options().write(true).open("/proc/self/fd/1");
    at_once
        .and_then(|mut stdout| stdout.write_all(format!("{text}\n").as_bytes()))
        .expect("stdout is written");
    let text = std::ffi::CString::new(text).expect("no NUL");
    unsafe { puts(text.as_ptr()) };
}

macro_rules! pass {
    ($($name:ident($($argument:ident: $type:ty),*);)*) => {
        $(unsafe extern "C" fn $name($($argument: $type),*) -> CK_RV {
            pass(stringify!($name), "", |_| None, || unsafe { (real().$name.unwrap())($($argument),*) })
        })*
        /// Puts the calls of this module into a function list.
        pub fn replace(list: &mut CK_FUNCTION_LIST) {
            $(list.$name = Some($name);)*
            list.C_Initialize = Some(C_Initialize);
            list.C_FindObjectsInit = Some(C_FindObjectsInit);
            list.C_FindObjects = Some(C_FindObjects);
            list.C_GetSlotList = Some(C_GetSlotList);
            list.C_GetTokenInfo = Some(C_GetTokenInfo);
            list.C_GetMechanismList = Some(C_GetMechanismList);
            list.C_OpenSession = Some(C_OpenSession);
            list.C_Login = Some(C_Login);
            list.C_Sign = Some(C_Sign);
            list.C_GenerateKeyPair = Some(C_GenerateKeyPair);
            list.C_CreateObject = Some(C_CreateObject);
            list.C_GetAttributeValue = Some(C_GetAttributeValue);
        }
    };
}

pass! {
    C_Finalize(reserved: CK_VOID_PTR);
    C_GetInfo(info: CK_INFO_PTR);
    C_GetSlotInfo(slot: CK_SLOT_ID, info: CK_SLOT_INFO_PTR);
    C_CloseSession(session: CK_SESSION_HANDLE);
    C_Logout(session: CK_SESSION_HANDLE);
    C_FindObjectsFinal(session: CK_SESSION_HANDLE);
    C_SignInit(session: CK_SESSION_HANDLE, mechanism: CK_MECHANISM_PTR, key: CK_OBJECT_HANDLE);
    C_DestroyObject(session: CK_SESSION_HANDLE, object: CK_OBJECT_HANDLE);
}

unsafe extern "C" fn C_Initialize(arguments: CK_VOID_PTR) -> CK_RV {
    let own = |fault: &Fault| match fault {
        Fault::CannotLock => {
            let arguments = unsafe { arguments.cast::<CK_C_INITIALIZE_ARGS>().as_ref() };
            arguments
                .is_some_and(|arguments| arguments.flags & CKF_OS_LOCKING_OK != 0)
                .then_some(CKR_CANT_LOCK)
        }
        _ => None,
    };
    pass("C_Initialize", "", own, || unsafe { (real().C_Initialize.unwrap())(arguments) })
}

/// What of a module's own function this answers for, where it has one at all.
pub fn get_interface(next: impl FnOnce() -> CK_RV) -> CK_RV {
    pass("C_GetInterface", "", |_| None, next)
}

unsafe extern "C" fn C_FindObjectsInit(
    session: CK_SESSION_HANDLE,
    template: CK_ATTRIBUTE_PTR,
    count: CK_ULONG,
) -> CK_RV {
    let own = |fault: &Fault| match fault {
        Fault::Unknown(unknown) if count > 0 => {
            let template = unsafe { std::slice::from_raw_parts(template, count as usize) };
            let has_it = template.iter().any(|attribute| attribute.type_ == *unknown);
            has_it.then_some(CKR_ATTRIBUTE_TYPE_INVALID)
        }
        _ => None,
    };
    let next = || unsafe { (real().C_FindObjectsInit.unwrap())(session, template, count) };
    pass("C_FindObjectsInit", "", own, next)
}

unsafe extern "C" fn C_FindObjects(
    session: CK_SESSION_HANDLE,
    objects: CK_OBJECT_HANDLE_PTR,
    max: CK_ULONG,
    count: CK_ULONG_PTR,
) -> CK_RV {
    static FIRST: AtomicU64 = AtomicU64::new(0);
    let (mut room, mut again) = (max, false);
    let own = |fault: &Fault| {
        match fault {
            Fault::Few(few) => room = room.min(*few),
            Fault::Again => again = true,
            _ => {}
        }
        None
    };
    // `own` has run before this is made.
    let code = pass("C_FindObjects", "", own, || CKR_OK);
    if code != CKR_OK {
        return code;
    }
    let code = alone(|| unsafe { (real().C_FindObjects.unwrap())(session, objects, room, count) });
    if again && code == CKR_OK {
        unsafe {
            if *count > 0 {
                FIRST.store(*objects, Ordering::SeqCst);
            }
            *objects = FIRST.load(Ordering::SeqCst);
            *count = 1;
        }
    }
    code
}

unsafe extern "C" fn C_GetSlotList(present: CK_BBOOL, slots: CK_SLOT_ID_PTR, count: CK_ULONG_PTR) -> CK_RV {
    static IS_THERE: AtomicBool = AtomicBool::new(false);
    let real = |slots, count| unsafe { (real().C_GetSlotList.unwrap())(present, slots, count) };
    let (mut all, room) = (0, unsafe { *count });
    let (only, none) = (Cell::new(None), Cell::new(false));
    let own = |fault: &Fault| match fault {
        Fault::Only(index) => {
            only.set(Some(*index));
            None
        }
        Fault::NoSlots => {
            none.set(true);
            None
        }
        Fault::Appears if !IS_THERE.swap(true, Ordering::SeqCst) => {
            let code = real(std::ptr::null_mut(), &mut all);
            unsafe { *count = all - 1 };
            Some(code)
        }
        Fault::Appears if !slots.is_null() => {
            let code = real(std::ptr::null_mut(), &mut all);
            (code == CKR_OK && all > room).then_some(CKR_BUFFER_TOO_SMALL)
        }
        _ => None,
    };
    let next = || {
        if gone().is_some() || none.get() {
            unsafe { *count = 0 };
            return CKR_OK;
        }
        if let Some(index) = only.get() {
            let (mut list, mut length) = ([0; 16], 16);
            let code = real(list.as_mut_ptr(), &mut length);
            if code == CKR_OK && !slots.is_null() {
                unsafe { *slots = list[index] };
            }
            unsafe { *count = 1 };
            return code;
        }
        real(slots, count)
    };
    pass("C_GetSlotList", "", own, next)
}

unsafe extern "C" fn C_GetTokenInfo(slot: CK_SLOT_ID, info: CK_TOKEN_INFO_PTR) -> CK_RV {
    let (mut added, mut removed, mut clock, mut store) = (0, 0, false, false);
    let (mut label, mut zeros) = (None, false);
    let own = |fault: &Fault| {
        match fault {
            Fault::Flags(flags) => added |= flags,
            Fault::NoFlags(flags) => removed |= flags,
            Fault::Clock => clock = true,
            Fault::Store => store = true,
            Fault::Zeros => zeros = true,
            Fault::Label(bytes) => label = Some(bytes.clone()),
            _ => {}
        }
        None
    };
    let code = pass("C_GetTokenInfo", "", own, || unsafe { (real().C_GetTokenInfo.unwrap())(slot, info) });
    if code == CKR_OK {
        unsafe {
            (*info).flags = ((*info).flags | added) & !removed;
            if store && (*info).label.starts_with(b"store") {
                (*info).flags &= !CKF_LOGIN_REQUIRED;
            }
            if zeros {
                (*info).serialNumber = [b'0'; 16];
            }
            if let Some(label) = &label {
                let mut field = [b' '; 32];
                field[..label.len()].copy_from_slice(label);
                (*info).label = field;
            }
            if clock {
                (*info).flags |= CKF_CLOCK_ON_TOKEN;
                (*info).utcTime = *b"no time at all !";
            }
        }
    }
    code
}

unsafe extern "C" fn C_GetMechanismList(
    slot: CK_SLOT_ID,
    list: CK_MECHANISM_TYPE_PTR,
    count: CK_ULONG_PTR,
) -> CK_RV {
    let mut hidden = Vec::new();
    let own = |fault: &Fault| {
        if let Fault::HideMechanism(mechanism) = fault {
            hidden.push(*mechanism);
        }
        None
    };
    let next = || unsafe { (real().C_GetMechanismList.unwrap())(slot, list, count) };
    let code = pass("C_GetMechanismList", "", own, next);
    if code == CKR_OK && !list.is_null() {
        let all = unsafe { std::slice::from_raw_parts_mut(list, *count as usize) };
        let kept: Vec<_> = all.iter().copied().filter(|mechanism| !hidden.contains(mechanism)).collect();
        all[..kept.len()].copy_from_slice(&kept);
        unsafe { *count = kept.len() as CK_ULONG };
    }
    code
}

unsafe extern "C" fn C_OpenSession(
    slot: CK_SLOT_ID,
    flags: CK_FLAGS,
    application: CK_VOID_PTR,
    notify: CK_NOTIFY,
    session: CK_SESSION_HANDLE_PTR,
) -> CK_RV {
    let writes = flags & CKF_RW_SESSION != 0;
    let own = |fault: &Fault| match fault {
        Fault::ReadOnly(code) if !writes => Some(*code),
        Fault::ReadWrite(code) if writes => Some(*code),
        _ => None,
    };
    let next = || unsafe { (real().C_OpenSession.unwrap())(slot, flags, application, notify, session) };
    pass("C_OpenSession", if writes { " read-write" } else { " read-only" }, own, next)
}

/// Whether the user has logged in since the last signature.
static NEW_LOGIN: AtomicBool = AtomicBool::new(false);

unsafe extern "C" fn C_Login(
    session: CK_SESSION_HANDLE,
    user: CK_USER_TYPE,
    pin: CK_UTF8CHAR_PTR,
    length: CK_ULONG,
) -> CK_RV {
    let (mut as_user, mut pad) = (user, false);
    let own = |fault: &Fault| {
        match fault {
            Fault::OnlyUser(only) if *only == user => as_user = CKU_USER,
            Fault::OnlyUser(_) if user != CKU_CONTEXT_SPECIFIC => return Some(CKR_USER_TYPE_INVALID),
            Fault::Pad if pin.is_null() => pad = true,
            Fault::Pad => return Some(CKR_ARGUMENTS_BAD),
            _ => {}
        }
        None
    };
    let detail = if user == CKU_CONTEXT_SPECIFIC { " context" } else { "" };
    // `own` has run before this is made.
    let login =
        |as_user, pin, length| alone(|| unsafe { (real().C_Login.unwrap())(session, as_user, pin, length) });
    let code = pass("C_Login", detail, own, || CKR_OK);
    if code != CKR_OK {
        return code;
    }
    NEW_LOGIN.store(user != CKU_CONTEXT_SPECIFIC, Ordering::SeqCst);
    if pad {
        let mut typed = std::env::var("FAULT_PAD_PIN").expect("FAULT_PAD_PIN").into_bytes();
        let length = typed.len() as CK_ULONG;
        return login(as_user, typed.as_mut_ptr(), length);
    }
    login(as_user, pin, length)
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
        log("C_Sign asked");
        let refuses = rules_of("C_Sign").any(|fault| matches!(fault, Fault::Once));
        return if refuses { CKR_ARGUMENTS_BAD } else { alone(next) };
    }
    let mut corrupt = false;
    let is_new_login = NEW_LOGIN.swap(false, Ordering::SeqCst);
    // Ends the operation, and throws the signature away.
    let refuse = |code| {
        unsafe { (real().C_Sign.unwrap())(session, data, length, signature, signature_length) };
        Some(code)
    };
    let own = |fault: &Fault| match fault {
        Fault::NewLogin if !is_new_login => refuse(CKR_USER_NOT_LOGGED_IN),
        Fault::Refuse(code) => refuse(*code),
        Fault::Room(room) if unsafe { *signature_length } < *room => {
            unsafe { *signature_length = *room };
            Some(CKR_BUFFER_TOO_SMALL)
        }
        Fault::Corrupt => {
            corrupt = true;
            None
        }
        Fault::Lost => {
            unsafe { (real().C_CloseSession.unwrap())(session) };
            Some(CKR_SESSION_HANDLE_INVALID)
        }
        _ => None,
    };
    let code = pass("C_Sign", "", own, next);
    if corrupt && code == CKR_OK {
        unsafe { *signature.add(100) ^= 1 };
    }
    code
}

unsafe extern "C" fn C_CreateObject(
    session: CK_SESSION_HANDLE,
    template: CK_ATTRIBUTE_PTR,
    count: CK_ULONG,
    object: CK_OBJECT_HANDLE_PTR,
) -> CK_RV {
    let attributes = unsafe { std::slice::from_raw_parts(template, count as usize) };
    let named = |attribute: &&CK_ATTRIBUTE| [CKA_CLASS, CKA_ID].contains(&attribute.type_);
    let mut name: Vec<CK_ATTRIBUTE> = attributes.iter().filter(named).copied().collect();
    let own = |fault: &Fault| match fault {
        // As on a YubiHSM 2: an id is the object's own, and has two bytes at most.
        Fault::OwnIds => {
            let id = name.iter().find(|attribute| attribute.type_ == CKA_ID)?;
            let is_taken = id.ulValueLen > 2 || unsafe { is_there(session, &mut name) };
            is_taken.then_some(CKR_ATTRIBUTE_VALUE_INVALID)
        }
        _ => None,
    };
    let next = || unsafe { (real().C_CreateObject.unwrap())(session, template, count, object) };
    pass("C_CreateObject", "", own, next)
}

/// Whether the real module has an object with these attributes.
unsafe fn is_there(session: CK_SESSION_HANDLE, attributes: &mut [CK_ATTRIBUTE]) -> bool {
    let (mut object, mut count) = (0, 0);
    unsafe {
        (real().C_FindObjectsInit.unwrap())(session, attributes.as_mut_ptr(), attributes.len() as CK_ULONG);
        (real().C_FindObjects.unwrap())(session, &mut object, 1, &mut count);
        (real().C_FindObjectsFinal.unwrap())(session);
    }
    count > 0
}

unsafe extern "C" fn C_GenerateKeyPair(
    session: CK_SESSION_HANDLE,
    mechanism: CK_MECHANISM_PTR,
    public: CK_ATTRIBUTE_PTR,
    public_count: CK_ULONG,
    private: CK_ATTRIBUTE_PTR,
    private_count: CK_ULONG,
    public_key: CK_OBJECT_HANDLE_PTR,
    private_key: CK_OBJECT_HANDLE_PTR,
) -> CK_RV {
    let [mut of_public, mut of_private] = [(public, public_count), (private, private_count)]
        .map(|(template, count)| unsafe { std::slice::from_raw_parts(template, count as usize) }.to_vec());
    let mut dropped = Vec::new();
    let own = |fault: &Fault| match fault {
        Fault::Drop(attribute) => {
            dropped.push(*attribute);
            None
        }
        Fault::Unknown(unknown) => {
            let has_it = of_public.iter().chain(&of_private).any(|attribute| attribute.type_ == *unknown);
            has_it.then_some(CKR_ATTRIBUTE_TYPE_INVALID)
        }
        _ => None,
    };
    let code = pass("C_GenerateKeyPair", "", own, || CKR_OK);
    if code != CKR_OK {
        return code;
    }
    for template in [&mut of_public, &mut of_private] {
        template.retain(|attribute| !dropped.contains(&attribute.type_));
    }
    alone(|| unsafe {
        (real().C_GenerateKeyPair.unwrap())(
            session,
            mechanism,
            of_public.as_mut_ptr(),
            of_public.len() as CK_ULONG,
            of_private.as_mut_ptr(),
            of_private.len() as CK_ULONG,
            public_key,
            private_key,
        )
    })
}

unsafe extern "C" fn C_GetAttributeValue(
    session: CK_SESSION_HANDLE,
    object: CK_OBJECT_HANDLE,
    template: CK_ATTRIBUTE_PTR,
    count: CK_ULONG,
) -> CK_RV {
    let attributes = unsafe { std::slice::from_raw_parts_mut(template, count as usize) };
    let room: Vec<CK_ULONG> = attributes.iter().map(|attribute| attribute.ulValueLen).collect();
    let (mut hidden, mut given, mut told) = (Vec::new(), Vec::new(), Vec::new());
    let mut lengths = Vec::new();
    let own = |fault: &Fault| {
        match fault {
            Fault::Hide(attribute) => hidden.push(*attribute),
            Fault::Give(attribute, value) => given.push((*attribute, value.clone())),
            Fault::Tell(attribute) => told.push(*attribute),
            Fault::Length(attribute, length) => lengths.push((*attribute, *length)),
            _ => {}
        }
        None
    };
    let next = || unsafe { (real().C_GetAttributeValue.unwrap())(session, object, template, count) };
    let mut code = pass("C_GetAttributeValue", "", own, next);
    for (attribute, room) in attributes.iter_mut().zip(room) {
        if told.contains(&attribute.type_) {
            tell(attribute);
        }
        if hidden.contains(&attribute.type_) && code == CKR_OK {
            attribute.ulValueLen = CK_UNAVAILABLE_INFORMATION;
            code = CKR_ATTRIBUTE_TYPE_INVALID;
        }
        if let Some((_, length)) = lengths.iter().find(|(wrong, _)| *wrong == attribute.type_) {
            attribute.ulValueLen = *length;
        }
        if let Some((_, value)) = given.iter().find(|(given, _)| *given == attribute.type_) {
            if !attribute.pValue.is_null() && room >= value.len() as CK_ULONG {
                unsafe {
                    std::ptr::copy_nonoverlapping(value.as_ptr(), attribute.pValue.cast(), value.len())
                };
            }
            attribute.ulValueLen = value.len() as CK_ULONG;
            if code == CKR_ATTRIBUTE_TYPE_INVALID {
                code = CKR_OK;
            }
        }
    }
    code
}

/// Logs what the module answered when it was asked for a value; it is also asked for lengths.
fn tell(attribute: &CK_ATTRIBUTE) {
    if attribute.ulValueLen == CK_UNAVAILABLE_INFORMATION {
        log(&format!("{:#x} is unknown", attribute.type_));
    } else if !attribute.pValue.is_null() {
        let (start, length) = (attribute.pValue.cast::<u8>(), attribute.ulValueLen as usize);
        let value = unsafe { std::slice::from_raw_parts(start, length) };
        let hex: String = value.iter().map(|byte| format!("{byte:02x}")).collect();
        log(&format!("{:#x}={hex}", attribute.type_));
    }
}
