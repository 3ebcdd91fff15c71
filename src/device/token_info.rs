//! What a device reports about itself: CK_TOKEN_INFO.

use cryptoki::slot::Slot;
use cryptoki_sys::{
    CK_FLAGS, CK_TOKEN_INFO, CKF_LOGIN_REQUIRED, CKF_PROTECTED_AUTHENTICATION_PATH, CKF_SO_PIN_COUNT_LOW,
    CKF_SO_PIN_FINAL_TRY, CKF_SO_PIN_LOCKED, CKF_TOKEN_INITIALIZED, CKF_USER_PIN_COUNT_LOW,
    CKF_USER_PIN_FINAL_TRY, CKF_USER_PIN_INITIALIZED, CKF_USER_PIN_LOCKED,
};

use secrecy::ExposeSecret;

use super::call::CallError;
use super::module::{Module, trim};
use super::user_type::UserType;
use crate::pin::Pin;
use crate::uri;

/// What a device reports about its PINs. Reading it costs no attempt.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PinState {
    /// CKF_LOGIN_REQUIRED.
    pub login_required: bool,
    /// CKF_USER_PIN_INITIALIZED.
    pub set: bool,
    /// CKF_PROTECTED_AUTHENTICATION_PATH: the PIN is entered on the device itself.
    pub on_device: bool,
    /// The user's PIN.
    pub user: PinTries,
    /// The security officer's.
    pub security_officer: PinTries,
    /// ulMinPinLen and ulMaxPinLen, in bytes.
    pub length: PinLength,
}

/// How long a PIN may be according to the device, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PinLength {
    /// ulMinPinLen.
    pub least: u64,
    /// ulMaxPinLen.
    pub most: u64,
}

impl PinLength {
    /// For a device that does not say.
    const UNKNOWN: Self = PinLength { least: 0, most: 0 };
    /// No PIN is longer: larger values are CK_UNAVAILABLE_INFORMATION or CK_EFFECTIVELY_INFINITE.
    const LONGEST: u64 = 1024;

    /// `6 to 8 characters`, if the device's limits are plausible and `pin` is outside of them.
    pub(super) fn in_words_without(self, pin: &Pin) -> Option<String> {
        let PinLength { least, most } = self;
        // The limits are in bytes; some modules count characters.
        let lengths = [pin.length(), pin.expose().expose_secret().len()];
        let fits = lengths.iter().any(|&length| (least..=most).contains(&(length as u64)));
        if most == 0 || most < least || most > Self::LONGEST || fits {
            return None;
        }
        Some(if least == most {
            format!("{most} characters")
        } else {
            format!("{least} to {most} characters")
        })
    }
}

/// What a device reports about the attempts that are left for a PIN.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PinTries {
    /// CKF_USER_PIN_COUNT_LOW, CKF_SO_PIN_COUNT_LOW: a wrong PIN was entered since the last correct one.
    pub count_low: bool,
    /// CKF_USER_PIN_FINAL_TRY, CKF_SO_PIN_FINAL_TRY: one more wrong PIN locks it.
    pub final_try: bool,
    /// CKF_USER_PIN_LOCKED, CKF_SO_PIN_LOCKED.
    pub locked: bool,
}

impl PinState {
    /// What is known about the PIN of a device that does not answer.
    pub(super) const UNKNOWN: Self = PinState {
        login_required: true,
        set: true,
        on_device: false,
        user: PinTries { count_low: false, final_try: false, locked: false },
        security_officer: PinTries { count_low: false, final_try: false, locked: false },
        length: PinLength::UNKNOWN,
    };

    /// The attempts that are left for a login.
    pub(super) fn tries_of(&self, user: UserType) -> PinTries {
        match user {
            UserType::User | UserType::Vendor(_) => self.user,
            UserType::SecurityOfficer => self.security_officer,
        }
    }
}

/// The part of CK_TOKEN_INFO that is used.
pub(super) struct DeviceInfo {
    pub(super) names: Names,
    pub(super) label: String,
    pub(super) manufacturer: String,
    pub(super) model: String,
    pub(super) serial: String,
    pub(super) initialised: bool,
    pub(super) pin: PinState,
}

