//! Where a login goes: whose PIN it is, which form it has, and what the device says of it.

use crate::device::call::CallError;
use crate::device::error::LoginError;
use crate::device::kind::SoSecret;
use crate::device::login_memory::{Account, LoginMemory};
use crate::device::present::Device;
use crate::device::token_info::{PinLength, PinState, PinTries};
use crate::device::user_type::UserType;
use crate::pin::{Pin, PinSource};

/// What tells that a secret cannot be right.
#[derive(Clone, Copy)]
pub(super) enum Form {
    /// The lengths that the device states.
    Pin(PinLength),
    /// A shorter one would be taken for the user's PIN.
    SoSecret(&'static SoSecret),
}

/// Where a login goes: whose PIN it is.
#[derive(Clone, Copy)]
pub(super) struct LoginTarget<'a> {
    pub(super) device: &'a Device,
    pub(super) user: UserType,
}

impl<'a> LoginTarget<'a> {
    /// Only users sign.
    pub(super) fn of_user(device: &'a Device) -> Self {
        LoginTarget { device, user: UserType::User }
    }

    pub(super) fn name(self) -> String {
        let device = self.device.describe();
        match self.user {
            UserType::User | UserType::Vendor(_) => device,
            UserType::SecurityOfficer if self.device.kind().so_secret().is_some() => device,
            UserType::SecurityOfficer => format!("the security officer of {device}"),
        }
    }

    /// What a person is asked.
    pub(super) fn prompt(self) -> String {
        let secret = self.device.kind().so_secret().filter(|_| self.user == UserType::SecurityOfficer);
        let secret = secret.map_or("PIN", |secret| secret.prompt);
        format!("{secret} for {}: ", self.name())
    }

    /// Whose attempts a wrong `secret` costs. If a short one is sent instead of the management key, ykcs11 takes it for the
    /// user's PIN: a YubiKey can keep that key behind the PIN.
    pub(super) fn counted(self, secret: &Pin) -> Self {
        let sent_as_pin = |so_secret: &SoSecret| secret.length() <= so_secret.longest_pin;
        match self.device.kind().so_secret() {
            Some(so_secret) if self.user == UserType::SecurityOfficer && sent_as_pin(so_secret) => {
                LoginTarget { user: UserType::User, ..self }
            }
            _ => self,
        }
    }

    pub(super) fn account(self) -> Account {
        Account::of(self.device, self.user)
    }

    /// Which secrets need not be sent, because they cannot be right. None if the device does not say, or if somebody accepts the
    /// risk of a refusal.
    pub(super) fn form(self, state: &PinState, takes_risk: bool) -> Option<Form> {
        if takes_risk {
            return None;
        }
        match self.user {
            UserType::User => Some(Form::Pin(state.length)),
            UserType::SecurityOfficer => self.device.kind().so_secret().map(Form::SoSecret),
            UserType::Vendor(_) => None,
        }
    }

    /// A secret that the device would count as a wrong PIN for its length alone is not returned.
    pub(super) fn read_pin(
        self,
        source: &PinSource,
        memory: &LoginMemory,
        form: Option<Form>,
    ) -> Result<Pin, LoginError> {
        let kind = self.device.kind();
        let pin = memory.pin(&self.account(), source, &self.name(), &self.prompt())?;
        let accepted = match form {
            // The kind's own words: ykcs11 states the length of the management key as the longest.
            Some(Form::Pin(length)) => length
                .in_words_without(&pin)
                .map(|by_device| kind.pin_length().map_or(by_device, str::to_owned)),
            Some(Form::SoSecret(secret)) => {
                (pin.length() <= secret.longest_pin).then(|| secret.form.to_owned())
            }
            None => None,
        };
        match accepted {
            Some(accepted) => Err(LoginError::WrongLength {
                device: self.name(),
                length: pin.length(),
                accepted,
                user: self.user,
                person: source.is_person(),
                kind,
            }),
            None => Ok(pin),
        }
    }

    /// None where the device does not answer.
    pub(super) fn tries(self) -> Option<PinTries> {
        self.device.pin_state_now().ok().map(|state| state.tries_of(self.user))
    }

    /// A failure that is not about the PIN.
    pub(super) fn failed(self, error: CallError) -> LoginError {
        LoginError::Failed {
            device: self.name(),
            is_pulled_out: self.device.is_pulled_out(&error),
            error,
            kind: self.device.kind(),
        }
    }

    /// For a caller that is about to send a PIN: without an answer none is sent. The security officer always needs one.
    pub(super) fn state_now(self) -> Result<PinState, LoginError> {
        let state = self.device.pin_state_now().map_err(|error| self.failed(error))?;
        Ok(match self.user {
            UserType::User | UserType::Vendor(_) => state,
            UserType::SecurityOfficer => PinState { login_required: true, set: true, ..state },
        })
    }
}
