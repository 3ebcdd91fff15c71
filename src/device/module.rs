//! A module that is loaded and started.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use cryptoki::error::RvError;
use cryptoki::slot::Slot;

use super::abandoned::{self, NotReturned};
use super::call::CallError;
use super::cause::{self, Cause};
use super::ffi::Functions;
use super::load_failure::LoadFailure;
use super::spec::ModuleSpec;
use super::watch;
use crate::uri;

/// A module that is loaded and initialized.
pub(super) struct Module {
    spec: ModuleSpec,
    /// Its name in messages: its path, if it has one.
    pub(super) name: Arc<str>,
    functions: Functions,
    manufacturer: String,
    description: String,
    version: (u8, u8),
    took: Duration,
}

/// Why a module cannot be used.
pub(super) struct ModuleFailure {
    pub(super) reason: String,
    pub(super) hint: Option<String>,
    /// Why it did not start, if that can be found out.
    pub(super) cause: Option<Box<Cause>>,
    /// The call that was abandoned, if that is the reason.
    pub(super) hang: Option<CallError>,
}

impl From<NotReturned> for ModuleFailure {
    fn from(call: NotReturned) -> Self {
        let error = CallError::from(call);
        ModuleFailure { reason: error.to_string(), hint: None, cause: None, hang: Some(error) }
    }
}

impl Module {
    pub(super) fn load(spec: ModuleSpec) -> Result<Self, ModuleFailure> {
        let failure = |reason: String, hint: Option<&str>| ModuleFailure {
            reason,
            hint: hint.map(str::to_owned),
            cause: None,
            hang: None,
        };
        let start = Instant::now();
        let name = Arc::from(spec.call_name());
        let functions = match spec.remote.clone() {
            Some(functions) => functions,
            None => {
                let path = spec.path.clone();
                watch::during("dlopen", &name, &name, move || Functions::load(&path))?.map_err(|error| {
                    let LoadFailure { reason, hint } = LoadFailure::of(&spec.path, error);
                    failure(reason, hint.as_deref())
                })?
            }
        };
        let functions = functions.saying(spec.kind().vendor_codes());
        if abandoned::must_end_first(&name) {
            let stale = functions.clone();
            let _ = watch::during("C_Finalize", &name, &name, move || stale.finalize())?;
        }
        let (starting, reserved) = (functions.clone(), spec.init_reserved.clone());
        let initialize = move || starting.initialize(reserved.as_deref());
        match watch::during("C_Initialize", &name, &name, initialize)? {
            Ok(()) => {}
            Err(error) if error.is(RvError::CryptokiAlreadyInitialized) => {}
            Err(error) => {
                let cause = cause::of_start(spec.kind(), &spec.path).map(Box::new);
                return Err(ModuleFailure { cause, ..failure(error.to_string(), error.cure()) });
            }
        }
        // A module whose C_GetInfo fails may still sign; its URI attributes are then empty.
        let asked = functions.clone();
        let info = watch::during("C_GetInfo", &name, &name, move || asked.info())?.ok();
        let text = |field: Option<&[u8]>| trim(&String::from_utf8_lossy(field.unwrap_or_default()));
        Ok(Module {
            manufacturer: text(info.as_ref().map(|info| &*info.manufacturer)),
            description: text(info.as_ref().map(|info| &*info.description)),
            version: info.map_or((0, 0), |info| info.version),
            spec,
            name,
            functions,
            took: start.elapsed(),
        })
    }

    pub(super) fn spec(&self) -> &ModuleSpec {
        &self.spec
    }

    /// How long it took to load and initialize it.
    pub(super) fn took(&self) -> Duration {
        self.took
    }

    /// Why it does not report its slots.
    pub(super) fn slot_error(&self) -> Option<CallError> {
        self.slots().err()
    }

    /// The slots with something in them.
    pub(super) fn slots(&self) -> Result<Vec<Slot>, CallError> {
        self.call("C_GetSlotList", &self.name, Functions::slots_with_token)
    }

    /// Makes a call about one device, `subject`, or about all.
    pub(super) fn call<T: Send + 'static>(
        &self,
        function: &'static str,
        subject: &Arc<str>,
        call: impl FnOnce(&Functions) -> Result<T, CallError> + Send + 'static,
    ) -> Result<T, CallError> {
        let functions = self.functions.clone();
        watch::during(function, subject, &self.name, move || call(&functions))?
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
        // Releases the device for others.
        let _ = self.call("C_Finalize", &self.name, Functions::finalize);
    }
}

impl fmt::Debug for Module {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Module").field("name", &self.name).finish_non_exhaustive()
    }
}

/// A field of fixed width without its padding.
pub(super) fn trim(field: &str) -> String {
    String::from_utf8_lossy(uri::without_padding(field.as_bytes())).into_owned()
}
