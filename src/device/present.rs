//! The devices that are present, and what they report about themselves.

use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use cryptoki::error::RvError;
use cryptoki::mechanism::MechanismType;
use cryptoki::slot::Slot;

use super::call::CallError;
use super::cause::Cause;
use super::ffi::{Functions, RawSession};
use super::kind::ModuleKind;
use super::module::{Module, trim};
use super::session::Session;
use super::spec::module_path;
use super::token_info::{DeviceInfo, Names, PinState};
use crate::uri::{self, Uri};

/// pcscd checks its readers every 400 ms.
const BETWEEN_LOOKS: Duration = Duration::from_millis(100);
const PCSCD_LOOKS: usize = 10;

/// A device that is present: in PKCS#11's terms, a slot with a token in it.
#[derive(Clone, Debug)]
pub struct Device {
    pub(super) module: Rc<Module>,
    pub(super) slot: Slot,
    slot_manufacturer: String,
    slot_description: String,
    /// Whether it reports that it is initialized (CKF_TOKEN_INITIALIZED).
    pub is_initialised: bool,
    /// Its name for people.
    name: Arc<str>,
    /// Its own names, byte by byte; the fields below are for people.
    names: Names,
    /// CK_TOKEN_INFO.label without its padding.
    pub label: String,
    /// CK_TOKEN_INFO.manufacturerID.
    pub manufacturer: String,
    /// CK_TOKEN_INFO.model.
    pub model: String,
    /// CK_TOKEN_INFO.serialNumber.
    pub serial: String,
}

/// What is in a module's slots.
pub(super) struct InSlots {
    pub(super) devices: Vec<Device>,
    /// The devices that report that they are not initialized. Some (nCipher's) are used all the same, if they
    /// are named.
    pub(super) uninitialised: Vec<Device>,
    /// The slots that could not be read.
    pub(super) unreadable: Vec<(u64, CallError)>,
    /// Why the slots are not known.
    pub(super) unlisted: Option<CallError>,
}

/// The devices in a module's slots. A slot that fails hides no other one.
pub(super) fn in_slots(module: &Rc<Module>) -> InSlots {
    let mut found =
        InSlots { devices: Vec::new(), uninitialised: Vec::new(), unreadable: Vec::new(), unlisted: None };
    let slots = module.slots().unwrap_or_else(|error| {
        found.unlisted = Some(error);
        Vec::new()
    });
    for slot in slots {
        match Device::read(module, slot) {
            Ok(Some(device)) if device.is_initialised => found.devices.push(device),
            Ok(device) => found.uninitialised.extend(device),
            Err(error) => found.unreadable.push((slot.id(), error)),
        }
    }
    // Some modules change the order of slots from run to run.
    let order = |device: &Device| (device.label.clone(), device.serial.clone(), device.slot.id());
    found.devices.sort_by_key(order);
    found.uninitialised.sort_by_key(order);
    found
}

impl Device {
    /// None for a slot without a device.
    fn read(module: &Rc<Module>, slot: Slot) -> Result<Option<Self>, CallError> {
        let absent = [RvError::TokenNotPresent, RvError::TokenNotRecognized, RvError::SlotIdInvalid];
        let info = match DeviceInfo::read(module, slot) {
            Err(error) if error.is_one_of(&absent) => return Ok(None),
            info => info?,
        };
        let slot_info =
            module.call("C_GetSlotInfo", &module.name, move |functions| functions.slot_info(slot)).ok();
        let text = |field: Option<&[u8]>| trim(&String::from_utf8_lossy(field.unwrap_or_default()));
        Ok(Some(Device {
            module: Rc::clone(module),
            slot,
            name: Arc::from(info.describe()),
            slot_manufacturer: text(slot_info.as_ref().map(|info| &*info.manufacturer)),
            slot_description: text(slot_info.as_ref().map(|info| &*info.description)),
            is_initialised: info.initialised,
            names: info.names,
            label: info.label,
            manufacturer: info.manufacturer,
            model: info.model,
            serial: info.serial,
        }))
    }

