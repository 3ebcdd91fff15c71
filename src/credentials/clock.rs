//! AWS's time: signatures are valid and credentials end by AWS's clock, which this computer's may differ from.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::error::{Exit, Explain};
use crate::rolesanywhere::SigningTime;

/// This computer's clock, corrected by what AWS says. Shared by everything that compares with the end of credentials.
#[derive(Debug, Default)]
pub struct Clock {
    /// Added to this computer's time, in seconds.
    skew: AtomicI64,
}

impl Clock {
    /// AWS's time in Unix seconds: this computer's, as long as AWS has not said otherwise.
    pub fn now(&self) -> i64 {
        let own = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs());
        i64::try_from(own).unwrap_or(i64::MAX).saturating_add(self.skew.load(Ordering::SeqCst))
    }

    /// AWS has said that [`Clock::now`] is ahead of its own time by so many seconds; behind it, if negative.
    pub fn set_back(&self, seconds: i64) {
        self.skew.fetch_sub(seconds, Ordering::SeqCst);
    }

    /// [`Clock::now`], as a request is dated.
    ///
    /// # Errors
    /// [`ClockError`] where the year does not have four digits.
    pub fn signing_time(&self) -> Result<SigningTime, ClockError> {
        SigningTime::from_unix_seconds(self.now()).ok_or(ClockError)
    }
}

/// A time at which no request can be dated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this computer's clock is out of all bounds")]
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
mod tests {
    use super::{Clock, ClockError};

    /// The test may be interrupted between two looks at the clock.
    const PATIENCE: i64 = 60;

    #[test]
    fn it_is_this_computers_until_aws_says_otherwise() {
        let clock = Clock::default();
        let start = clock.now();
        assert!(start > 1_700_000_000, "{start}");
        for (ahead, sum) in [(3600, 3600), (-7200, -3600), (0, -3600)] {
            clock.set_back(ahead);
            let moved = clock.now() - (start - sum);
            assert!((0..PATIENCE).contains(&moved), "{ahead}: {moved}");
        }
    }

    #[test]
    fn a_request_is_dated_by_the_corrected_time() {
        let clock = Clock::default();
        clock.set_back(86_400);
        let late = clock.now() - clock.signing_time().unwrap().unix_seconds();
        assert!((-PATIENCE..=0).contains(&late), "{late}");
    }

    #[test]
    fn a_time_before_1970_or_after_9999_dates_no_request() {
        for ahead in [1 << 40, -(1 << 40)] {
            let clock = Clock::default();
            clock.set_back(ahead);
            assert_eq!(clock.signing_time(), Err(ClockError));
        }
    }
}
