//! How to log in, as somebody asked for it.

use crate::device::login_memory::LoginMemory;
use crate::device::user_type::UserType;
use crate::pin::{PinError, PinSource};
use crate::uri::Uri;

/// How to log in.
#[derive(Clone, Debug)]
pub struct LoginOptions {
    /// Where the PIN comes from, unless the key URI says.
    pub pin_source: Option<PinSource>,
    /// Send a PIN even if a wrong one would lock the device.
    pub use_last_try: bool,
    /// As whom.
    pub user_type: UserType,
    /// What is known of PINs from earlier logins of this process.
    pub memory: LoginMemory,
}

impl LoginOptions {
    /// The source for a device that `uri` names: the option, else the URI's own, else the terminal.
    ///
    /// # Errors
    /// [`PinError`] for a `pin-source` in the URI that is not accepted.
    pub fn source_for(&self, uri: &Uri) -> Result<PinSource, PinError> {
        match &self.pin_source {
            Some(source) => Ok(source.clone()),
            None => Ok(PinSource::from_uri(uri)?.unwrap_or(PinSource::Prompt)),
        }
    }

    /// A login failed with the PIN that the file holds now, whether it was sent or not.
    pub fn pass_over_pin(&self, uri: &Uri) {
        if let Ok(source @ PinSource::File(_)) = self.source_for(uri)
            && let Ok(pin) = source.read("")
        {
            self.memory.pass_over(&pin);
        }
    }

    /// Whether the file of the PIN for a device that `uri` names holds one that no device has refused.
    pub fn has_new_pin(&self, uri: &Uri) -> bool {
        let Ok(source @ PinSource::File(_)) = self.source_for(uri) else { return false };
        source.read("").is_ok_and(|pin| !self.memory.has_refused(&pin))
    }
}
