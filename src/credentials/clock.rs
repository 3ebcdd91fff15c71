//! AWS's time: signatures are valid and credentials expire by AWS's clock, and this computer's may differ.
//!
//! *What is the time of a request?* This computer's, corrected by what AWS reported when it refused one.
//! *Have these credentials expired?* That is counted from the moment at which AWS issued them, in time since
//! this computer was started, so that setting its clock does not make them last longer.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::error::{Exit, Explain};
use crate::platform::process::since_start;
use crate::rolesanywhere::SigningTime;

/// In seconds. A larger correction is not believed: such a clock has to be set.
const MOST_AHEAD: i64 = 86_400;
/// In seconds. This computer's clock and the time since its start drift apart by less than this, unless
/// somebody sets the clock.
const STEP: i64 = 2;

/// This computer's clock, corrected by what AWS reports. Everything that compares with the expiry of
/// credentials shares it.
#[derive(Debug, Default)]
pub struct Clock(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// AWS's time at this computer's start, in milliseconds since 1970, once AWS has reported its time.
    start: Option<i64>,
    /// By how much AWS reported this computer's clock to be ahead of its own, and what [`Clock::mark`] was
    /// then.
    ahead: Option<(i64, i64)>,
}

impl Clock {
    /// AWS's time in Unix seconds, for comparing with the expiry of credentials: this computer's, as long as
    /// AWS has not reported its own.
    pub fn now(&self) -> i64 {
        let start = self.lock().start;
        start.map_or_else(|| self.own(), |start| start.saturating_add(since_start()).div_euclid(1000))
    }

    /// The time of requests in Unix seconds: this computer's, corrected by what AWS reported. Once somebody
    /// sets the clock, that no longer counts.
    pub fn own(&self) -> i64 {
        self.own_millis().div_euclid(1000)
    }

    fn own_millis(&self) -> i64 {
        let ahead = self.lock().ahead.filter(|(_, mark)| !self.has_stepped_since(*mark));
        wall().saturating_sub(ahead.map_or(0, |(ahead, _)| ahead * 1000))
    }

    /// AWS, which issued credentials, reported `age` ago that its time was `date`, in Unix seconds.
    pub fn heard(&self, date: i64, age: Duration) {
        let age = i64::try_from(age.as_millis()).unwrap_or(i64::MAX);
        let date = date.saturating_mul(1000);
        // AWS reports whole seconds; if this clock agrees with them, it knows the rest.
        let then = self.own_millis().saturating_sub(age).clamp(date, date.saturating_add(999));
        self.lock().start = Some(then.saturating_add(age).saturating_sub(since_start()));
    }

    /// AWS refused a request because of its time: [`Clock::own`] is ahead of AWS's by this many seconds, or
    /// behind it if negative. False if that is implausible: then nothing changes.
    #[must_use]
    pub fn is_ahead_by(&self, seconds: i64) -> bool {
        let aws = self.own_millis().saturating_sub(seconds.saturating_mul(1000));
        let ahead = wall().saturating_sub(aws) / 1000;
        let is_believed = (-MOST_AHEAD..=MOST_AHEAD).contains(&ahead);
        if is_believed {
            let mut state = self.lock();
            state.ahead = Some((ahead, self.mark()));
            state.start = Some(aws.saturating_sub(since_start()));
        }
        is_believed
    }

    /// A value that stays the same until somebody sets this computer's clock.
    pub fn mark(&self) -> i64 {
        wall().saturating_sub(since_start()) / 1000
    }

    /// Whether somebody has set the clock since it had that mark: then the time is unknown until AWS reports
    /// it.
    pub fn has_stepped_since(&self, mark: i64) -> bool {
        self.mark().abs_diff(mark) > STEP.unsigned_abs()
    }

    /// [`Clock::own`], in the form for requests.
    ///
    /// # Errors
    /// [`ClockError`] if the year does not have four digits.
    pub fn signing_time(&self) -> Result<SigningTime, ClockError> {
        SigningTime::from_unix_seconds(self.own()).ok_or(ClockError)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// This computer's clock, in milliseconds since 1970.
fn wall() -> i64 {
    let time = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_millis());
    i64::try_from(time).unwrap_or(i64::MAX)
}

/// A time at which no request can be dated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this computer's clock is out of range")]
pub struct ClockError;

impl Explain for ClockError {
    fn exit(&self) -> Exit {
        Exit::Other
    }

    fn hint(&self) -> Option<String> {
        Some("set it".into())
    }
}

#[cfg(test)]
impl Clock {
    /// As if this many seconds had been taken off [`Clock::now`].
    pub(crate) fn set_back(&self, seconds: i64) {
        let now = self.now();
        self.heard(now - seconds, Duration::ZERO);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Clock, MOST_AHEAD, wall};

    /// The test may be interrupted between two readings of the clock.
    const PATIENCE: i64 = 60;

    #[track_caller]
    fn is_about(time: i64, expected: i64) {
        assert!((0..PATIENCE).contains(&(time - expected)), "{time}, not {expected}");
    }

    #[test]
    fn the_time_is_this_computers_until_aws_reports_another() {
        let (clock, start) = (Clock::default(), wall() / 1000);
        is_about(clock.now(), start);
        is_about(clock.own(), start);
        for (ahead, sum) in [(3600, 3600), (-7200, -3600), (0, -3600)] {
            assert!(clock.is_ahead_by(ahead));
            is_about(clock.now(), start - sum);
            is_about(clock.own(), start - sum);
            let late = clock.own() - clock.signing_time().unwrap().unix_seconds();
            assert!((-PATIENCE..=0).contains(&late), "{late}");
        }
    }

    #[test]
    fn the_time_in_an_answer_with_credentials_decides_their_expiry_and_dates_no_request() {
        let (clock, start) = (Clock::default(), wall() / 1000);
        clock.heard(start - 5000, Duration::from_secs(100));
        is_about(clock.now(), start - 4900);
        is_about(clock.own(), start);
    }

    #[test]
    fn a_clock_that_is_off_by_days_is_not_corrected() {
        let (clock, start) = (Clock::default(), wall() / 1000);
        for ahead in [MOST_AHEAD + 2, -MOST_AHEAD - 2, 1 << 40, i64::MAX, i64::MIN] {
            assert!(!clock.is_ahead_by(ahead), "{ahead}");
            is_about(clock.own(), start);
        }
        // Nor in several steps.
        assert!(clock.is_ahead_by(MOST_AHEAD - 10) && !clock.is_ahead_by(3600));
        is_about(clock.own(), start - MOST_AHEAD + 10);
    }

    #[test]
    fn a_correction_ends_when_the_clock_is_set() {
        let (clock, start) = (Clock::default(), wall() / 1000);
        assert!(clock.is_ahead_by(7200));
        let mark = clock.mark();
        assert!(!clock.has_stepped_since(mark));
        // As if somebody had since set the clock back, as they should.
        clock.lock().ahead = Some((7200, mark + 7200));
        is_about(clock.own(), start);
        // The time that decides when existing credentials expire stays.
        is_about(clock.now(), start - 7200);
    }
}
