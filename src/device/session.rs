//! A session with a device. Each call in it is recorded as pending until it returns.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use cryptoki::error::RvError;
use cryptoki::mechanism::Mechanism;
use cryptoki::object::{Attribute, AttributeType, ObjectHandle};
use cryptoki::session::UserType;
use secrecy::ExposeSecret;

use super::call::CallError;
use super::ffi::RawSession as Raw;
use super::module::Module;
use super::watch::{self, WaitsFor};
use crate::pin::Pin;

/// An open session.
#[derive(Debug)]
pub(super) struct Session {
    /// Taken when the session ends. A call that hangs takes it away, and leaves an error in its place.
    raw: RefCell<Result<Raw, CallError>>,
    module: Rc<Module>,
    /// The device's name.
    device: Arc<str>,
    /// Whether a login was attempted: its result must be reported before the device is released.
    login_tried: Cell<bool>,
    /// Whether this session logged the user in.
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

/// What a device answered to the PIN between C_SignInit and C_Sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ContextAnswer {
    /// It accepted the PIN.
    Taken,
    /// It has no such login, or does not need it for this key: it did not look at the PIN.
    Unknown,
    /// It refused, or was not asked.
    Refused,
}

impl Session {
    pub(super) fn new(raw: Raw, device: Arc<str>, module: Rc<Module>) -> Self {
        Session {
            raw: RefCell::new(Ok(raw)),
            module,
            device,
            login_tried: Cell::new(false),
            logged_in: Cell::new(false),
        }
    }

    /// C_Login. Without `pin`, the PIN is entered on the device itself.
    pub(super) fn login(&self, user: UserType, pin: Option<&Pin>) -> Result<(), CallError> {
        let waits_for = if pin.is_none() { WaitsFor::PinPad } else { WaitsFor::Device };
        self.login_tried.set(true);
        let result = self.waiting(waits_for, "C_Login", |raw| {
            raw.login(user, pin.map(|pin| pin.expose().expose_secret()))
        });
        if result.is_ok() {
            self.logged_in.set(true);
        }
        result
    }

    /// C_Logout.
    pub(super) fn logout(&self) -> Result<(), CallError> {
        let result = self.waiting(WaitsFor::Device, "C_Logout", Raw::logout);
        if result.is_ok() {
            self.logged_in.set(false);
        }
        result
    }

    /// Takes over the login of another session: all sessions of a program share one (PKCS#11 v2.40 section
    /// 2.6.8).
    pub(super) fn take_login_of(&self, other: &Session) {
        self.logged_in.set(self.logged_in.get() || other.logged_in.get());
        self.login_tried.set(true);
        other.logged_in.set(false);
        other.login_tried.set(false);
    }

    /// All objects that match the template. The search is over when this returns: modules allow one at a
    /// time. If the module can only search by class, the rest of the template is compared here.
    pub(super) fn find(&self, template: &[Attribute]) -> Result<Vec<ObjectHandle>, CallError> {
        let refusal = match self.search(template) {
            Err(error) if is_refused_template(&error) => error,
            result => return result,
        };
        let is_class = |attribute: &&Attribute| matches!(attribute, Attribute::Class(_));
        let (class, rest): (Vec<&Attribute>, Vec<&Attribute>) = template.iter().partition(is_class);
        if class.is_empty() || rest.is_empty() {
            return Err(refusal);
        }
        let class: Vec<Attribute> = class.into_iter().cloned().collect();
        let mut found = self.search(&class).map_err(|_| refusal)?;
        let types: Vec<AttributeType> = rest.iter().map(|attribute| attribute.attribute_type()).collect();
        found.retain(|object| {
            let says = self.attributes(*object, &types);
            rest.iter().all(|wanted| {
                says.iter().all(|said| said.attribute_type() != wanted.attribute_type() || said == *wanted)
            })
        });
        Ok(found)
    }

    /// The attributes that the module returns. One that it cannot return must not hide the others: if the
    /// call for all of them fails, each is requested separately.
    pub(super) fn attributes(&self, object: ObjectHandle, wanted: &[AttributeType]) -> Vec<Attribute> {
        let get = |wanted: &[AttributeType]| {
            let wanted = wanted.to_vec();
            self.during("C_GetAttributeValue", move |raw| raw.attributes(object, &wanted)).ok()
        };
        get(wanted).unwrap_or_else(|| {
            wanted.iter().filter_map(|attribute| get(std::slice::from_ref(attribute))).flatten().collect()
        })
    }

    /// C_SignInit and C_Sign.
    pub(super) fn sign(&self, job: &SignJob<'_>) -> Result<Vec<u8>, CallError> {
        self.waiting(job.waits_for, "C_Sign", |raw| {
            raw.sign_init(job.mechanism, job.key)?;
            raw.sign(job.data, job.signature_bytes)
        })
    }

    /// C_SignInit, C_Login as CKU_CONTEXT_SPECIFIC, C_Sign, with nothing in between (PKCS#11 v2.40 section
    /// 4.9).
    pub(super) fn sign_with_pin(
        &self,
        job: &SignJob<'_>,
        pin: Option<&Pin>,
    ) -> (ContextAnswer, Result<Vec<u8>, CallError>) {
        let begun = self.waiting(WaitsFor::Device, "C_SignInit", |raw| raw.sign_init(job.mechanism, job.key));
        if let Err(error) = begun {
            return (ContextAnswer::Refused, Err(error));
        }
        let answer = match self.login(UserType::ContextSpecific, pin) {
            Ok(()) => ContextAnswer::Taken,
            // The operation continues, and C_Sign decides.
            Err(error) if lacks_context_login(&error) => ContextAnswer::Unknown,
            Err(error) => return (ContextAnswer::Refused, Err(error)),
        };
        let signature = self.waiting(job.waits_for, "C_Sign", |raw| raw.sign(job.data, job.signature_bytes));
        (answer, signature)
    }