    /// What the device reports about its PIN now; everything is unknown if it does not answer.
    pub fn pin_state(&self) -> PinState {
        self.pin_state_now().unwrap_or(PinState::UNKNOWN)
    }

    /// The same for a caller that is about to send a PIN and must know.
    pub(super) fn pin_state_now(&self) -> Result<PinState, CallError> {
        DeviceInfo::read(&self.module, self.slot).map(|info| info.pin)
    }

    /// Whether a URI's library, slot, device and module attributes match.
    pub fn matches(&self, uri: &Uri, module_was_named: bool) -> bool {
        let module = self.module.spec();
        let fits_module = module_was_named
            || (module_path(uri).is_none_or(|path| module.is_at(&path))
                && (uri.module_path.is_some() || self.is_of_module_named_in(uri)));
        fits_module
            && uri.matches_library(&self.module.library())
            && uri.matches_slot(&uri::Slot {
                id: self.slot.id(),
                manufacturer: self.slot_manufacturer.as_bytes(),
                description: self.slot_description.as_bytes(),
            })
            && uri.matches_device(&uri::Device {
                label: &self.names.label,
                manufacturer: &self.names.manufacturer,
                model: &self.names.model,
                serial: &self.names.serial,
            })
    }

    fn is_of_module_named_in(&self, uri: &Uri) -> bool {
        let module = self.module.spec();
        // A module behind p11-kit is known only by its name, not by the file of p11-kit's own library.
        let path = if module.remote.is_some() { Path::new("") } else { &module.path };
        uri.matches_module_name(module.name.as_deref(), path)
    }

    /// A URI that names this device and none of `others`: by its label, also by its serial if that is not
    /// enough, and by its slot if not even that is.
    pub fn uri(&self, others: &[Device]) -> Uri {
        let others = || others.iter().filter(|other| !other.is(self));
        let mut uri = Uri { token: Some(self.names.label.clone()), ..Uri::default() };
        if !self.is_initialised {
            // A device may report nothing about itself, and the same as another one.
            uri.token.take_if(|label| label.is_empty());
            uri.slot_id = Some(self.slot.id());
            return uri;
        }
        let is_shared = others().any(|other| other.names.label == self.names.label);
        if (is_shared && self.names.has_serial()) || self.names.label.is_empty() {
            uri.serial = Some(self.names.serial.clone());
        }
        if others().any(|other| other.looks_like(self) && !other.is_of_another_module(self)) {
            uri.slot_id = Some(self.slot.id());
        }
        if others().any(|other| other.looks_like(self) && other.is_of_another_module(self)) {
            let module = self.module.spec();
            match (&module.remote, &module.name) {
                (Some(_), Some(name)) => uri.module_name = Some(name.clone().into_bytes()),
                _ => uri.module_path = Some(module.path.as_os_str().as_encoded_bytes().to_owned()),
            }
        }
        uri
    }

    /// Its name for people: `officer (SoftHSM v2, serial 21b3c0ffee)`.
    pub fn describe(&self) -> String {
        self.name.to_string()
    }

    /// Whether the key with this CKA_ID is the device's own, which signs nothing for its user.
    pub(super) fn is_own_key(&self, id: Option<&[u8]>) -> bool {
        self.kind().is_own_key(id)
    }

    /// The kind of the module that belongs to the device, whichever module shows it.
    pub(super) fn kind(&self) -> ModuleKind {
        ModuleKind::of_device(self.module_path(), &self.manufacturer, &self.model, &self.label)
    }

    /// How to initialize it, if it is not initialized.
    pub fn initialising(&self) -> String {
        let (module, kind) = (self.module_path().to_owned(), self.kind());
        Cause::NotInitialised { module, kind, slot: self.slot_id(), label: self.label.clone() }.help()
    }

