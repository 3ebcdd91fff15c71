//! A module that is loaded and started.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::error::{Error, RvError};
use cryptoki::slot::Slot;

use super::abandoned::{self, NotReturned};
use super::call::{CallError, reason_of};
use super::ffi;
use super::spec::ModuleSpec;
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
                return Err(failure(CallError::from(error).to_string(), spec.kind().when_not_started()));
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
        })
    }

    pub(super) fn spec(&self) -> &ModuleSpec {
        &self.spec
    }

    /// How long it took to load and initialise it.
    pub(super) fn took(&self) -> Duration {
        self.took
    }

    /// Why it does not say which slots it has.
    pub(super) fn slot_error(&self) -> Option<CallError> {
        self.slots().err()
    }

    /// The slots with something in them.
    pub(super) fn slots(&self) -> Result<Vec<Slot>, CallError> {
        let (path, has_many_lists) = (self.spec.path.clone(), self.spec.has_many_function_lists());
        self.call("C_GetSlotList", &self.name, move |pkcs11| match has_many_lists {
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

/// A field of fixed width without its padding.
pub(super) fn trim(field: &str) -> String {
    String::from_utf8_lossy(uri::without_padding(field.as_bytes())).into_owned()
}