/// A device's own names: bytes, which need not be UTF-8. Without their padding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Names {
    pub(super) label: Vec<u8>,
    pub(super) manufacturer: Vec<u8>,
    pub(super) model: Vec<u8>,
    pub(super) serial: Vec<u8>,
}

impl Names {
    fn of(label: &[u8], manufacturer: &[u8], model: &[u8], serial: &[u8]) -> Self {
        let bytes = |field| uri::without_padding(field).to_vec();
        Names {
            label: bytes(label),
            manufacturer: bytes(manufacturer),
            model: bytes(model),
            serial: bytes(serial),
        }
    }

    /// Whether the serial number distinguishes this device from others: every TPM has one of zeros.
    pub(super) fn has_serial(&self) -> bool {
        self.serial.iter().any(|byte| *byte != b'0')
    }
}

impl DeviceInfo {
    pub(super) fn describe(&self) -> String {
        let label = if self.label.is_empty() { "a device without a label" } else { &self.label };
        let mut facts = Vec::new();
        if !self.model.is_empty() {
            facts.push(self.model.clone());
        }
        if !self.serial.is_empty() && !self.label.contains(&self.serial) {
            facts.push(format!("serial {}", self.serial));
        }
        let text =
            if facts.is_empty() { label.to_owned() } else { format!("{label} ({})", facts.join(", ")) };
        // A label may be any bytes, and this text goes into prompts: it must not be able to move the cursor.
        text.replace(char::is_control, "\u{fffd}")
    }

    pub(super) fn read(module: &Module, slot: Slot) -> Result<Self, CallError> {
        let read = module.call("C_GetTokenInfo", &module.name, move |functions| functions.token_info(slot));
        read.map(|info| Self::from_raw(&info))
    }

    #[allow(clippy::unnecessary_cast, reason = "a CK_ULONG has 32 bits on Windows")]
    fn from_raw(info: &CK_TOKEN_INFO) -> Self {
        let has = |flag: CK_FLAGS| info.flags & flag != 0;
        let text = |field: &[u8]| trim(&String::from_utf8_lossy(field));
        DeviceInfo {
            names: Names::of(&info.label, &info.manufacturerID, &info.model, &info.serialNumber),
            label: text(&info.label),
            manufacturer: text(&info.manufacturerID),
            model: text(&info.model),
            serial: text(&info.serialNumber),
            initialised: has(CKF_TOKEN_INITIALIZED),
            pin: PinState {
                login_required: has(CKF_LOGIN_REQUIRED),
                set: has(CKF_USER_PIN_INITIALIZED),
                on_device: has(CKF_PROTECTED_AUTHENTICATION_PATH),
                user: PinTries {
                    count_low: has(CKF_USER_PIN_COUNT_LOW),
                    final_try: has(CKF_USER_PIN_FINAL_TRY),
                    locked: has(CKF_USER_PIN_LOCKED),
                },
                security_officer: PinTries {
                    count_low: has(CKF_SO_PIN_COUNT_LOW),
                    final_try: has(CKF_SO_PIN_FINAL_TRY),
                    locked: has(CKF_SO_PIN_LOCKED),
                },
                length: PinLength { least: info.ulMinPinLen as u64, most: info.ulMaxPinLen as u64 },
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use secrecy::SecretString;

    use super::*;
    use crate::pin::PinSource;

    #[test]
    fn a_range_of_lengths_is_shown_if_it_is_plausible_and_explains_something() {
        let pin = |text: &str| Pin::new(SecretString::from(text), &PinSource::Prompt).unwrap();
        let said = |least, most| PinLength { least, most }.in_words_without(&pin("12345"));
        assert_eq!(said(6, 8).as_deref(), Some("6 to 8 characters"));
        assert_eq!(said(8, 8).as_deref(), Some("8 characters"));
        for (least, most) in [(0, 0), (8, 6), (4, 8), (5, 5), (6, u64::MAX), (u64::MAX, u64::MAX)] {
            assert_eq!(said(least, most), None, "{least}, {most}");
        }
        // 4 characters in 8 bytes.
        let accepted = |least, most| PinLength { least, most }.in_words_without(&pin("äöüß")).is_none();
        assert!(accepted(4, 4) && accepted(8, 8) && !accepted(5, 7));
    }
}