    /// Where keys are stored, if the device is software: that they cannot leave it is then only its module's
    /// claim.
    pub fn software_store(&self) -> Option<&'static str> {
        self.kind().software_store()
    }

    /// How to unblock its PIN once it is locked.
    pub fn unblocking(&self) -> &'static str {
        self.kind().unblocking()
    }

    /// The number of its slot.
    pub fn slot_id(&self) -> u64 {
        self.slot.id()
    }

    /// The path of the module that shows the device.
    pub fn module_path(&self) -> &Path {
        &self.module.spec().path
    }

    /// Whether the same device is in the slot now, judged by what it reports about itself.
    pub(super) fn is_still_there(&self) -> bool {
        DeviceInfo::read(&self.module, self.slot)
            .is_ok_and(|info| info.initialised == self.is_initialised && info.names == self.names)
    }

    /// Whether it is no longer in its slot, after a call that failed: hardly any module returns
    /// CKR_DEVICE_REMOVED itself.
    pub(super) fn is_pulled_out(&self, error: &CallError) -> bool {
        if error.is_hang() {
            return false;
        }
        let is_gone = || match self.module.slots() {
            Ok(slots) => !slots.contains(&self.slot),
            Err(_) => error.is_one_of(&[RvError::DeviceRemoved, RvError::TokenNotPresent]),
        };
        // A call that fails because the card is gone fails before pcscd knows that.
        let is_unsure = [RvError::DeviceError, RvError::GeneralError, RvError::FunctionFailed];
        let looks = if self.kind().needs_pcscd() && error.is_one_of(&is_unsure) { PCSCD_LOOKS } else { 0 };
        is_gone()
            || (0..looks).any(|_| {
                thread::sleep(BETWEEN_LOOKS);
                is_gone()
            })
    }

    /// The fewest and the most bits of a key that the module signs with by this mechanism; none if what it says cannot be
    /// true.
    pub(super) fn key_sizes(&self, mechanism: MechanismType) -> Option<(u64, u64)> {
        let slot = self.slot;
        let ask = move |functions: &Functions| functions.key_sizes(slot, mechanism);
        let sizes = self.module.call("C_GetMechanismInfo", &self.name, ask).ok();
        sizes.filter(|(least, most)| (1..=65_536).contains(most) && least <= most)
    }

    /// C_GetMechanismList; none if the device does not answer.
    pub(super) fn mechanisms(&self) -> Option<Vec<MechanismType>> {
        let slot = self.slot;
        let list = move |functions: &Functions| functions.mechanisms(slot);
        let mechanisms = self.module.call("C_GetMechanismList", &self.name, list);
        mechanisms.ok().filter(|mechanisms| !mechanisms.is_empty())
    }

    /// Opens a session: read-only, or read-write if the module has no other.
    pub(super) fn open_session(&self) -> Result<Session, CallError> {
        let slot = self.slot;
        self.open(move |functions| {
            let read_only = functions.open_session(slot, false);
            read_only.or_else(|error| functions.open_session(slot, true).map_err(|_| error))
        })
    }

    /// Opens a read-write session, in which objects can be created.
    pub(super) fn open_to_write(&self) -> Result<Session, CallError> {
        let slot = self.slot;
        self.open(move |functions| functions.open_session(slot, true))
    }

    fn open(
        &self,
        open: impl FnOnce(&Functions) -> Result<RawSession, CallError> + Send + 'static,
    ) -> Result<Session, CallError> {
        let session = self.module.call("C_OpenSession", &self.name, open)?;
        Ok(Session::new(session, Arc::clone(&self.name), Rc::clone(&self.module)))
    }

    /// Whether it is the same slot of the same module.
    pub(super) fn is(&self, other: &Device) -> bool {
        Rc::ptr_eq(&self.module, &other.module) && self.slot == other.slot
    }

    /// Whether it is the same device seen through another module: the serial and everything else are equal.
    /// Two equal devices in one module are two.
    pub(super) fn is_another_view_of(&self, other: &Device) -> bool {
        self.is_of_another_module(other) && self.names.has_serial() && self.looks_like(other)
    }

    pub(super) fn is_of_another_module(&self, other: &Device) -> bool {
        !Rc::ptr_eq(&self.module, &other.module)
    }

    pub(super) fn is_trust_store(&self) -> bool {
        self.model == "p11-kit-trust"
    }

    /// Whether both report exactly the same about themselves.
    pub(super) fn looks_like(&self, other: &Device) -> bool {
        self.names == other.names
    }
}
