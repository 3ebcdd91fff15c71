//! What a process has learned about the PINs of devices: one login state for each device, however many roles
//! use it.
//!
//! A PIN that a device has refused is not sent again until it is requested: five roles with one wrong PIN would lock
//! a card that allows three attempts. A PIN that was right and cannot be obtained twice serves every role.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use secrecy::ExposeSecret;

use super::error::LoginError;
use super::present::Device;
use super::user_type::UserType;
use crate::pin::{Pin, PinSource};

/// All clones share it.
#[derive(Clone, Debug, Default)]
pub struct LoginMemory(Arc<Mutex<HashMap<Account, Known>>>);

/// Whose PIN it is: the device, however it is reached, and the type of user.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Account {
    /// Manufacturer, model, serial number and label.
    device: [String; 4],
    user: String,
}

#[derive(Debug, Default)]
struct Known {
    /// The correct PIN, from a source that provides it only once.
    right: Option<Pin>,
    refused: Vec<Pin>,
    /// The last PIN was refused: a person who was asked is not asked again.
    is_blocked: bool,
}

impl Account {
    pub(super) fn of(device: &Device, user: UserType) -> Self {
        let Device { manufacturer, model, serial, label, .. } = device;
        let device = [manufacturer, model, serial, label].map(Clone::clone);
        Account { device, user: format!("{user:?}") }
    }
}

impl LoginMemory {
    /// Somebody requests another attempt, even with a PIN that was refused.
    pub fn forget_refused(&self) {
        for known in self.lock().values_mut() {
            known.refused.clear();
            known.is_blocked = false;
        }
    }

    /// This PIN was not sent, because it would have been the last attempt. Another PIN is required, or a
    /// request for another attempt.
    pub(super) fn pass_over(&self, pin: &Pin) {
        self.was_refused(&Account::default(), Some(pin));
    }

    /// Whether any device has refused this PIN, or it was withheld.
    pub(super) fn has_refused(&self, pin: &Pin) -> bool {
        self.lock().values().any(|known| known.has_refused(pin))
    }

    /// The PIN for the account: the correct one if the source provides it only once, otherwise the source's.
    pub(super) fn pin(
        &self,
        account: &Account,
        source: &PinSource,
        device: &str,
        prompt: &str,
    ) -> Result<Pin, LoginError> {
        let refused_before = || LoginError::RefusedBefore { device: device.to_owned() };
        if source.gives_it_once() {
            let known = self.lock();
            let known = known.get(account);
            if let Some(pin) = known.and_then(|known| known.right.clone()) {
                return Ok(pin);
            }
            if known.is_some_and(|known| known.is_blocked) {
                return Err(refused_before());
            }
        }
        // Not under the lock: a person may take a while.
        let pin = source.read(prompt)?;
        match self.lock().get(account).is_some_and(|known| known.has_refused(&pin)) {
            true => Err(refused_before()),
            false => Ok(pin),
        }
    }

    /// The device accepted the PIN.
    pub(super) fn was_right(&self, account: &Account, source: &PinSource, pin: &Pin) {
        let mut all = self.lock();
        let known = all.entry(account.clone()).or_default();
        known.is_blocked = false;
        if source.gives_it_once() {
            known.right = Some(pin.clone());
        }
    }

    /// The device refused the PIN.
    pub(super) fn was_refused(&self, account: &Account, pin: Option<&Pin>) {
        let mut all = self.lock();
        let known = all.entry(account.clone()).or_default();
        (known.right, known.is_blocked) = (None, true);
        if let Some(pin) = pin.filter(|pin| !known.has_refused(pin)) {
            known.refused.push(pin.clone());
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Account, Known>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    fn has_refused(&self, pin: &Pin) -> bool {
        self.refused.iter().any(|refused| refused.expose().expose_secret() == pin.expose().expose_secret())
    }
}

#[cfg(test)]
mod tests {
    use secrecy::SecretString;

    use super::{Account, LoginMemory};
    use crate::device::LoginError;
    use crate::pin::{Pin, PinSource};

    fn account() -> Account {
        Account { device: ["SoftHSM", "v2", "1", "officer"].map(str::to_owned), user: "User".into() }
    }

    fn value(text: &str) -> PinSource {
        PinSource::Value(SecretString::from(text))
    }

    fn pin(memory: &LoginMemory, source: &PinSource) -> Result<Pin, LoginError> {
        memory.pin(&account(), source, "officer", "PIN: ")
    }

    #[test]
    fn a_pin_that_was_refused_is_given_again_only_on_request() {
        let memory = LoginMemory::default();
        let wrong = pin(&memory, &value("1")).unwrap();
        memory.was_refused(&account(), Some(&wrong));
        assert!(matches!(pin(&memory, &value("1")), Err(LoginError::RefusedBefore { .. })));
        assert!(memory.has_refused(&wrong));
        let other = pin(&memory, &value("2")).unwrap();
        // A PIN that was withheld can be sent once somebody requests it.
        memory.pass_over(&other);
        assert!(memory.has_refused(&other) && pin(&memory, &value("2")).is_ok());
        memory.forget_refused();
        assert!(pin(&memory, &value("1")).is_ok());
    }

    #[test]
    fn a_pin_that_can_be_read_once_serves_all_until_it_is_refused() {
        let memory = LoginMemory::default();
        // There is no such descriptor, so reading it fails.
        let once = PinSource::Descriptor(4095);
        let right = Pin::new(SecretString::from("1"), &once).unwrap();
        memory.was_right(&account(), &once, &right);
        assert!(pin(&memory, &once).is_ok());
        memory.was_refused(&account(), Some(&right));
        assert!(matches!(pin(&memory, &once), Err(LoginError::RefusedBefore { .. })));
        memory.forget_refused();
        assert!(matches!(pin(&memory, &once), Err(LoginError::Pin(_))));
    }
}
