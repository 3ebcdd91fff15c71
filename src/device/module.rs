//! A loaded module, and the devices in its slots.

use std::fmt;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::error::{Error, RvError};
use cryptoki::mechanism::MechanismType;
use cryptoki::slot::{Slot, TokenInfo};
use cryptoki_sys::{
    CK_FLAGS, CK_TOKEN_INFO, CKF_LOGIN_REQUIRED, CKF_PROTECTED_AUTHENTICATION_PATH, CKF_TOKEN_INITIALIZED,
    CKF_USER_PIN_COUNT_LOW, CKF_USER_PIN_FINAL_TRY, CKF_USER_PIN_INITIALIZED, CKF_USER_PIN_LOCKED,
};

use super::call::CallError;
use super::ffi;
use super::kind::DeviceKind;
use super::modules::{ModuleSpec, module_path, reason_of};
use super::session::Session;
use super::watch;
use crate::uri::{self, Uri};

/// A module that is loaded and initialised.
pub(super) struct Module {
    spec: ModuleSpec,
    /// The path, for messages.
    name: Arc<str>,
    pkcs11: Pkcs11,
    manufacturer: String,
    description: String,
    version: (u8, u8),
    took: Duration,
}

/// Why a module cannot be used.
pub(super) struct ModuleFailure {
    pub(super) reason: String,
    pub(super) hint: Option<String>,
}

impl Module {
    pub(super) fn load(spec: ModuleSpec) -> Result<Self, ModuleFailure> {
        let failure =
            |reason: String, hint: Option<&str>| ModuleFailure { reason, hint: hint.map(str::to_owned) };
        let start = Instant::now();
        let name = Arc::from(spec.path.to_string_lossy());
        let load = || Pkcs11::new(&spec.path);
        let pkcs11 = watch::during("C_GetFunctionList", &name, load).map_err(|error| match &error {
            Error::LibraryLoading(source) => failure(
                reason_of(source),
                Some(if spec.path.components().count() == 1 {
                    "--module wants the whole path of the device's PKCS#11 library: dpkg -L PACKAGE lists it"
                } else {
                    "--module wants the path of the device's PKCS#11 library, a file that ends in .so"
                }),
            ),
            Error::MissingSymbol(_) | Error::NullFunctionPointer => failure(
                "it is a library, but no PKCS#11 module: it has no C_GetFunctionList".into(),
                Some("--module wants the device's PKCS#11 library; its manual names the file"),
            ),
            _ => failure(CallError::from(error).to_string(), None),
        })?;
        let initialize = || match &spec.init_reserved {
            Some(reserved) => ffi::initialize_with_reserved(&pkcs11, reserved),
            None => pkcs11.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK)),
        };
        match watch::during("C_Initialize", &name, initialize) {
            Ok(()) | Err(Error::Pkcs11(RvError::CryptokiAlreadyInitialized, _)) => {}
            Err(error) => {
                return Err(failure(CallError::from(error).to_string(), hint_for(&spec.path)));
            }
        }
        // A module whose C_GetInfo fails may still sign; its URI attributes are then empty.
        let info = pkcs11.get_library_info().ok();
        let text = |get: fn(&cryptoki::context::Info) -> &str| info.as_ref().map_or("", |info| get(info));
        Ok(Module {
            manufacturer: trim(text(|info| info.manufacturer_id())),
            description: trim(text(|info| info.library_description())),
            version: info
                .as_ref()
                .map_or((0, 0), |info| (info.library_version().major(), info.library_version().minor())),
            spec,
            name,
            pkcs11,
            took: start.elapsed(),
        })
    }

    pub(super) fn spec(&self) -> &ModuleSpec {
        &self.spec
    }

    /// How long it took to load and initialise it.
    pub(super) fn took(&self) -> Duration {
        self.took
    }

    /// The initialised devices in the module's slots. A slot that fails hides no other one.
    pub(super) fn devices(self: &Rc<Self>) -> Vec<Device> {
        let slots = self.slots().unwrap_or_default();
        let mut devices: Vec<Device> =
            slots.into_iter().filter_map(|slot| Device::read(self, slot)).collect();
        // Slots come in an order that some modules change from run to run.
        devices.sort_by(|a, b| (&a.label, &a.serial, a.slot.id()).cmp(&(&b.label, &b.serial, b.slot.id())));
        devices
    }

    pub(super) fn slot_error(&self) -> Option<CallError> {
        self.slots().err()
    }

    fn slots(&self) -> Result<Vec<Slot>, CallError> {
        let slots = watch::during("C_GetSlotList", &self.name, || self.pkcs11.get_slots_with_token());
        slots.map_err(CallError::from)
    }

    fn library(&self) -> uri::Library<'_> {
        uri::Library {
            manufacturer: self.manufacturer.as_bytes(),
            description: self.description.as_bytes(),
            version: self.version,
        }
    }
}