    /// C_GenerateKeyPair: the handles of the public and the private key.
    pub(super) fn generate(
        &self,
        mechanism: &Mechanism<'_>,
        public: &[Attribute],
        private: &[Attribute],
    ) -> Result<(ObjectHandle, ObjectHandle), CallError> {
        self.waiting(WaitsFor::Device, "C_GenerateKeyPair", |raw| {
            raw.generate_key_pair(mechanism, public, private)
        })
    }

    /// C_CreateObject.
    pub(super) fn create(&self, template: &[Attribute]) -> Result<ObjectHandle, CallError> {
        let template = template.to_vec();
        self.during("C_CreateObject", move |raw| raw.create_object(&template))
    }

    /// C_DestroyObject.
    pub(super) fn destroy(&self, object: ObjectHandle) -> Result<(), CallError> {
        self.during("C_DestroyObject", move |raw| raw.destroy_object(object))
    }

    /// Why the session is lost, if it is. Missing attributes then mean nothing.
    pub(super) fn loss(&self) -> Option<CallError> {
        self.raw.borrow().as_ref().err().cloned()
    }

    fn search(&self, template: &[Attribute]) -> Result<Vec<ObjectHandle>, CallError> {
        let template = template.to_vec();
        self.during("C_FindObjects", move |raw| raw.find(&template))
    }

    fn during<T: Send + 'static>(
        &self,
        function: &'static str,
        call: impl FnOnce(&Raw) -> Result<T, CallError> + Send + 'static,
    ) -> Result<T, CallError> {
        if let Some(loss) = self.loss() {
            return Err(loss);
        }
        let raw = self.raw.replace(Err(no_session()))?;
        let done = watch::during(function, &self.device, &self.module.name, move || {
            let result = call(&raw);
            (raw, result)
        });
        match done {
            Ok((raw, result)) => {
                *self.raw.borrow_mut() = Ok(raw);
                result
            }
            Err(hang) => {
                *self.raw.borrow_mut() = Err(hang.clone().into());
                Err(hang.into())
            }
        }
    }

    fn waiting<T>(
        &self,
        waits_for: WaitsFor,
        function: &'static str,
        call: impl FnOnce(&Raw) -> Result<T, CallError>,
    ) -> Result<T, CallError> {
        match &*self.raw.borrow() {
            Ok(raw) => watch::waiting(waits_for, function, &self.device, &self.module.name, || call(raw)),
            Err(error) => Err(error.clone()),
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let Ok(raw) = self.raw.replace(Err(no_session())) else { return };
        let open = Open {
            raw,
            device: Arc::clone(&self.device),
            module: Rc::clone(&self.module),
            logged_in: self.logged_in.get(),
        };
        if self.login_tried.get() && CLOSE_AT_THE_END.load(Ordering::Relaxed) {
            TO_CLOSE.with_borrow_mut(|sessions| sessions.push(open));
        } else {
            open.close();
        }
    }
}

/// A session to be closed.
struct Open {
    raw: Raw,
    device: Arc<str>,
    /// The module outlives the session.
    module: Rc<Module>,
    logged_in: bool,
}

impl Open {
    fn close(self) {
        let Open { raw, device, module, logged_in } = self;
        let raw = if logged_in {
            // Some middleware leaves the card open to others for a while if a session is closed without a
            // logout.
            let logged_out = watch::during("C_Logout", &device, &module.name, move || {
                let _ = raw.logout();
                raw
            });
            let Ok(raw) = logged_out else { return };
            raw
        } else {
            raw
        };
        let _ = watch::during("C_CloseSession", &device, &module.name, move || raw.close());
        drop(module);
    }
}

static CLOSE_AT_THE_END: AtomicBool = AtomicBool::new(false);

thread_local! {
    static TO_CLOSE: RefCell<Vec<Open>> = const { RefCell::new(Vec::new()) };
}

/// From now on sessions in which a login was attempted stay open until [`close_devices`]: a device that hangs
/// while it is closed must not keep a program from reporting how it ended.
pub fn close_at_the_end() {
    CLOSE_AT_THE_END.store(true, Ordering::Relaxed);
}

/// Closes what this thread has left open.
pub fn close_devices() {
    let sessions = TO_CLOSE.with_borrow_mut(std::mem::take);
    for session in sessions {
        session.close();
    }
}

/// The error of a session that has ended.
fn no_session() -> CallError {
    CallError::unusable("C_CloseSession", "the session has ended".into())
}

/// The answers of modules that can only search by class.
fn is_refused_template(error: &CallError) -> bool {
    let codes = [
        RvError::AttributeTypeInvalid,
        RvError::AttributeValueInvalid,
        RvError::AttributeReadOnly,
        RvError::AttributeSensitive,
        RvError::TemplateIncomplete,
        RvError::TemplateInconsistent,
        RvError::ArgumentsBad,
        RvError::FunctionFailed,
        RvError::GeneralError,
    ];
    error.function() == "C_FindObjectsInit" && error.is_one_of(&codes)
}

/// The answers of modules that have no such login, or do not need it for this key. They did not look at the
/// PIN.
fn lacks_context_login(error: &CallError) -> bool {
    let codes = [
        RvError::OperationNotInitialized,
        RvError::UserAlreadyLoggedIn,
        RvError::UserAnotherAlreadyLoggedIn,
        RvError::UserNotLoggedIn,
        RvError::UserTypeInvalid,
        RvError::FunctionNotSupported,
    ];
    error.is_one_of(&codes)
}
