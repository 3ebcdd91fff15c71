//! The calls in a session.

use std::cell::Cell;
use std::collections::HashSet;
use std::ptr;

use cryptoki::error::RvError;
use cryptoki::mechanism::Mechanism;
use cryptoki::object::{Attribute, AttributeType, ObjectHandle};
use cryptoki::session::UserType;
use cryptoki::slot::Slot;
use cryptoki_sys::{
    CK_ATTRIBUTE, CK_BYTE, CK_MECHANISM, CK_OBJECT_HANDLE, CK_SESSION_HANDLE, CK_ULONG,
    CK_UNAVAILABLE_INFORMATION, CKF_RW_SESSION, CKF_SERIAL_SESSION,
};

use super::functions::Functions;
use crate::device::call::CallError;

/// Room for this many handles in one C_FindObjects.
const HANDLES_AT_ONCE: usize = 32;
/// More objects than any device has.
const MOST_OBJECTS: usize = 1 << 20;
/// In bytes. Longer than any value that is read: certificates have a few thousand bytes.
const LONGEST_VALUE: CK_ULONG = 1 << 20;
/// In bytes. Longer than any signature: RSA-16384 has 2048.
const LONGEST_SIGNATURE: CK_ULONG = 16_384;
/// Fills a buffer before a module writes to it. Not a CK_BBOOL, nor a CK_ULONG of the standard.
const UNTOUCHED: u8 = 0xaa;

/// An open session, which is closed when it is dropped.
pub(in crate::device) struct RawSession {
    functions: Functions,
    handle: CK_SESSION_HANDLE,
    is_closed: Cell<bool>,
}

impl Functions {
    /// C_OpenSession.
    pub(in crate::device) fn open_session(&self, slot: Slot, writes: bool) -> Result<RawSession, CallError> {
        let flags = CKF_SERIAL_SESSION | if writes { CKF_RW_SESSION } else { 0 };
        let mut handle = 0;
        self.call("C_OpenSession", self.list().C_OpenSession, |call| {
            // SAFETY: `handle` is valid for the call; there is no callback, and so nothing to pass to one.
            unsafe { call(slot.into(), flags, ptr::null_mut(), None, &mut handle) }
        })?;
        Ok(RawSession { functions: self.clone(), handle, is_closed: Cell::new(false) })
    }
}

impl RawSession {
    /// C_Login. Without `pin`, the PIN is entered on the device itself.
    pub(in crate::device) fn login(&self, user: UserType, pin: Option<&str>) -> Result<(), CallError> {
        let (start, length) = pin.map_or((ptr::null(), 0), |pin| (pin.as_ptr(), pin.len()));
        self.functions.call("C_Login", self.functions.list().C_Login, |call| {
            // SAFETY: the PIN is valid for its length, or null. The module does not write to it, although the
            // standard's signature has no const.
            unsafe { call(self.handle, user.into(), start.cast_mut(), length as CK_ULONG) }
        })
    }

    /// C_Logout.
    pub(in crate::device) fn logout(&self) -> Result<(), CallError> {
        // SAFETY: the call takes nothing but the handle.
        self.functions.call("C_Logout", self.functions.list().C_Logout, |call| unsafe { call(self.handle) })
    }

    /// C_CloseSession.
    pub(in crate::device) fn close(self) -> Result<(), CallError> {
        self.close_once()
    }

    /// C_FindObjectsInit, C_FindObjects until it returns none, C_FindObjectsFinal.
    pub(in crate::device) fn find(&self, template: &[Attribute]) -> Result<Vec<ObjectHandle>, CallError> {
        let list = self.functions.list();
        let mut template: Vec<CK_ATTRIBUTE> = template.iter().map(Into::into).collect();
        self.functions.call("C_FindObjectsInit", list.C_FindObjectsInit, |call| {
            // SAFETY: the template is valid for its length, and so are the values that it points to.
            unsafe { call(self.handle, template.as_mut_ptr(), template.len() as CK_ULONG) }
        })?;
        let found = self.all_found();
        // Ends the search, whatever its result. SAFETY: the call takes nothing but the handle.
        let _ = self
            .functions
            .call("C_FindObjectsFinal", list.C_FindObjectsFinal, |call| unsafe { call(self.handle) });
        found
    }

    /// Those attributes that the module returns in a readable form.
    pub(in crate::device) fn attributes(
        &self,
        object: ObjectHandle,
        wanted: &[AttributeType],
    ) -> Result<Vec<Attribute>, CallError> {
        let mut values: Vec<Value> = wanted.iter().map(Value::asking).collect();
        self.get_values(object, &mut values.iter_mut().collect::<Vec<_>>())?;
        // For attributes of unknown length, only the length was requested.
        let mut unread: Vec<&mut Value> =
            values.iter_mut().filter(|value| matches!(value.state, State::Length(_))).collect();
        for value in &mut unread {
            value.make_room();
        }
        if !unread.is_empty() {
            self.get_values(object, &mut unread)?;
        }
        Ok(values.iter().filter_map(Value::read).collect())
    }

