//! The credentials of one role, obtained again whenever they are due.

use std::sync::Arc;
use std::time::Duration;

use super::clock::Clock;
use super::provider::Provider;
use super::renewal::{NextAttempt, Renewal};
use crate::error::Error;
use crate::rolesanywhere::Credentials;

/// A provider, and when it is asked next. The result of an attempt is reported with [`Renewing::succeeded`]
/// or [`Renewing::failed`], since credentials may still be useless if they could not be written.
pub struct Renewing<'a> {
    provider: Provider<'a>,
    renewal: Renewal,
}

impl<'a> Renewing<'a> {
    /// One that is due at once.
    pub fn of(provider: Provider<'a>) -> Self {
        Renewing { renewal: Renewal::due(Arc::clone(provider.clock())), provider }
    }

    /// The clock that decides when credentials expire.
    pub fn clock(&self) -> &Arc<Clock> {
        self.provider.clock()
    }

    /// Somebody requests another attempt, even with a PIN that was refused.
    pub fn forget_refused_pin(&self) {
        self.provider.forget_refused_pin();
    }

    /// Obtains credentials.
    ///
    /// # Errors
    /// As [`Provider::credentials`].
    pub fn obtain(&mut self) -> Result<Credentials, Error> {
        self.provider.credentials()
    }

    /// Credentials arrived and can be used.
    pub fn succeeded(&mut self, credentials: &Credentials) {
        self.renewal.succeeded(credentials);
    }

    /// The attempt failed. A PIN that was wrong, or that would have been the last attempt, is not sent by
    /// itself again.
    pub fn failed(&mut self, error: &Error) -> NextAttempt {
        self.renewal.failed(error)
    }

    /// How long until it is due, or until the PIN's source is checked again.
    pub fn remaining(&self) -> Duration {
        match self.renewal.waits_for_person() && self.provider.has_new_pin() {
            true => Duration::ZERO,
            false => self.renewal.remaining(),
        }
    }

    /// Whether it is due.
    pub fn is_due(&self) -> bool {
        self.remaining().is_zero()
    }
}
