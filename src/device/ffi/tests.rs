//! This layer with function lists that answer as no module should.

#![allow(non_snake_case, clippy::undocumented_unsafe_blocks)]

use std::cell::RefCell;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use cryptoki::mechanism::Mechanism;
use cryptoki::object::{Attribute, AttributeType};
use cryptoki_sys::*;

use super::{Functions, RawSession};
use crate::device::call::CallError;

/// How the module of this thread's test behaves.
#[derive(Default)]
struct Script {
    /// The answers to C_FindObjects: the code, the handles, and how many the module claims to return.
    batches: Vec<(CK_RV, Vec<CK_OBJECT_HANDLE>, CK_ULONG)>,
    /// The answers to each C_Sign: the code and the length.
    signs: Vec<(CK_RV, CK_ULONG)>,
    /// The lengths that C_GetAttributeValue returns, when asked for the length and when for the value; and
    /// the code.
    lengths: (CK_ULONG, CK_ULONG),
    attribute_code: CK_RV,
    /// The number of slots that C_GetSlotList reports.
    slots: CK_ULONG,
    calls: Vec<String>,
}

thread_local! {
    static SCRIPT: RefCell<Script> = RefCell::default();
}

fn with<T>(work: impl FnOnce(&mut Script) -> T) -> T {
    SCRIPT.with_borrow_mut(work)
}

unsafe extern "C" fn C_OpenSession(
    _: CK_SLOT_ID,
    _: CK_FLAGS,
    _: *mut std::ffi::c_void,
    _: CK_NOTIFY,
    session: *mut CK_SESSION_HANDLE,
) -> CK_RV {
    unsafe { *session = 1 };
    CKR_OK
}

unsafe extern "C" fn C_CloseSession(_: CK_SESSION_HANDLE) -> CK_RV {
    with(|script| script.calls.push("close".into()));
    CKR_OK
}

unsafe extern "C" fn C_FindObjectsInit(_: CK_SESSION_HANDLE, _: *mut CK_ATTRIBUTE, _: CK_ULONG) -> CK_RV {
    CKR_OK
}

unsafe extern "C" fn C_FindObjects(
    _: CK_SESSION_HANDLE,
    objects: *mut CK_OBJECT_HANDLE,
    room: CK_ULONG,
    count: *mut CK_ULONG,
) -> CK_RV {
    with(|script| {
        let (code, handles, says) = match script.batches.len() {
            0 => (CKR_OK, Vec::new(), 0),
            // The last one is repeated forever.
            1 => script.batches[0].clone(),
            _ => script.batches.remove(0),
        };
        for (index, handle) in handles.iter().take(room as usize).enumerate() {
            unsafe { *objects.add(index) = *handle };
        }
        unsafe { *count = says };
        code
    })
}

unsafe extern "C" fn C_FindObjectsFinal(_: CK_SESSION_HANDLE) -> CK_RV {
    with(|script| script.calls.push("final".into()));
    CKR_OK
}

unsafe extern "C" fn C_Sign(
    _: CK_SESSION_HANDLE,
    _: *mut CK_BYTE,
    _: CK_ULONG,
    signature: *mut CK_BYTE,
    length: *mut CK_ULONG,
) -> CK_RV {
    with(|script| {
        let room = unsafe { *length };
        script.calls.push(if signature.is_null() { "asked".into() } else { format!("sign {room}") });
        let (code, says) = script.signs.remove(0);
        unsafe { *length = says };
        code
    })
}

unsafe extern "C" fn C_GetAttributeValue(
    _: CK_SESSION_HANDLE,
    _: CK_OBJECT_HANDLE,
    template: *mut CK_ATTRIBUTE,
    count: CK_ULONG,
) -> CK_RV {
    with(|script| {
        for attribute in unsafe { std::slice::from_raw_parts_mut(template, count as usize) } {
            let (asked, read) = script.lengths;
            attribute.ulValueLen = if attribute.pValue.is_null() { asked } else { read };
        }
        script.attribute_code
    })
}

unsafe extern "C" fn C_GetSlotList(_: CK_BBOOL, _: *mut CK_SLOT_ID, count: *mut CK_ULONG) -> CK_RV {
    with(|script| unsafe { *count = script.slots });
    CKR_OK
}

fn functions() -> Functions {
    let list = CK_FUNCTION_LIST {
        C_OpenSession: Some(C_OpenSession),
        C_CloseSession: Some(C_CloseSession),
        C_FindObjectsInit: Some(C_FindObjectsInit),
        C_FindObjects: Some(C_FindObjects),
        C_FindObjectsFinal: Some(C_FindObjectsFinal),
        C_Sign: Some(C_Sign),
        C_GetAttributeValue: Some(C_GetAttributeValue),
        C_GetSlotList: Some(C_GetSlotList),
        ..CK_FUNCTION_LIST::default()
    };
    unsafe { Functions::new(Box::leak(Box::new(list))) }.unwrap()
}

