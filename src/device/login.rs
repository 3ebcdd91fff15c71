//! Logging in: one attempt at a time, and the last one only on request.

mod notice;
mod options;
mod target;

use std::cell::OnceCell;

use cryptoki::error::RvError;
use cryptoki::session::UserType as Cku;

use super::call::CallError;
use super::error::LoginError;
use super::login_memory::LoginMemory;
use super::present::Device;
use super::session::Session;
use super::token_info::{PinState, PinTries};
use super::user_type::UserType;
use crate::pin::{Pin, PinSource};
use target::LoginTarget;

pub use notice::Notice;
pub use options::LoginOptions;

/// A login that succeeded, with what it takes to log in again.
#[derive(Debug)]
pub(super) struct Login {
    /// The PIN that was right; none where no login is needed or the PIN was entered on the device.
    pin: OnceCell<Pin>,
    user: Cku,
    use_last_try: bool,
    source: PinSource,
    memory: LoginMemory,
}

impl Login {
    /// What a refusal of the PIN by `device` means; the error itself where it is not about the PIN.
    pub(super) fn failure(&self, device: &Device, error: CallError) -> Result<LoginError, CallError> {
        let failure = about_pin(LoginTarget::of_user(device), error, self.source.is_person(), None)?;
        remember_refusal(&self.memory, LoginTarget::of_user(device), &failure, self.pin.get());
        Ok(failure)
    }
}

impl Login {
    /// The PIN for a key that requires it for each signature: the one of the login, or, on a device that needed none for that,
    /// one that is read now. None where it is entered on the device.
    pub(super) fn pin_for_signature(&self, device: &Device) -> Result<Option<&Pin>, LoginError> {
        if let Some(pin) = self.pin.get() {
            return Ok(Some(pin));
        }
        let target = LoginTarget::of_user(device);
        let state = target.state_now()?;
        if state.on_device {
            return Ok(None);
        }
        refuse_early(&state, target, self.use_last_try)?;
        let form = target.form(&state, self.use_last_try);
        let pin = target.read_pin(&self.source, &self.memory, form)?;
        Ok(Some(self.pin.get_or_init(|| pin)))
    }
}

