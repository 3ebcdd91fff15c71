//! Logging in: one try at a time, and never the last one unasked.

use std::cell::OnceCell;
use std::fmt;
use std::str::FromStr;

use cryptoki::error::RvError;
use cryptoki::session::UserType as Cku;

use super::call::CallError;
use super::error::LoginError;
use super::present::{Device, PinState};
use super::session::Session;
use crate::pin::{Pin, PinError, PinSource};
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
}

/// As whom to log in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UserType {
    /// CKU_USER.
    #[default]
    User,
    /// A vendor's own type of user, CKU_VENDOR_DEFINED and above.
    Vendor(u32),
    /// CKU_SO, who signs nothing: to prepare a device. Of a YubiKey it is who knows the management key.
    SecurityOfficer,
}

impl UserType {
    /// Luna's Crypto User, who may sign and not generate (CKU_LIMITED_USER in Thales' headers).
    pub const LUNA_CRYPTO_USER: Self = UserType::Vendor(0x8000_0001);

    fn cku(self) -> Cku {
        match self {
            UserType::User => Cku::User,
            UserType::Vendor(number) => Cku::VendorExtension(number),
            UserType::SecurityOfficer => Cku::So,
        }
    }
}

impl FromStr for UserType {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let number =
            |digits: &str| u32::from_str_radix(digits, 16).ok().filter(|number| *number >= 0x8000_0000);
        match text {
            "user" => Ok(UserType::User),
            "crypto-user" => Ok(UserType::LUNA_CRYPTO_USER),
            _ => text.strip_prefix("0x").and_then(number).map(UserType::Vendor).ok_or_else(|| {
                "possible values: user, crypto-user (Luna), or a vendor's number from 0x80000000 on".into()
            }),
        }
    }
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

/// A login that succeeded, with what it takes to log in again.
#[derive(Debug)]
pub(super) struct Login {
    /// The PIN that was right; none where no login is needed or the PIN was entered on the device.
    pin: OnceCell<Pin>,
    user: Cku,
    use_last_try: bool,
    source: PinSource,
}

impl Login {
    /// A PIN that a person typed or that came through a descriptor cannot be had twice.
    pub(super) fn to_remember(&self) -> Option<PinSource> {
        let once = matches!(self.source, PinSource::Prompt | PinSource::Descriptor(_));
        self.pin.get().filter(|_| once).cloned().map(PinSource::Remembered)
    }

    /// What a refusal of the PIN by `device` means; the error itself where it is not about the PIN.
    pub(super) fn failure(&self, device: &Device, error: CallError) -> Result<LoginError, CallError> {
        about_pin(Who { device, is_so: false }, error, self.source.is_person())
    }
}

impl Login {
    /// The PIN for a key that wants it for each signature: the one of the login, or, on a device that wanted none for that,
    /// one that is read now. None where it is entered on the device.
    pub(super) fn pin_for_signature(&self, device: &Device) -> Result<Option<&Pin>, LoginError> {
        if let Some(pin) = self.pin.get() {
            return Ok(Some(pin));
        }
        let who = Who { device, is_so: false };
        let state = who.state_now()?;
        if state.on_device {
            return Ok(None);
        }
        refuse_early(&state, who, self.use_last_try)?;
        let pin = self.source.read(&format!("PIN for {}: ", who.name()))?;
        Ok(Some(self.pin.get_or_init(|| pin)))
    }
}

/// Logs in.
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
) -> Result<Login, LoginError> {
    let is_so = options.user_type == UserType::SecurityOfficer;
    let who = Who { device, is_so };
    let name = || who.name();
    let user = options.user_type.cku();
    let is_person = source.is_person();
    let login = |pin: Option<Pin>| Login {
        pin: pin.map(OnceCell::from).unwrap_or_default(),
        user,
        use_last_try: options.use_last_try,
        source: source.clone(),
    };
    let before = who.state_now()?;
    if !before.login_required {
        return Ok(login(None));
    }
    refuse_early(&before, who, options.use_last_try)?;
    if before.on_device {
        notice(Notice::EnterPinOnDevice { device: name() });
        return match session.login(user, None) {
            Ok(()) => Ok(login(None)),
            Err(error) if error.is(RvError::UserAlreadyLoggedIn) => Ok(login(None)),
            Err(error) => Err(failed(who, error, true)),
        };
    }

    if let Some(exposure) = source.exposure() {
        notice(Notice::PinExposed(exposure));
    }
    let mut may_ask_again = is_person && !before.count_low;
    loop {
        let pin = source.read(&format!("PIN for {}: ", name()))?;
        match session.login(user, Some(&pin)) {
            Ok(()) => return Ok(login(Some(pin))),
            Err(error) if error.is(RvError::UserAlreadyLoggedIn) => return Ok(login(Some(pin))),
            Err(error) if error.is(RvError::PinIncorrect) && may_ask_again => {
                let now = who.state();
                if !now.count_low || now.locked || now.final_try {
                    return Err(failed(who, error, true));
                }
                may_ask_again = false;
                notice(Notice::WrongPin { device: name() });
            }
            Err(error) => return Err(failed(who, error, is_person)),
        }
    }
}

