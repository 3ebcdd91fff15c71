//! From the options that say where keys are to a logged-in device. Reports progress to its caller.

use super::choose::{Chosen, KeyRequest, choose};
use super::login::{LoginOptions, Notice};
use super::modules::{ModuleChoice, Modules};
use super::open::OpenDevice;
use crate::error::Error;
use crate::uri::Uri;

/// Which modules to load and how to log in.
#[derive(Clone, Debug)]
pub struct DeviceAccess {
    /// Which modules.
    pub modules: ModuleChoice,
    /// How to log in.
    pub login: LoginOptions,
}

/// What happens on the way to a device. The words are the caller's.
#[derive(Debug)]
pub enum AccessEvent<'a> {
    /// A URI has an unknown attribute of this name: such a URI matches nothing.
    UnknownAttribute(&'a str),
    /// Modules are about to be loaded. From now on a device may keep the program waiting.
    Loading,
    /// The modules that the URIs may refer to are loaded.
    Loaded(&'a Modules),
    /// This device was chosen.
    Chosen(&'a Chosen),
    /// The login reports something.
    Notice(&'a Notice),
}

impl DeviceAccess {
    /// Loads the modules that the URIs may refer to.
    ///
    /// # Errors
    /// [`super::ModuleError`] if none can be used.
    pub fn load(&self, uris: &[Uri], observer: &dyn Fn(AccessEvent<'_>)) -> Result<Modules, Error> {
        for attribute in uris.iter().flat_map(|uri| &uri.unknown) {
            observer(AccessEvent::UnknownAttribute(&attribute.name));
        }
        observer(AccessEvent::Loading);
        let modules = Modules::load(&self.modules, uris)?;
        observer(AccessEvent::Loaded(&modules));
        Ok(modules)
    }

    /// Chooses the device. Requires no PIN.
    ///
    /// # Errors
    /// As [`DeviceAccess::load`] and [`choose`].
    pub fn choose(&self, request: &KeyRequest, observer: &dyn Fn(AccessEvent<'_>)) -> Result<Chosen, Error> {
        let modules = self.load(&request.uris, observer)?;
        let chosen = choose(&modules, request)?;
        observer(AccessEvent::Chosen(&chosen));
        Ok(chosen)
    }

    /// Logs in to the device.
    ///
    /// # Errors
    /// As [`Chosen::log_in`].
    pub fn log_in(&self, chosen: Chosen, observer: &dyn Fn(AccessEvent<'_>)) -> Result<OpenDevice, Error> {
        chosen.log_in(&self.login, &mut |notice| observer(AccessEvent::Notice(&notice)))
    }
}