/// Logs in.
///
/// A wrong PIN from a file is not tried again. A person is asked once more, but only if more than one attempt
/// must be left. That is known of a device that maintains CKF_USER_PIN_COUNT_LOW, which shows when the wrong
/// PIN switches it on: then this was the first wrong PIN, and no device in use locks after fewer than three.
/// Nothing is known about a device that does not maintain the flag. A person is also asked once more for a
/// PIN that the device did not count, because it has the wrong form.
pub(super) fn log_in(
    session: &Session,
    device: &Device,
    source: &PinSource,
    options: &LoginOptions,
    notice: &mut dyn FnMut(Notice),
) -> Result<Login, LoginError> {
    let target = LoginTarget { device, user: options.user_type };
    let name = || target.name();
    let user = options.user_type.cku();
    let is_person = source.is_person();
    let login = |pin: Option<Pin>| Login {
        pin: pin.map(OnceCell::from).unwrap_or_default(),
        user,
        use_last_try: options.use_last_try,
        source: source.clone(),
        memory: options.memory.clone(),
    };
    let state = target.state_now()?;
    if !state.login_required {
        return Ok(login(None));
    }
    refuse_early(&state, target, options.use_last_try)?;
    if state.on_device {
        notice(Notice::EnterPinOnDevice { device: name() });
        return match session.login(user, None) {
            Ok(()) => Ok(login(None)),
            Err(error) if error.is(RvError::UserAlreadyLoggedIn) => Ok(login(None)),
            Err(error) if error.is_one_of(&[RvError::FunctionCanceled, RvError::FunctionRejected]) => {
                Err(LoginError::NotEntered { device: name(), error })
            }
            Err(error) => Err(failed(target, error, true, None)),
        };
    }

    if let Some(exposure) = source.exposure() {
        notice(Notice::PinExposed(exposure));
    }
    let form = target.form(&state, options.use_last_try);
    let before = state.tries_of(target.user);
    let mut may_be_wrong_again = is_person && !before.count_low;
    let mut may_have_wrong_form_again = is_person && !before.final_try;
    loop {
        let pin = match target.read_pin(source, &options.memory, form) {
            Err(LoginError::WrongLength { length, accepted, user, kind, .. })
                if may_have_wrong_form_again =>
            {
                may_have_wrong_form_again = false;
                notice(Notice::WrongForm {
                    device: name(),
                    secret: kind.name_of_secret(user),
                    length,
                    accepted: Some(accepted),
                });
                continue;
            }
            Err(error) => {
                remember_refusal(&options.memory, target, &error, None);
                return Err(error);
            }
            Ok(pin) => pin,
        };
        if !is_person && pin.has_outer_blank() {
            notice(Notice::OuterBlank { source: source.to_string() });
        }
        let counted = target.counted(&pin);
        refuse_early(&state, counted, options.use_last_try)?;
        let before = state.tries_of(counted.user);
        let error = match session.login(user, Some(&pin)) {
            Ok(()) => {
                options.memory.was_right(&target.account(), source, &pin);
                return Ok(login(Some(pin)));
            }
            Err(error) if error.is(RvError::UserAlreadyLoggedIn) => return Ok(login(Some(pin))),
            // The management key is not kept behind the PIN.
            Err(error)
                if error.is(RvError::UserPinNotInitialized) && target.user == UserType::SecurityOfficer =>
            {
                return Err(target.failed(error));
            }
            Err(error) => failed(counted, error, is_person, Some(Sent { pin: &pin, before })),
        };
        let again = match &error {
            LoginError::Wrong { error: said, tries, .. }
                if may_be_wrong_again
                    && !before.count_low
                    && said.is(RvError::PinIncorrect)
                    && tries.count_low
                    && !tries.final_try =>
            {
                may_be_wrong_again = false;
                Notice::WrongPin { device: name() }
            }
            LoginError::WrongForm { sent, accepted, is_uncounted: true, user, kind, .. }
                if may_have_wrong_form_again =>
            {
                may_have_wrong_form_again = false;
                let (length, accepted) = (*sent, accepted.clone());
                Notice::WrongForm { device: name(), secret: kind.name_of_secret(*user), length, accepted }
            }
            LoginError::UnknownUser { kind, .. }
                if may_have_wrong_form_again && !kind.counts_wrong_pins() =>
            {
                may_have_wrong_form_again = false;
                Notice::UnknownUser { device: name(), form: kind.pin_form() }
            }
            _ => {
                remember_refusal(&options.memory, target, &error, Some(&pin));
                return Err(error);
            }
        };
        notice(again);
    }
}

/// What the device reported about this PIN, or about the length of all PINs, applies to every later login of
/// the process.
fn remember_refusal(memory: &LoginMemory, target: LoginTarget<'_>, failure: &LoginError, pin: Option<&Pin>) {
    if matches!(
        failure,
        LoginError::Wrong { .. }
            | LoginError::UnknownUser { .. }
            | LoginError::WrongForm { .. }
            | LoginError::WrongLength { .. }
            | LoginError::Locked { .. }
            | LoginError::Expired { .. }
    ) {
        memory.was_refused(&target.account(), pin);
    }
}

/// A PIN that was sent, and what the device said of its tries before.
struct Sent<'a> {
    pin: &'a Pin,
    before: PinTries,
}

/// Logs in once more on a new session, with what was right before.
pub(super) fn log_in_again(session: &Session, device: &Device, login: &Login) -> Result<(), LoginError> {
    let target = LoginTarget::of_user(device);
    let state = target.state_now()?;
    if !state.login_required {
        return Ok(());
    }
    refuse_early(&state, target, login.use_last_try)?;
    match session.login(login.user, login.pin.get()) {
        Err(error) if !error.is(RvError::UserAlreadyLoggedIn) => {
            let failure = failed(target, error, login.source.is_person(), None);
            remember_refusal(&login.memory, target, &failure, login.pin.get());
            Err(failure)
        }
        _ => Ok(()),
    }
}

