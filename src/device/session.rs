//! A session with a device: the calls that are made in it, each of them pending while it has not returned.

use std::cell::Cell;
use std::sync::Arc;

use cryptoki::error::{Error, RvError};
use cryptoki::mechanism::Mechanism;
use cryptoki::object::{Attribute, AttributeType, ObjectHandle};
use cryptoki::session::{Session as Raw, UserType};

use super::call::CallError;
use super::ffi::SinglePart;
use super::watch::{self, WaitsFor};
use crate::pin::Pin;

/// An open session.
#[derive(Debug)]
pub(super) struct Session {
    raw: Raw,
    /// What the device is called.
    device: Arc<str>,
    /// Whether the user is logged in by this session's doing.
    logged_in: Cell<bool>,
}

/// What is to be signed, and how.
pub(super) struct SignJob<'a> {
    pub(super) mechanism: &'a Mechanism<'a>,
    pub(super) key: ObjectHandle,
    pub(super) data: &'a [u8],
    /// How long the signature will be.
    pub(super) signature_bytes: usize,
    pub(super) waits_for: WaitsFor,
}

impl Session {
    pub(super) fn new(raw: Raw, device: Arc<str>) -> Self {
        Session { raw, device, logged_in: Cell::new(false) }
    }

    /// C_Login. Without a PIN it is entered on the device itself.
    pub(super) fn login(&self, user: UserType, pin: Option<&Pin>) -> Result<(), CallError> {
        let waits_for = if pin.is_none() { WaitsFor::PinPad } else { WaitsFor::Device };
        let result = self.waiting(waits_for, "C_Login", || self.raw.login(user, pin.map(Pin::expose)));
        if result.is_ok() {
            self.logged_in.set(true);
        }
        result
    }

    /// Leaves the login to another session: there is one for all sessions of a program (PKCS#11 v2.40 section 2.6.8).
    pub(super) fn leave_logged_in(&self) {
        self.logged_in.set(false);
    }

    /// All objects that fit the template. The search has ended when this returns: modules allow one at a time.
    pub(super) fn find(&self, template: &[Attribute]) -> Result<Vec<ObjectHandle>, CallError> {
        self.during("C_FindObjects", || self.raw.find_objects(template))
    }

    /// Those of the attributes that the module gives. One that it cannot give must not cost the others: when the call for
    /// all of them fails, each is asked for alone.
    pub(super) fn attributes(&self, object: ObjectHandle, wanted: &[AttributeType]) -> Vec<Attribute> {
        let get = |wanted: &[AttributeType]| {
            self.during("C_GetAttributeValue", || self.raw.get_attributes(object, wanted)).ok()
        };
        get(wanted).unwrap_or_else(|| {
            wanted.iter().filter_map(|attribute| get(std::slice::from_ref(attribute))).flatten().collect()
        })
    }

    /// C_SignInit and C_Sign.
    pub(super) fn sign(&self, job: &SignJob<'_>) -> Result<Vec<u8>, CallError> {
        self.waiting(job.waits_for, "C_Sign", || self.raw.sign(job.mechanism, job.key, job.data))
    }

    /// C_SignInit, C_Login as CKU_CONTEXT_SPECIFIC, C_Sign, with nothing between (PKCS#11 v2.40 section 4.9). Without
    /// `single_part` in parts, which modules refuse for CKM_RSA_PKCS.
    pub(super) fn sign_with_pin(
        &self,
        job: &SignJob<'_>,
        pin: Option<&Pin>,
        single_part: Option<&SinglePart>,
    ) -> Result<Vec<u8>, CallError> {
        self.during("C_SignInit", || self.raw.sign_init(job.mechanism, job.key))?;
        if let Err(error) = self.login(UserType::ContextSpecific, pin)
            && !is_no_context_login(&error)
        {
            return Err(error);
        }
        self.waiting(job.waits_for, "C_Sign", || match single_part {
            Some(c_sign) => c_sign.sign(&self.raw, job.data, job.signature_bytes),
            None => {
                self.raw.sign_update(job.data)?;
                self.raw.sign_final()
            }
        })
    }

    /// C_GenerateKeyPair: the handles of the public and the private key.
    pub(super) fn generate(
        &self,
        mechanism: &Mechanism<'_>,
        public: &[Attribute],
        private: &[Attribute],
    ) -> Result<(ObjectHandle, ObjectHandle), CallError> {
        self.during("C_GenerateKeyPair", || self.raw.generate_key_pair(mechanism, public, private))
    }

    /// C_CreateObject.
    pub(super) fn create(&self, template: &[Attribute]) -> Result<ObjectHandle, CallError> {
        self.during("C_CreateObject", || self.raw.create_object(template))
    }

    /// C_DestroyObject.
    pub(super) fn destroy(&self, object: ObjectHandle) -> Result<(), CallError> {
        self.during("C_DestroyObject", || self.raw.destroy_object(object))
    }

    fn during<T>(
        &self,
        function: &'static str,
        call: impl FnOnce() -> Result<T, Error>,
    ) -> Result<T, CallError> {
        self.waiting(WaitsFor::Device, function, call)
    }

    fn waiting<T>(
        &self,
        waits_for: WaitsFor,
        function: &'static str,
        call: impl FnOnce() -> Result<T, Error>,
    ) -> Result<T, CallError> {
        watch::waiting(waits_for, function, &self.device, call).map_err(CallError::from)
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // Some middleware leaves the card open to others for a while when a session is merely closed.
        if self.logged_in.get() {
            let _ = self.during("C_Logout", || self.raw.logout());
        }
    }
}

/// What modules say that know no such login, or need none for this key. No PIN was looked at; the operation goes on, and
/// C_Sign decides.
fn is_no_context_login(error: &CallError) -> bool {
    let codes = [RvError::OperationNotInitialized, RvError::UserAlreadyLoggedIn, RvError::UserTypeInvalid];
    codes.into_iter().any(|code| error.is(code))
}
