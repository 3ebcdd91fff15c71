//! When credentials are renewed: five minutes before they end, and, after a failure, again and again with growing pauses.

use std::time::Duration;

use countersign::error::{Error, Exit};
use countersign::rolesanywhere::Credentials;

use super::obtain::{jitter, now};

/// AWS's SDKs begin to ask for new ones then. In seconds.
const MARGIN: i64 = 300;
/// The longest pause after a failure. In seconds.
const LONGEST_PAUSE: i64 = 60;

/// The moment of the next renewal, in this computer's time: it is compared with the clock again and again, so that a computer
/// that slept renews when it wakes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Renewal {
    at: i64,
    failures: u32,
    /// A wrong PIN is not sent again by itself.
    waits_for_person: bool,
}

impl Renewal {
    /// At once.
    pub(crate) fn due() -> Self {
        Renewal { at: 0, failures: 0, waits_for_person: false }
    }

    /// After credentials came. Short ones are renewed at half their life.
    pub(crate) fn succeeded(&mut self, credentials: &Credentials) {
        let end = credentials.expiration().unix_seconds();
        let left = end - now();
        if left <= 0 {
            // This computer's clock is ahead by more than they live; AWS must not be asked without a pause.
            *self = Renewal { at: now() + LONGEST_PAUSE, failures: 0, waits_for_person: false };
            return;
        }
        let margin = MARGIN.min(left / 2).max(1);
        // Up to a quarter of a second, and for many servers that started together seconds.
        let spread = if margin == MARGIN { i64::from(jitter().subsec_millis() / 8) } else { 0 };
        *self = Renewal { at: end - margin - spread, failures: 0, waits_for_person: false };
    }

    /// After none came.
    pub(crate) fn failed(&mut self, error: &Error) {
        let pause = LONGEST_PAUSE.min(1 << self.failures.min(6));
        self.failures += 1;
        self.at = now() + pause;
        self.waits_for_person = error.exit() == Exit::Pin;
    }

    /// Whether nothing but a person can help: the next try could lock the device.
    pub(crate) fn waits_for_person(&self) -> bool {
        self.waits_for_person
    }

    /// How long until then; for whoever waits for a person, longer than anybody lives.
    pub(crate) fn remaining(&self) -> Duration {
        if self.waits_for_person {
            return Duration::MAX / 4;
        }
        Duration::from_secs(u64::try_from(self.at - now()).unwrap_or_default())
    }
}
