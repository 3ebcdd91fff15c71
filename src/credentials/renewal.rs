//! The next renewal: when the policy says so and, after a failure, repeatedly with growing pauses.

use std::sync::Arc;
use std::time::Duration;

use super::clock::Clock;
use super::jitter;
use super::lifetime::due_in_background_at;
use crate::error::{Error, Exit};
use crate::rolesanywhere::Credentials;

/// In seconds. The longest pause after a failure.
const LONGEST_PAUSE: i64 = 60;
/// Credentials that live for [`LONG`] are renewed earlier by a random time up to this, so that many servers
/// that started together do not ask together.
const SPREAD: Duration = Duration::from_secs(31);
/// In seconds: AWS's shortest session. Shorter-lived credentials have no time to lose.
const LONG: i64 = 900;
/// How often the source of a wrong PIN is checked.
const LOOK_AT_PIN_EVERY: Duration = Duration::from_secs(3);

/// The moment of the next renewal. It is compared with the clock repeatedly, so that a computer that slept
/// renews when it wakes.
#[derive(Clone, Debug)]
pub struct Renewal {
    clock: Arc<Clock>,
    /// In Unix seconds.
    at: i64,
    failures: u32,
    /// The clock's mark at the last attempt.
    mark: i64,
    /// A wrong PIN is not sent again unless a person requests it.
    waits_for_person: bool,
}

/// When a failed renewal is tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NextAttempt {
    /// Without a request.
    In(Duration),
    /// On request, or when the PIN's file holds another PIN: this one was wrong, and is not sent again.
    WhenAsked,
}

impl Renewal {
    /// Due at once.
    pub fn due(clock: Arc<Clock>) -> Self {
        Renewal { mark: clock.mark(), clock, at: 0, failures: 0, waits_for_person: false }
    }

    /// Schedules the next renewal after credentials arrived.
    pub fn succeeded(&mut self, credentials: &Credentials) {
        let now = self.clock.now();
        self.mark = self.clock.mark();
        let end = credentials.expiration().unix_seconds();
        let left = end - now;
        (self.failures, self.waits_for_person) = (0, false);
        if left <= 0 {
            // This computer's clock is ahead by more than their life; AWS must not be asked without a pause.
            self.at = now + LONGEST_PAUSE;
            return;
        }
        // Because the clocks use whole seconds, the shortest session may look one second shorter.
        let spread = if left >= LONG - 30 { jitter::up_to(SPREAD) } else { Duration::ZERO };
        self.at = due_in_background_at(now, end) - i64::try_from(spread.as_secs()).unwrap_or_default();
    }

    /// Schedules the next attempt after a failure.
    pub fn failed(&mut self, error: &Error) -> NextAttempt {
        let pause = LONGEST_PAUSE.min(1 << self.failures.min(6));
        self.failures = self.failures.saturating_add(1);
        self.at = self.clock.now() + pause;
        self.mark = self.clock.mark();
        self.waits_for_person = error.exit() == Exit::Pin;
        match self.waits_for_person {
            true => NextAttempt::WhenAsked,
            false => NextAttempt::In(self.remaining()),
        }
    }

    /// Whether only a person can help: another attempt could lock the device.
    pub fn waits_for_person(&self) -> bool {
        self.waits_for_person
    }

    /// How long until the renewal, zero if it is due. While it waits for a person: how long until the PIN's
    /// source is checked again.
    pub fn remaining(&self) -> Duration {
        if self.waits_for_person {
            return LOOK_AT_PIN_EVERY;
        }
        // After somebody sets the clock, AWS is asked for the time.
        if self.clock.has_stepped_since(self.mark) {
            return Duration::ZERO;
        }
        Duration::from_secs(u64::try_from(self.at - self.clock.now()).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::{Renewal, SPREAD};
    use crate::credentials::Clock;
    use crate::device::LoginError;
    use crate::error::{Error, Exit, Explain};
    use crate::rolesanywhere::Credentials;

    /// The clock may tick between two readings, and the test may be interrupted.
    const PATIENCE: u64 = 30;

    #[track_caller]
    fn is_about(renewal: &Renewal, seconds: u64) {
        let remaining = renewal.remaining().as_secs();
        assert!(
            (seconds.saturating_sub(PATIENCE)..=seconds).contains(&remaining),
            "{remaining}, not {seconds}"
        );
    }

    fn credentials(clock: &Clock, life: i64) -> Credentials {
        Credentials::example_until(clock.now() + life)
    }

    fn renewed(life: i64) -> Renewal {
        let clock = Arc::new(Clock::default());
        let mut renewal = Renewal::due(Arc::clone(&clock));
        renewal.succeeded(&credentials(&clock, life));
        renewal
    }

    #[derive(Debug, thiserror::Error)]
    #[error("no network")]
    struct NoNetwork;

    impl Explain for NoNetwork {
        fn exit(&self) -> Exit {
            Exit::Aws
        }
    }

    fn wrong_pin() -> Error {
        LoginError::LastTry { device: "officer".into() }.into()
    }

    #[test]
    fn at_first_it_is_due() {
        assert!(Renewal::due(Arc::default()).remaining().is_zero());
    }

    #[test]
    fn long_credentials_are_renewed_when_they_are_due_or_a_little_earlier() {
        for (life, latest) in [(900, 225), (3600, 1800), (43_200, 21_600)] {
            let remaining = renewed(life).remaining().as_secs();
            assert!(
                (latest - SPREAD.as_secs() - PATIENCE..=latest).contains(&remaining),
                "{life}: {remaining}"
            );
        }
    }

    #[test]
    fn short_credentials_are_renewed_at_a_quarter_of_their_life() {
        for (life, due) in [(600, 150), (300, 75), (100, 25)] {
            is_about(&renewed(life), due);
        }
    }

    #[test]
    fn credentials_that_have_ended_are_renewed_after_a_pause() {
        for life in [0, -1, -86_400] {
            is_about(&renewed(life), 60);
        }
    }

    #[test]
    fn after_failures_the_pauses_grow_to_a_minute_and_a_success_ends_them() {
        let clock = Arc::new(Clock::default());
        let mut renewal = Renewal::due(Arc::clone(&clock));
        for pause in [1, 2, 4, 8, 16, 32, 60, 60, 60] {
            renewal.failed(&NoNetwork.into());
            is_about(&renewal, pause);
        }
        renewal.succeeded(&credentials(&clock, 100));
        is_about(&renewal, 25);
        renewal.failed(&NoNetwork.into());
        is_about(&renewal, 1);
    }

    #[test]
    fn after_a_wrong_pin_it_waits_for_a_person() {
        let clock = Arc::new(Clock::default());
        let mut renewal = Renewal::due(Arc::clone(&clock));
        renewal.failed(&wrong_pin());
        assert!(renewal.waits_for_person());
        clock.set_back(-100 * 365 * 86_400);
        assert!(!renewal.remaining().is_zero());
        renewal.succeeded(&credentials(&clock, 3600));
        assert!(!renewal.waits_for_person());
    }

    #[test]
    fn it_is_due_when_the_clock_says_so_even_after_a_jump() {
        let clock = Arc::new(Clock::default());
        let mut renewal = Renewal::due(Arc::clone(&clock));
        renewal.succeeded(&credentials(&clock, 3600));
        assert!(!renewal.remaining().is_zero());
        // As after an hour of sleep.
        clock.set_back(-3600);
        assert!(renewal.remaining().is_zero());
    }
}
