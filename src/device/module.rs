//! A loaded module, and the devices in its slots.

use std::cell::Cell;
use std::fmt;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::error::{Error, RvError};
use cryptoki::slot::Slot;

use super::abandoned::{self, NotReturned};
use super::call::CallError;
use super::ffi;
use super::modules::{ModuleSpec, reason_of};
use super::present::Device;
use super::watch;
use crate::uri;

/// A module that is loaded and initialised.
pub(super) struct Module {
    spec: ModuleSpec,
    /// The path, for messages.
    pub(super) name: Arc<str>,
    pub(super) pkcs11: Pkcs11,
    manufacturer: String,
    description: String,
    version: (u8, u8),
    took: Duration,
    unreadable: Cell<Option<CallError>>,
}

/// Why a module cannot be used.
pub(super) struct ModuleFailure {
    pub(super) reason: String,
    pub(super) hint: Option<String>,
    /// The call that was abandoned, if that is why.
    pub(super) hang: Option<CallError>,
}

impl From<NotReturned> for ModuleFailure {
    fn from(call: NotReturned) -> Self {
        let error = CallError::from(call);
        ModuleFailure { reason: error.to_string(), hint: None, hang: Some(error) }
    }
}

impl Module {
    pub(super) fn load(spec: ModuleSpec) -> Result<Self, ModuleFailure> {
        let failure = |reason: String, hint: Option<&str>| ModuleFailure {
            reason,
            hint: hint.map(str::to_owned),
            hang: None,
        };
        let start = Instant::now();
        let name = Arc::from(spec.path.to_string_lossy());
        let path = spec.path.clone();
        let load = watch::during("C_GetFunctionList", &name, &name, move || Pkcs11::new(path))?;
        let pkcs11 = load.map_err(|error| match &error {
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
        // The call that hangs must not be the last to know the library, and unload it when it returns.
        let hang = |call: NotReturned| {
            std::mem::forget(pkcs11.clone());
            ModuleFailure::from(call)
        };
        if abandoned::must_end_first(&name) {
            let stale = pkcs11.clone();
            let _ = watch::during("C_Finalize", &name, &name, move || stale.finalize()).map_err(hang)?;
        }
        let (starting, reserved) = (pkcs11.clone(), spec.init_reserved.clone());
        let initialize = move || match &reserved {
            Some(reserved) => ffi::initialize_with_reserved(&starting, reserved),
            None => starting.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK)),
        };
        match watch::during("C_Initialize", &name, &name, initialize).map_err(hang)? {
            Ok(()) | Err(Error::Pkcs11(RvError::CryptokiAlreadyInitialized, _)) => {}
            Err(error) => {
                return Err(failure(CallError::from(error).to_string(), hint_for(&spec.path)));
            }
        }
        // A module whose C_GetInfo fails may still sign; its URI attributes are then empty.
        let asked = pkcs11.clone();
        let info =
            watch::during("C_GetInfo", &name, &name, move || asked.get_library_info()).map_err(hang)?.ok();
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
            unreadable: Cell::default(),
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
        let slots = self.slots().unwrap_or_else(|error| {
            if error.is_hang() {
                self.unreadable.set(Some(error));
            }
            Vec::new()
        });
        let mut devices: Vec<Device> = slots.into_iter().filter_map(|slot| self.device(slot)).collect();
        // Slots come in an order that some modules change from run to run.
        devices.sort_by(|a, b| (&a.label, &a.serial, a.slot.id()).cmp(&(&b.label, &b.serial, b.slot.id())));
        devices
    }

    fn device(self: &Rc<Self>, slot: Slot) -> Option<Device> {
        Device::read(self, slot).unwrap_or_else(|error| {
            self.unreadable.set(Some(error));
            None
        })
    }

    /// What a device said that was present and could not be read when [`Module::devices`] read all.
    pub(super) fn device_error(&self) -> Option<CallError> {
        self.unreadable.take()
    }

    pub(super) fn slot_error(&self) -> Option<CallError> {
        self.slots().err()
    }

    fn slots(&self) -> Result<Vec<Slot>, CallError> {
        let (path, is_proxy) = (self.spec.path.clone(), self.spec.proxy);
        self.call("C_GetSlotList", &self.name, move |pkcs11| match is_proxy {
            true => pkcs11.get_slots_with_token(),
            false => ffi::slots_with_token(&path)?.into_iter().map(Slot::try_from).collect(),
        })
    }

    /// A call about one device, `subject`, or about all.
    pub(super) fn call<T: Send + 'static>(
        &self,
        function: &'static str,
        subject: &Arc<str>,
        call: impl FnOnce(&Pkcs11) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, CallError> {
        let pkcs11 = self.pkcs11.clone();
        Ok(watch::during(function, subject, &self.name, move || call(&pkcs11))??)
    }

    pub(super) fn library(&self) -> uri::Library<'_> {
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
        let _ = self.call("C_Finalize", &self.name, |pkcs11| pkcs11.clone().finalize());
    }
}

impl fmt::Debug for Module {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Module").field("spec", &self.spec).finish_non_exhaustive()
    }
}

/// Fields are padded with blanks by the standard, and with NUL by some modules.
pub(super) fn trim(field: &str) -> String {
    field.trim_end_matches(['\0', ' ']).to_owned()
}