/// What a module that loads and does not start most often lacks.
fn hint_for(path: &Path) -> Option<&'static str> {
    const HINTS: [(&str, &str); 7] = [
        (
            "softhsm",
            "SoftHSM says this when it finds no configuration: SOFTHSM2_CONF must name one that can be read",
        ),
        ("opensc", "smart cards need pcscd: apt install pcscd, and make sure that it runs"),
        ("ykcs11", "smart cards need pcscd: apt install pcscd, and make sure that it runs"),
        ("opencryptoki", "openCryptoki needs its daemon: systemctl start pkcsslotd"),
        ("softokn", "NSS wants its database named: x-init-reserved in a module file of p11-kit"),
        ("tpm2", "is there a TPM (/dev/tpmrm0), and may this user use it (group tss)?"),
        (
            "p11-kit-client",
            "P11_KIT_SERVER_ADDRESS must name the server's socket: unix:path=/path/of/the/socket",
        ),
    ];
    let file = path.to_string_lossy();
    HINTS.iter().find(|(name, _)| file.contains(name)).map(|(_, hint)| *hint)
}

impl Drop for Module {
    fn drop(&mut self) {
        // Finalized, so that the device is free for others; never unloaded, which some modules do not survive.
        std::mem::forget(self.pkcs11.clone());
        let _ = watch::during("C_Finalize", &self.name, || self.pkcs11.clone().finalize());
    }
}

impl fmt::Debug for Module {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Module").field("spec", &self.spec).finish_non_exhaustive()
    }
}

/// A device that is present: a slot with an initialised token in it, in PKCS#11's words.
#[derive(Clone, Debug)]
pub struct Device {
    pub(super) module: Rc<Module>,
    slot: Slot,
    slot_manufacturer: String,
    slot_description: String,
    /// What a person calls it.
    name: Arc<str>,
    /// CK_TOKEN_INFO.label without its padding.
    pub label: String,
    /// CK_TOKEN_INFO.manufacturerID.
    pub manufacturer: String,
    /// CK_TOKEN_INFO.model.
    pub model: String,
    /// CK_TOKEN_INFO.serialNumber.
    pub serial: String,
}

/// What a device says of its user PIN. It costs no try to ask.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PinState {
    /// CKF_LOGIN_REQUIRED.
    pub login_required: bool,
    /// CKF_USER_PIN_INITIALIZED.
    pub set: bool,
    /// CKF_USER_PIN_COUNT_LOW: a wrong PIN was given since the last right one.
    pub count_low: bool,
    /// CKF_USER_PIN_FINAL_TRY: one more wrong PIN locks it.
    pub final_try: bool,
    /// CKF_USER_PIN_LOCKED.
    pub locked: bool,
    /// CKF_PROTECTED_AUTHENTICATION_PATH: the PIN is entered on the device itself.
    pub on_device: bool,
}

impl Device {
    fn read(module: &Rc<Module>, slot: Slot) -> Option<Self> {
        let info = DeviceInfo::read(module, slot)?;
        if !info.initialised {
            return None;
        }
        let slot_info = module.pkcs11.get_slot_info(slot).ok();
        Some(Device {
            module: Rc::clone(module),
            slot,
            name: Arc::from(info.describe()),
            slot_manufacturer: slot_info
                .as_ref()
                .map(|info| trim(info.manufacturer_id()))
                .unwrap_or_default(),
            slot_description: slot_info
                .as_ref()
                .map(|info| trim(info.slot_description()))
                .unwrap_or_default(),
            label: info.label,
            manufacturer: info.manufacturer,
            model: info.model,
            serial: info.serial,
        })
    }