/// Whose PIN it is.
#[derive(Clone, Copy)]
struct Who<'a> {
    device: &'a Device,
    is_so: bool,
}

impl Who<'_> {
    fn name(self) -> String {
        let device = self.device.describe();
        if self.is_so { format!("the security officer of {device}") } else { device }
    }

    fn state(self) -> PinState {
        self.of(self.device.pin_state())
    }

    /// For whoever is about to send a PIN: without an answer none is sent.
    fn state_now(self) -> Result<PinState, LoginError> {
        let state = self.device.pin_state_now().map_err(|error| LoginError::Failed {
            device: self.name(),
            error,
            kind: self.device.kind(),
        })?;
        Ok(self.of(state))
    }

    fn of(self, state: PinState) -> PinState {
        if self.is_so { state.of_security_officer() } else { state }
    }
}

/// Logs in once more on a new session, with what was right before.
pub(super) fn log_in_again(session: &Session, device: &Device, login: &Login) -> Result<(), LoginError> {
    let who = Who { device, is_so: false };
    let state = who.state_now()?;
    if !state.login_required {
        return Ok(());
    }
    refuse_early(&state, who, login.use_last_try)?;
    match session.login(login.user, login.pin.get()) {
        Err(error) if !error.is(RvError::UserAlreadyLoggedIn) => {
            Err(failed(who, error, login.source.is_person()))
        }
        _ => Ok(()),
    }
}

fn refuse_early(state: &PinState, who: Who<'_>, use_last_try: bool) -> Result<(), LoginError> {
    let kind = who.device.kind();
    let device = who.name();
    if state.locked {
        Err(LoginError::Locked { device, kind })
    } else if !state.set {
        Err(LoginError::NoPinSet { device })
    } else if state.final_try && !use_last_try {
        Err(LoginError::LastTry { device })
    } else {
        Ok(())
    }
}

fn failed(who: Who<'_>, error: CallError, person: bool) -> LoginError {
    about_pin(who, error, person).unwrap_or_else(|error| LoginError::Failed {
        device: who.name(),
        error,
        kind: who.device.kind(),
    })
}

/// Reads the state again: a wrong PIN may have been the one that locked the device.
fn about_pin(who: Who<'_>, error: CallError, person: bool) -> Result<LoginError, CallError> {
    let kind = who.device.kind();
    let name = who.name();
    let codes = [
        RvError::PinIncorrect,
        RvError::PinInvalid,
        RvError::PinLenRange,
        RvError::PinLocked,
        RvError::PinExpired,
        RvError::UserPinNotInitialized,
    ];
    if !codes.into_iter().any(|code| error.is(code)) {
        return Err(error);
    }
    let state = who.state();
    if error.is(RvError::PinLocked) || (error.is(RvError::PinIncorrect) && state.locked) {
        return Ok(LoginError::Locked { device: name, kind });
    }
    if error.is(RvError::UserPinNotInitialized) {
        return Ok(LoginError::NoPinSet { device: name });
    }
    if error.is(RvError::PinExpired) {
        return Ok(LoginError::Expired { device: name });
    }
    let so_secret = kind.so_secret().filter(|_| who.is_so);
    let tries = match (so_secret, state.final_try, state.count_low) {
        (Some(secret), ..) => secret.when_wrong,
        (_, true, _) if who.is_so => "one try is left before it is locked (CKF_SO_PIN_FINAL_TRY)",
        (_, true, _) => "one try is left before the PIN is locked (CKF_USER_PIN_FINAL_TRY)",
        (_, _, true) if who.is_so => {
            "the device counts wrong ones since the last right one (CKF_SO_PIN_COUNT_LOW); many lock for ever"
        }
        (_, _, true) => {
            "the device counts wrong PINs since the last right one (CKF_USER_PIN_COUNT_LOW); most lock after three"
        }
        _ => "the device does not say how many tries are left; most lock after three",
    };
    Ok(LoginError::Wrong { device: name, error, tries, person, kind })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_type_is_one_of_the_names_or_a_vendors_number() {
        assert_eq!("user".parse(), Ok(UserType::User));
        assert_eq!("crypto-user".parse(), Ok(UserType::Vendor(0x8000_0001)));
        assert_eq!("0x80000002".parse(), Ok(UserType::Vendor(0x8000_0002)));
        // CKU_SO is none that signs, and a number below the vendors' is one of the standard's.
        for wrong in ["so", "0x0", "1", "0x7fffffff", "0x180000000", "", "0x"] {
            assert!(wrong.parse::<UserType>().is_err(), "{wrong}");
        }
    }
}