/// Logs the user in again, for a key that requires this before each signature, with the PIN that was right
/// before. A module that considers the user logged in still does not look at the PIN, so the user is logged
/// out first.
pub(super) fn renew_login(session: &Session, device: &Device, login: &Login) -> Result<(), LoginError> {
    let target = LoginTarget::of_user(device);
    refuse_early(&target.state_now()?, target, login.use_last_try)?;
    let pin = login.pin_for_signature(device)?;
    let log_in = || session.login(login.user, pin);
    let result = match log_in() {
        Err(error) if error.is(RvError::UserAlreadyLoggedIn) => session.logout().and_then(|()| log_in()),
        result => result,
    };
    result.map_err(|error| failed(target, error, login.source.is_person(), None))
}

fn refuse_early(state: &PinState, target: LoginTarget<'_>, use_last_try: bool) -> Result<(), LoginError> {
    let kind = target.device.kind();
    let device = target.name();
    let tries = state.tries_of(target.user);
    if tries.locked {
        Err(LoginError::Locked { device, said: "CKR_PIN_LOCKED".into(), user: target.user, kind })
    } else if !state.set {
        Err(LoginError::NoPinSet { device })
    } else if tries.final_try && !use_last_try {
        Err(LoginError::LastTry { device })
    } else {
        Ok(())
    }
}

/// `sent` is what a login was tried with that has not been right before; none of a PIN that was.
fn failed(target: LoginTarget<'_>, error: CallError, person: bool, sent: Option<Sent<'_>>) -> LoginError {
    about_pin(target, error, person, sent).unwrap_or_else(|error| target.failed(error))
}

/// Reads the state again: a wrong PIN may have been the one that locked the device.
fn about_pin(
    target: LoginTarget<'_>,
    error: CallError,
    person: bool,
    sent: Option<Sent<'_>>,
) -> Result<LoginError, CallError> {
    let kind = target.device.kind();
    let name = target.name();
    let codes = [
        RvError::PinIncorrect,
        RvError::PinInvalid,
        RvError::PinLenRange,
        RvError::PinLocked,
        RvError::PinExpired,
        RvError::UserPinNotInitialized,
    ];
    // What ykcs11 (2.2) and yubihsm_pkcs11 say of a PIN or management key that has not the form of one, and of an
    // authentication key that is not there.
    let codes_of_form = [RvError::ArgumentsBad, RvError::ObjectHandleInvalid];
    let is_about_form = sent.is_some() && error.is_one_of(&codes_of_form);
    if !is_about_form && !error.is_one_of(&codes) {
        return Err(error);
    }
    if error.is(RvError::ObjectHandleInvalid) && kind.when_user_unknown().is_some() {
        return Ok(LoginError::UnknownUser { device: name, error, person, kind });
    }
    let now = target.tries();
    let tries = now.unwrap_or_default();
    if error.is(RvError::PinLocked) || (error.is(RvError::PinIncorrect) && tries.locked) {
        let said = if error.is(RvError::PinLocked) { error.ckr_name() } else { "CKR_PIN_LOCKED".into() };
        return Ok(LoginError::Locked { device: name, said, user: target.user, kind });
    }
    if error.is(RvError::UserPinNotInitialized) {
        return Ok(LoginError::NoPinSet { device: name });
    }
    if error.is(RvError::PinExpired) {
        return Ok(LoginError::Expired { device: name, kind });
    }
    match sent {
        // A device that counts it takes it for a wrong one.
        Some(Sent { pin, before })
            if !error.is(RvError::PinIncorrect) && now.is_none_or(|now| now == before) =>
        {
            let sent = pin.length();
            let by_device = target.device.pin_state().length;
            let accepted = kind.pin_length().map(str::to_owned).or_else(|| by_device.in_words_without(pin));
            Ok(LoginError::WrongForm {
                device: name,
                error,
                sent,
                accepted,
                is_uncounted: now.is_some() && !before.count_low,
                user: target.user,
                person,
                kind,
            })
        }
        _ => Ok(LoginError::Wrong { device: name, error, tries, user: target.user, person, kind }),
    }
}