    /// What the device says of its PIN now.
    pub fn pin_state(&self) -> PinState {
        // Of a device that does not answer nothing is known; the login will say.
        let unknown = PinState { login_required: true, set: true, ..PinState::default() };
        DeviceInfo::read(&self.module, self.slot).map_or(unknown, |info| info.pin)
    }

    /// Whether a URI's library, slot, device and module attributes fit.
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
                label: self.label.as_bytes(),
                manufacturer: self.manufacturer.as_bytes(),
                model: self.model.as_bytes(),
                serial: self.serial.as_bytes(),
            })
    }

    fn is_of_module_named_in(&self, uri: &Uri) -> bool {
        let module = self.module.spec();
        uri.matches_module_name(module.name.as_deref(), &module.path)
            || module.remote_names.iter().any(|name| uri.matches_module_name(Some(name), Path::new("")))
    }

    /// A URI that names this device and none of `others`: by its label, its serial where that is not enough, its slot
    /// where not even that is.
    pub fn uri(&self, others: &[Device]) -> Uri {
        let others = || others.iter().filter(|other| !other.is(self));
        let mut uri = Uri { token: Some(self.label.clone().into_bytes()), ..Uri::default() };
        if others().any(|other| other.label == self.label) || self.label.is_empty() {
            uri.serial = Some(self.serial.clone().into_bytes());
        }
        if others().any(|other| other.looks_like(self) && !other.is_of_another_module(self)) {
            uri.slot_id = Some(self.slot.id());
        }
        if others().any(|other| other.looks_like(self) && other.is_of_another_module(self)) {
            uri.module_path = Some(self.module_path().as_os_str().as_encoded_bytes().to_owned());
        }
        uri
    }

    /// What a person calls it: `officer (SoftHSM v2, serial 21b3c0ffee)`.
    pub fn describe(&self) -> String {
        self.name.to_string()
    }

    /// Whether the key of this CKA_ID is the device's own, which signs nothing for anybody: a YubiKey's attestation key in
    /// PIV slot F9, by the number that ykcs11 gives it.
    pub(super) fn is_own_key(&self, id: Option<&[u8]>) -> bool {
        id == Some(&[0x19]) && DeviceKind::of(self) == DeviceKind::YubiKey
    }

    /// How its PIN is unblocked once it is locked.
    pub fn unblocking(&self) -> &'static str {
        DeviceKind::of(self).unblocking()
    }

    /// The path of the module that shows the device.
    pub fn module_path(&self) -> &Path {
        &self.module.spec.path
    }

    /// Whether the same device is in the slot now: by what it says of itself.
    pub(super) fn is_still_there(&self) -> bool {
        DeviceInfo::read(&self.module, self.slot).is_some_and(|info| {
            info.initialised
                && (&info.label, &info.manufacturer, &info.model, &info.serial)
                    == (&self.label, &self.manufacturer, &self.model, &self.serial)
        })
    }

    /// C_GetMechanismList; none where the device does not answer.
    pub(super) fn mechanisms(&self) -> Option<Vec<MechanismType>> {
        let list = || self.module.pkcs11.get_mechanism_list(self.slot);
        let mechanisms = watch::during("C_GetMechanismList", &self.name, list);
        mechanisms.ok().filter(|mechanisms| !mechanisms.is_empty())
    }

    /// Opens a session: read-only, or read-write where the module knows no other.
    pub(super) fn open_session(&self) -> Result<Session, CallError> {
        let pkcs11 = &self.module.pkcs11;
        let open = || {
            let read_only = pkcs11.open_ro_session(self.slot);
            read_only.or_else(|error| pkcs11.open_rw_session(self.slot).map_err(|_| error))
        };
        let session = watch::during("C_OpenSession", &self.name, open).map_err(CallError::from)?;
        Ok(Session::new(session, Arc::clone(&self.name)))
    }

    /// The same slot of the same module.
    pub(super) fn is(&self, other: &Device) -> bool {
        Rc::ptr_eq(&self.module, &other.module) && self.slot == other.slot
    }

    /// Seen through another module, with the same serial and all else the same: it is one device. Two alike in one
    /// module are two.
    pub(super) fn is_another_view_of(&self, other: &Device) -> bool {
        self.is_of_another_module(other) && !self.serial.is_empty() && self.looks_like(other)
    }

    pub(super) fn is_of_another_module(&self, other: &Device) -> bool {
        !Rc::ptr_eq(&self.module, &other.module)
    }

    pub(super) fn is_trust_store(&self) -> bool {
        self.model == "p11-kit-trust"
    }

    /// The same in all that a device says of itself.
    pub(super) fn looks_like(&self, other: &Device) -> bool {
        self.label == other.label
            && self.serial == other.serial
            && self.manufacturer == other.manufacturer
            && self.model == other.model
    }
}