    /// C_SignInit.
    pub(in crate::device) fn sign_init(
        &self,
        mechanism: &Mechanism<'_>,
        key: ObjectHandle,
    ) -> Result<(), CallError> {
        let mut mechanism: CK_MECHANISM = mechanism.into();
        self.functions.call("C_SignInit", self.functions.list().C_SignInit, |call| {
            // SAFETY: the mechanism and its parameter, which is borrowed, are valid for the call.
            unsafe { call(self.handle, &mut mechanism, key.handle()) }
        })
    }

    /// C_Sign in one call, after C_SignInit, with room for `expected` bytes. The length is not requested: it
    /// is known, and modules refuse the request, end the operation, or answer wrongly. If more room is
    /// needed, it is provided once.
    pub(in crate::device) fn sign(&self, data: &[u8], expected: usize) -> Result<Vec<u8>, CallError> {
        let sign = |room: &mut Vec<CK_BYTE>| {
            let mut length = room.len() as CK_ULONG;
            let result = self.functions.call("C_Sign", self.functions.list().C_Sign, |call| {
                // SAFETY: data and room are valid for their lengths. The module does not write to its input,
                // although the standard's signature has no const.
                unsafe {
                    call(
                        self.handle,
                        data.as_ptr().cast_mut(),
                        data.len() as CK_ULONG,
                        room.as_mut_ptr(),
                        &mut length,
                    )
                }
            });
            (result, length)
        };
        let mut signature = vec![0; expected];
        let (mut result, mut length) = sign(&mut signature);
        if result.as_ref().is_err_and(|error| error.is(RvError::BufferTooSmall))
            && (expected as CK_ULONG + 1..=LONGEST_SIGNATURE).contains(&length)
        {
            signature.resize(length as usize, 0);
            (result, length) = sign(&mut signature);
        }
        result?;
        if length > signature.len() as CK_ULONG {
            let text =
                format!("the module says {length} bytes, where there was room for {}", signature.len());
            return Err(CallError::unusable("C_Sign", text));
        }
        signature.truncate(length as usize);
        Ok(signature)
    }

    /// C_GenerateKeyPair: the handles of the public and the private key.
    pub(in crate::device) fn generate_key_pair(
        &self,
        mechanism: &Mechanism<'_>,
        public: &[Attribute],
        private: &[Attribute],
    ) -> Result<(ObjectHandle, ObjectHandle), CallError> {
        let mut mechanism: CK_MECHANISM = mechanism.into();
        let mut public: Vec<CK_ATTRIBUTE> = public.iter().map(Into::into).collect();
        let mut private: Vec<CK_ATTRIBUTE> = private.iter().map(Into::into).collect();
        let (mut public_key, mut private_key) = (0, 0);
        self.functions.call("C_GenerateKeyPair", self.functions.list().C_GenerateKeyPair, |call| {
            // SAFETY: the mechanism, both templates with the values that they point to, and the handles are valid for the
            // call.
            unsafe {
                call(
                    self.handle,
                    &mut mechanism,
                    public.as_mut_ptr(),
                    public.len() as CK_ULONG,
                    private.as_mut_ptr(),
                    private.len() as CK_ULONG,
                    &mut public_key,
                    &mut private_key,
                )
            }
        })?;
        Ok((object(public_key), object(private_key)))
    }

    /// C_CreateObject.
    pub(in crate::device) fn create_object(&self, template: &[Attribute]) -> Result<ObjectHandle, CallError> {
        let mut template: Vec<CK_ATTRIBUTE> = template.iter().map(Into::into).collect();
        let mut handle = 0;
        self.functions.call("C_CreateObject", self.functions.list().C_CreateObject, |call| {
            // SAFETY: the template, with the values that it points to, and the handle are valid for the call.
            unsafe { call(self.handle, template.as_mut_ptr(), template.len() as CK_ULONG, &mut handle) }
        })?;
        Ok(object(handle))
    }

    /// C_DestroyObject.
    pub(in crate::device) fn destroy_object(&self, object: ObjectHandle) -> Result<(), CallError> {
        // SAFETY: the call takes nothing but handles.
        self.functions.call("C_DestroyObject", self.functions.list().C_DestroyObject, |call| unsafe {
            call(self.handle, object.handle())
        })
    }

    fn close_once(&self) -> Result<(), CallError> {
        if self.is_closed.replace(true) {
            return Ok(());
        }
        // SAFETY: the call takes nothing but the handle, which is not used any more.
        self.functions
            .call("C_CloseSession", self.functions.list().C_CloseSession, |call| unsafe { call(self.handle) })
    }

