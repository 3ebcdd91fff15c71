//! Preparing a device: generating a key on it, and storing the key's certificate.

mod generate;
mod key_spec;
mod store;

pub use generate::{GeneratedKey, NotTaken};
pub use key_spec::{KeyKind, KeySpec};
pub use store::{ImportOptions, ImportedCertificate};

use super::choose::the_device;
use super::error::ProvisionError;
use super::key_facts::KeyFacts;
use super::login::{LoginOptions, Notice, log_in};
use super::modules::Modules;
use super::present::Device;
use super::session::Session;
use super::user_type::UserType;
use crate::error::Error;
use crate::uri::Uri;

/// A device with a session in which objects can be created, and a login.
#[derive(Debug)]
pub struct WritableDevice {
    session: Session,
    device: Device,
    uri: Uri,
    /// Who is logged in.
    user: UserType,
}

impl WritableDevice {
    /// Opens the one device that `uri` names, whatever objects it names, and logs in.
    ///
    /// # Errors
    /// [`super::DeviceError`], [`ProvisionError::ReadOnly`], [`super::LoginError`].
    pub fn open(
        modules: &Modules,
        uri: &Uri,
        options: &LoginOptions,
        notice: &mut dyn FnMut(Notice),
    ) -> Result<Self, Error> {
        let (device, device_uri) = the_device(modules, uri)?;
        let session = device.open_to_write().map_err(|error| match device.is_initialised {
            true => Error::from(ProvisionError::ReadOnly {
                device: device.describe(),
                error,
                kind: device.kind(),
            }),
            false => device.failure(error).into(),
        })?;
        let source = options.source_for(uri)?;
        log_in(&session, &device, &source, options, notice)?;
        Ok(WritableDevice { session, device, uri: device_uri, user: options.user_type })
    }

    /// The device.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// The key that `uri` names, found by its private half, or by its public half if the private one is
    /// hidden from this user.
    ///
    /// # Errors
    /// [`super::KeyError`].
    pub fn key(&self, uri: &Uri) -> Result<KeyFacts, Error> {
        super::open::key_to_prepare(&self.session, &self.device, &self.uri, uri)
    }
}