/// What is used of CK_TOKEN_INFO.
struct DeviceInfo {
    label: String,
    manufacturer: String,
    model: String,
    serial: String,
    initialised: bool,
    pin: PinState,
}

impl DeviceInfo {
    fn describe(&self) -> String {
        let label = if self.label.is_empty() { "a device without a label" } else { &self.label };
        let mut facts = Vec::new();
        if !self.model.is_empty() {
            facts.push(self.model.clone());
        }
        if !self.serial.is_empty() && !self.label.contains(&self.serial) {
            facts.push(format!("serial {}", self.serial));
        }
        let text =
            if facts.is_empty() { label.to_owned() } else { format!("{label} ({})", facts.join(", ")) };
        // A label is anybody's bytes, and this text goes into prompts: it must not be able to move the cursor.
        text.replace(char::is_control, "\u{fffd}")
    }

    /// Through cryptoki, or, where it cannot parse what the device says of its clock, without it.
    fn read(module: &Module, slot: Slot) -> Option<Self> {
        match watch::during("C_GetTokenInfo", &module.name, || module.pkcs11.get_token_info(slot)) {
            Ok(info) => Some(Self::from(&info)),
            Err(Error::Pkcs11(..)) => None,
            Err(_) if module.spec.proxy => None,
            Err(_) => ffi::token_info(&module.spec.path, slot.id()).ok().map(|info| Self::from_raw(&info)),
        }
    }

    fn from_raw(info: &CK_TOKEN_INFO) -> Self {
        let has = |flag: CK_FLAGS| info.flags & flag != 0;
        let text = |field: &[u8]| trim(&String::from_utf8_lossy(field));
        DeviceInfo {
            label: text(&info.label),
            manufacturer: text(&info.manufacturerID),
            model: text(&info.model),
            serial: text(&info.serialNumber),
            initialised: has(CKF_TOKEN_INITIALIZED),
            pin: PinState {
                login_required: has(CKF_LOGIN_REQUIRED),
                set: has(CKF_USER_PIN_INITIALIZED),
                count_low: has(CKF_USER_PIN_COUNT_LOW),
                final_try: has(CKF_USER_PIN_FINAL_TRY),
                locked: has(CKF_USER_PIN_LOCKED),
                on_device: has(CKF_PROTECTED_AUTHENTICATION_PATH),
            },
        }
    }
}

impl From<&TokenInfo> for DeviceInfo {
    fn from(info: &TokenInfo) -> Self {
        DeviceInfo {
            label: trim(info.label()),
            manufacturer: trim(info.manufacturer_id()),
            model: trim(info.model()),
            serial: trim(info.serial_number()),
            initialised: info.token_initialized(),
            pin: PinState {
                login_required: info.login_required(),
                set: info.user_pin_initialized(),
                count_low: info.user_pin_count_low(),
                final_try: info.user_pin_final_try(),
                locked: info.user_pin_locked(),
                on_device: info.protected_authentication_path(),
            },
        }
    }
}

/// Fields are padded with blanks by the standard, and with NUL by some modules.
fn trim(field: &str) -> String {
    field.trim_end_matches(['\0', ' ']).to_owned()
}