    /// Modules may return fewer handles than there is room for, and still have more.
    fn all_found(&self) -> Result<Vec<ObjectHandle>, CallError> {
        const FUNCTION: &str = "C_FindObjects";
        let mut all = Vec::new();
        let mut known = HashSet::new();
        loop {
            let mut handles: [CK_OBJECT_HANDLE; HANDLES_AT_ONCE] = [0; HANDLES_AT_ONCE];
            let mut count: CK_ULONG = 0;
            let result = self.functions.call(FUNCTION, self.functions.list().C_FindObjects, |call| {
                // SAFETY: `handles` has room for the given number, and `count` is valid for the call.
                unsafe { call(self.handle, handles.as_mut_ptr(), HANDLES_AT_ONCE as CK_ULONG, &mut count) }
            });
            match result {
                // The search ended by itself after the last object.
                Err(error) if error.is(RvError::OperationNotInitialized) && !all.is_empty() => {
                    return Ok(all);
                }
                result => result?,
            }
            let Some(batch) = handles.get(..count as usize) else {
                let text =
                    format!("the module counts {count} objects, where there was room for {HANDLES_AT_ONCE}");
                return Err(CallError::unusable(FUNCTION, text));
            };
            if batch.is_empty() {
                return Ok(all);
            }
            let before = known.len();
            all.extend(batch.iter().filter(|handle| known.insert(**handle)).map(|handle| object(*handle)));
            if known.len() == before || all.len() > MOST_OBJECTS {
                let text = format!("the module gives {} objects again and again", all.len());
                return Err(CallError::unusable(FUNCTION, text));
            }
        }
    }

    /// One C_GetAttributeValue.
    fn get_values(&self, object: ObjectHandle, values: &mut [&mut Value]) -> Result<(), CallError> {
        let mut template: Vec<CK_ATTRIBUTE> = values.iter_mut().map(|value| value.attribute()).collect();
        let result =
            self.functions.call("C_GetAttributeValue", self.functions.list().C_GetAttributeValue, |call| {
                // SAFETY: each attribute points to a buffer of its length, or to none, which asks for the length.
                unsafe {
                    call(self.handle, object.handle(), template.as_mut_ptr(), template.len() as CK_ULONG)
                }
            });
        // With these codes, the module returned the values that it could (PKCS#11 v2.40 section 5.7).
        let partly = [RvError::BufferTooSmall, RvError::AttributeSensitive, RvError::AttributeTypeInvalid];
        match &result {
            Err(error) if !error.is_one_of(&partly) => return result,
            _ => {}
        }
        for (value, attribute) in values.iter_mut().zip(&template) {
            value.answered(attribute.ulValueLen, result.is_ok());
        }
        Ok(())
    }
}

impl Drop for RawSession {
    fn drop(&mut self) {
        let _ = self.close_once();
    }
}

impl std::fmt::Debug for RawSession {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RawSession").field("handle", &self.handle).finish_non_exhaustive()
    }
}

/// The value of an attribute while it is being read.
struct Value {
    attribute_type: AttributeType,
    buffer: Vec<u8>,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// Its length is being requested.
    Asking,
    /// It has this length, in bytes.
    Length(CK_ULONG),
    /// It is being read into the buffer.
    Reading,
    /// The buffer holds it.
    Read,
    /// The module does not give it, or gives an impossible answer.
    Unknown,
}

impl Value {
    fn asking(attribute_type: &AttributeType) -> Self {
        let size = attribute_type.fixed_size();
        Value {
            attribute_type: *attribute_type,
            buffer: vec![UNTOUCHED; size.unwrap_or(0)],
            state: if size.is_some() { State::Reading } else { State::Asking },
        }
    }

    fn make_room(&mut self) {
        if let State::Length(length) = self.state {
            self.buffer = vec![UNTOUCHED; length as usize];
            self.state = State::Reading;
        }
    }

    fn attribute(&mut self) -> CK_ATTRIBUTE {
        let is_asking = self.state == State::Asking;
        CK_ATTRIBUTE {
            type_: self.attribute_type.into(),
            pValue: if is_asking { ptr::null_mut() } else { self.buffer.as_mut_ptr().cast() },
            ulValueLen: self.buffer.len() as CK_ULONG,
        }
    }

    /// Accepts the length that a module returned. `all` is whether the module claimed to have returned all
    /// values.
    fn answered(&mut self, length: CK_ULONG, all: bool) {
        let room = self.buffer.len() as CK_ULONG;
        // Some modules report that a value could not be returned, but not which.
        let is_untouched = !self.buffer.is_empty() && self.buffer.iter().all(|byte| *byte == UNTOUCHED);
        self.state = match self.state {
            _ if length == CK_UNAVAILABLE_INFORMATION => State::Unknown,
            State::Asking if length == 0 && all => State::Read,
            State::Asking if length == 0 => State::Unknown,
            State::Asking if length <= LONGEST_VALUE => State::Length(length),
            State::Reading if length <= room && (all || !is_untouched) => {
                self.buffer.truncate(length as usize);
                State::Read
            }
            _ => State::Unknown,
        };
    }

    fn read(&self) -> Option<Attribute> {
        if self.state != State::Read {
            return None;
        }
        let attribute = CK_ATTRIBUTE {
            type_: self.attribute_type.into(),
            pValue: self.buffer.as_ptr().cast_mut().cast(),
            ulValueLen: self.buffer.len() as CK_ULONG,
        };
        // Copies the value; the buffer has the stated length.
        Attribute::try_from(attribute).ok()
    }
}

fn object(handle: CK_OBJECT_HANDLE) -> ObjectHandle {
    // SAFETY: the module returned the handle, and refuses one that it does not know.
    unsafe { ObjectHandle::new_from_raw(handle) }
}
