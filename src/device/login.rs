//! Logging in: one try at a time, and never the last one unasked.

use std::fmt;

use cryptoki::error::RvError;
use cryptoki::session::{Session, UserType};

use super::call::CallError;
use super::error::LoginError;
use super::module::{Device, PinState};
use crate::pin::{Pin, PinError, PinSource};
use crate::uri::Uri;

/// How to log in.
#[derive(Clone, Debug)]
pub struct LoginOptions {
    /// Where the PIN comes from, unless the key URI says.
    pub pin_source: Option<PinSource>,
    /// Send a PIN even if a wrong one would lock the device.
    pub use_last_try: bool,
}

impl LoginOptions {
    /// The source for a device that `uri` names: the option, else the URI's own, else the terminal.
    pub(super) fn source_for(&self, uri: &Uri) -> Result<PinSource, PinError> {
        match &self.pin_source {
            Some(source) => Ok(source.clone()),
            None => Ok(PinSource::from_uri(uri)?.unwrap_or(PinSource::Prompt)),
        }
    }
}

/// Something that whoever is there should know while a device is opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// Who else can read the PIN.
    PinExposed(String),
    /// The PIN is entered on the device itself.
    EnterPinOnDevice {
        /// The device.
        device: String,
    },
    /// A person may try again.
    WrongPin {
        /// The device.
        device: String,
    },
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Notice::PinExposed(text) => f.write_str(text),
            Notice::EnterPinOnDevice { device } => write!(f, "enter the PIN on the device {device}"),
            Notice::WrongPin { device } => write!(f, "that PIN is wrong for {device}; you can try once more"),
        }
    }
}

/// Logs in as the user. Returns the PIN that was right, for keys that ask for it again; none where no login is needed
/// or the PIN was entered on the device.
///
/// A wrong PIN from a file is not tried again. A person is asked once more, and only while more than one try must be
/// left: on a device that keeps CKF_USER_PIN_COUNT_LOW, which shows in that the wrong PIN switched it on, this was the
/// first wrong one, and no device in use locks after fewer than three. Of a device that does not keep the flag nothing
/// is known.
pub(super) fn log_in(
    session: &Session,
    device: &Device,
    source: &PinSource,
    options: &LoginOptions,
    notice: &mut dyn FnMut(Notice),
) -> Result<Option<Pin>, LoginError> {
    let name = || device.describe();
    let before = device.pin_state();
    if !before.login_required {
        return Ok(None);
    }
    refuse_early(&before, device, options)?;
    if before.on_device {
        notice(Notice::EnterPinOnDevice { device: name() });
        return match session.login(UserType::User, None).map_err(CallError::from) {
            Ok(()) => Ok(None),
            Err(error) if error.is(RvError::UserAlreadyLoggedIn) => Ok(None),
            Err(error) => Err(failed(device, error, true)),
        };
    }

    if let Some(exposure) = source.exposure() {
        notice(Notice::PinExposed(exposure));
    }
    let mut may_ask_again = source.is_person() && !before.count_low;
    loop {
        let pin = source.read(&format!("PIN for {}: ", name()))?;
        match session.login(UserType::User, Some(pin.expose())).map_err(CallError::from) {
            Ok(()) => return Ok(Some(pin)),
            Err(error) if error.is(RvError::UserAlreadyLoggedIn) => return Ok(Some(pin)),
            Err(error) if error.is(RvError::PinIncorrect) && may_ask_again => {
                let now = device.pin_state();
                if !now.count_low || now.locked || now.final_try {
                    return Err(failed(device, error, true));
                }
                may_ask_again = false;
                notice(Notice::WrongPin { device: name() });
            }
            Err(error) => return Err(failed(device, error, source.is_person())),
        }
    }
}

fn refuse_early(state: &PinState, device: &Device, options: &LoginOptions) -> Result<(), LoginError> {
    let device = device.describe();
    if state.locked {
        Err(LoginError::Locked { device })
    } else if !state.set {
        Err(LoginError::NoPinSet { device })
    } else if state.final_try && !options.use_last_try {
        Err(LoginError::LastTry { device })
    } else {
        Ok(())
    }
}

/// Reads the state again: a wrong PIN may have been the one that locked the device.
fn failed(device: &Device, error: CallError, person: bool) -> LoginError {
    let state = device.pin_state();
    let device = device.describe();
    if error.is(RvError::PinLocked) || (error.is(RvError::PinIncorrect) && state.locked) {
        return LoginError::Locked { device };
    }
    if error.is(RvError::UserPinNotInitialized) {
        return LoginError::NoPinSet { device };
    }
    let is_about_pin = [RvError::PinIncorrect, RvError::PinInvalid, RvError::PinLenRange]
        .into_iter()
        .any(|code| error.is(code));
    if !is_about_pin {
        return LoginError::Failed { device, error };
    }
    let tries = if state.final_try {
        "one try is left before the PIN is locked (CKF_USER_PIN_FINAL_TRY)"
    } else if state.count_low {
        "the device counts wrong PINs since the last right one (CKF_USER_PIN_COUNT_LOW); most lock after three"
    } else {
        "the device does not say how many tries are left; most lock after three"
    };
    LoginError::Wrong { device, error, tries, person }
}