fn session(script: Script) -> RawSession {
    with(|own| *own = script);
    functions().open_session(cryptoki::slot::Slot::try_from(1_u64).unwrap(), false).unwrap()
}

fn found(batches: &[(CK_RV, &[CK_OBJECT_HANDLE], CK_ULONG)]) -> Result<Vec<CK_OBJECT_HANDLE>, CallError> {
    let batches = batches.iter().map(|(code, handles, says)| (*code, handles.to_vec(), *says)).collect();
    let session = session(Script { batches, ..Script::default() });
    let found = session.find(&[Attribute::Token(true)]);
    assert!(with(|script| script.calls.contains(&"final".into())), "the search goes on");
    Ok(found?.iter().map(|object| object.handle()).collect())
}

#[test]
fn a_search_continues_until_nothing_is_returned() {
    let one_by_one: [(CK_RV, &[CK_OBJECT_HANDLE], CK_ULONG); 4] =
        [(CKR_OK, &[5], 1), (CKR_OK, &[7], 1), (CKR_OK, &[9, 5], 2), (CKR_OK, &[], 0)];
    assert_eq!(found(&one_by_one).unwrap(), [5, 7, 9]);
    let ended_by_itself: [(CK_RV, &[CK_OBJECT_HANDLE], CK_ULONG); 2] =
        [(CKR_OK, &[5], 1), (CKR_OPERATION_NOT_INITIALIZED, &[], 0)];
    assert_eq!(found(&ended_by_itself).unwrap(), [5]);
}

#[test]
fn an_impossible_search_result_is_an_error() {
    let most = format!("the module counts {} objects", CK_ULONG::MAX);
    for (batch, says) in [
        ((CKR_OPERATION_NOT_INITIALIZED, &[][..], 0), "C_FindObjects said CKR_OPERATION_NOT_INITIALIZED"),
        ((CKR_OK, &[5][..], 1), "the module gives 1 objects again and again"),
        ((CKR_OK, &[][..], 0xffff_ffff), "the module counts 4294967295 objects"),
        ((CKR_OK, &[][..], CK_ULONG::MAX), most.as_str()),
    ] {
        let error = found(&[batch]).unwrap_err().to_string();
        assert!(error.contains(says), "{error}");
    }
}

fn signed(signs: &[(CK_RV, CK_ULONG)]) -> (Result<usize, String>, Vec<String>) {
    let session = session(Script { signs: signs.to_vec(), ..Script::default() });
    let result =
        session.sign(b"data", 256).map(|signature| signature.len()).map_err(|error| error.to_string());
    (result, with(|script| std::mem::take(&mut script.calls)))
}

#[test]
fn a_signature_is_one_call_and_one_more_if_the_module_needs_more_room() {
    assert_eq!(signed(&[(CKR_OK, 256)]), (Ok(256), vec!["sign 256".to_owned()]));
    assert_eq!(signed(&[(CKR_OK, 128)]).0, Ok(128));
    let (result, calls) = signed(&[(CKR_BUFFER_TOO_SMALL, 512), (CKR_OK, 384)]);
    assert_eq!((result, calls), (Ok(384), vec!["sign 256".to_owned(), "sign 512".to_owned()]));
}

#[test]
fn an_impossible_signature_length_is_an_error() {
    for signs in [
        &[(CKR_BUFFER_TOO_SMALL, 256)][..],
        &[(CKR_BUFFER_TOO_SMALL, 0)],
        &[(CKR_BUFFER_TOO_SMALL, CK_ULONG::MAX)],
        &[(CKR_BUFFER_TOO_SMALL, 512), (CKR_BUFFER_TOO_SMALL, 1024)],
        &[(CKR_OK, 257)],
        &[(CKR_OK, 0xffff_ffff)],
        &[(CKR_BUFFER_TOO_SMALL, 512), (CKR_OK, CK_ULONG::MAX)],
    ] {
        assert!(signed(signs).0.is_err(), "{signs:x?}");
    }
}

fn read(lengths: (CK_ULONG, CK_ULONG), attribute_code: CK_RV, wanted: AttributeType) -> Option<Attribute> {
    let session = session(Script {
        batches: vec![(CKR_OK, vec![5], 1), (CKR_OK, Vec::new(), 0)],
        lengths,
        attribute_code,
        ..Script::default()
    });
    let object = session.find(&[]).unwrap()[0];
    session.attributes(object, &[wanted]).unwrap().pop()
}

#[test]
fn a_value_of_impossible_length_is_unknown() {
    let id = |lengths| read(lengths, CKR_OK, AttributeType::Id);
    assert_eq!(id((2, 2)), Some(Attribute::Id(vec![0xaa; 2])));
    assert_eq!(id((2, 1)), Some(Attribute::Id(vec![0xaa; 1])));
    assert_eq!(id((0, 0)), Some(Attribute::Id(Vec::new())));
    for absurd in [(0xffff_ffff, 0), (CK_ULONG::MAX - 1, 0), (CK_ULONG::MAX, 0), (2, 3), (2, CK_ULONG::MAX)] {
        assert_eq!(id(absurd), None, "{absurd:x?}");
    }
    for absurd in [0, 8, CK_ULONG::MAX] {
        assert_eq!(read((absurd, absurd), CKR_OK, AttributeType::Sensitive), None, "{absurd:x}");
    }
}

#[test]
fn a_value_that_was_not_given_is_unknown_even_if_its_length_says_otherwise() {
    for code in [CKR_ATTRIBUTE_SENSITIVE, CKR_ATTRIBUTE_TYPE_INVALID, CKR_BUFFER_TOO_SMALL] {
        assert_eq!(read((1, 1), code, AttributeType::Sensitive), None);
        assert_eq!(read((2, 2), code, AttributeType::Id), None);
        assert_eq!(read((0, 0), code, AttributeType::Id), None);
    }
}

#[test]
fn an_impossible_slot_count_is_an_error() {
    for slots in [0xffff_ffff, CK_ULONG::MAX] {
        with(|script| script.slots = slots);
        assert!(functions().slots_with_token().unwrap_err().to_string().contains("counts"));
    }
}

#[test]
fn a_function_that_the_module_does_not_have_is_an_error() {
    let session = session(Script::default());
    let key = session.find(&[]).map(|_| ()).and_then(|()| session.create_object(&[]));
    assert!(key.unwrap_err().to_string().contains("C_CreateObject"));
    with(|script| script.batches = vec![(CKR_OK, vec![5], 1), (CKR_OK, Vec::new(), 0)]);
    let key = session.find(&[]).unwrap()[0];
    let error = session.sign_init(&Mechanism::RsaPkcs, key).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the answer to C_SignInit cannot be used: the module does not have this function"
    );
}

#[test]
fn a_session_is_closed_once() {
    session(Script::default()).close().unwrap();
    assert_eq!(with(|script| std::mem::take(&mut script.calls)), ["close"]);
    drop(session(Script::default()));
    assert_eq!(with(|script| std::mem::take(&mut script.calls)), ["close"]);
}

/// A module that only starts without locks, called by several threads.
mod without_locks {
    use super::*;

    static STARTED: AtomicUsize = AtomicUsize::new(0);
    static IN_A_CALL: AtomicBool = AtomicBool::new(false);
    static COLLIDED: AtomicBool = AtomicBool::new(false);

    unsafe extern "C" fn C_Initialize(arguments: *mut std::ffi::c_void) -> CK_RV {
        STARTED.fetch_add(1, Ordering::SeqCst);
        let flags = unsafe { (*arguments.cast::<CK_C_INITIALIZE_ARGS>()).flags };
        if flags & CKF_OS_LOCKING_OK != 0 { CKR_CANT_LOCK } else { CKR_OK }
    }

    unsafe extern "C" fn C_GetInfo(_: *mut CK_INFO) -> CK_RV {
        if IN_A_CALL.swap(true, Ordering::SeqCst) {
            COLLIDED.store(true, Ordering::SeqCst);
        }
        std::thread::sleep(Duration::from_millis(5));
        IN_A_CALL.store(false, Ordering::SeqCst);
        CKR_OK
    }

    #[test]
    fn a_module_that_cannot_lock_is_started_without_and_called_by_one_thread_at_a_time() {
        let list = CK_FUNCTION_LIST {
            C_Initialize: Some(C_Initialize),
            C_GetInfo: Some(C_GetInfo),
            ..CK_FUNCTION_LIST::default()
        };
        let functions = unsafe { Functions::new(Box::leak(Box::new(list))) }.unwrap();
        functions.initialize(None).unwrap();
        assert_eq!(STARTED.load(Ordering::SeqCst), 2);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                let functions = functions.clone();
                scope.spawn(move || functions.info().map(|_| ()).unwrap());
            }
        });
        assert!(!COLLIDED.load(Ordering::SeqCst), "two threads were in it at once");
    }
}
