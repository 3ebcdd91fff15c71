//! Waiting: for a file that CloudHSM CLI has not written yet, and for a device that is not plugged in yet.

use std::fmt;
use std::time::{Duration, Instant};

use super::Input;
use crate::device::{self, NotReturned};
use crate::duration::in_words;
use crate::error::{Error, Exit, Explain};
use crate::tokenfile::{Format, Signed};

/// Short enough to feel immediate, long enough to leave others that read the file undisturbed.
const BETWEEN_TRIES: Duration = Duration::from_millis(250);
/// A file of unknown format does not show where it ends: it is complete when nobody has written to it for
/// this long.
const QUIET: Duration = Duration::from_secs(1);
/// If CloudHSM CLI waits at its prompt for longer than this, somebody has forgotten it.
const STALE: Duration = Duration::from_secs(600);

/// One limit for everything that is waited for.
#[derive(Clone, Copy, Debug)]
pub struct Deadline {
    limit: Option<Duration>,
    start: Instant,
    /// How long one call to a device may take.
    patience: Duration,
}

impl Deadline {
    /// From now on, for at most `limit`; without a limit nothing is waited for. `patience` is how long one
    /// call to a device may take.
    pub fn new(limit: Option<Duration>, patience: Duration) -> Self {
        Deadline { limit, start: Instant::now(), patience }
    }

    /// Tries until it succeeds, as long as the obstacle may go away by itself; `waits` is told the limit and
    /// the obstacle once.
    ///
    /// # Errors
    /// The error of the last attempt, or [`TimedOut`].
    pub fn until_done<T>(
        &self,
        waits: impl Fn(Duration, &InTheWay),
        mut attempt: impl FnMut() -> Result<T, Error>,
    ) -> Result<T, Error> {
        let Some(limit) = self.limit else { return attempt() };
        let end = self.start.checked_add(limit).unwrap_or_else(far_away);
        let mut told = false;
        loop {
            let error = match device::within(end, self.patience, &mut attempt) {
                Err(error) if error.may_pass() => error,
                result => return result,
            };
            let left = end.saturating_duration_since(Instant::now());
            let in_the_way = InTheWay { error, hanging: device::hanging_calls() };
            if left.is_zero() {
                return Err(TimedOut { limit, in_the_way }.into());
            }
            if !told {
                waits(limit, &in_the_way);
                told = true;
            }
            std::thread::sleep(BETWEEN_TRIES.min(left));
        }
    }
}

/// For a limit beyond the end of time.
fn far_away() -> Instant {
    Instant::now() + Duration::from_secs(100 * 365 * 86_400)
}

/// Refuses a file that is not the one expected. The new file has something to sign, but CloudHSM CLI writes
/// under one name again and again. Returns the files that may be old ones all the same, with their ages.
///
/// # Errors
/// [`NotNew`].
pub fn refuse_old(inputs: &[Input], force: bool) -> Result<Vec<(&Input, Duration)>, NotNew> {
    let mut stale = Vec::new();
    for input in inputs {
        let nothing_to_sign = input.tokens.as_ref().is_some_and(|file| {
            file.format() != Format::QuorumApproval
                && file.tokens().iter().all(|token| token.signed != Signed::No)
        });
        let being_written = input.tokens.is_none() && input.age().is_some_and(|age| age < QUIET);
        if (nothing_to_sign && !force) || being_written {
            return Err(NotNew { name: input.name(), being_written });
        }
        stale.extend(input.age().filter(|age| *age > STALE).map(|age| (input, age)));
    }
    Ok(stale)
}

/// With `--wait`: the file or device did not come.
#[derive(Debug, thiserror::Error)]
#[error("timed out after {}: {in_the_way}", in_words(*limit))]
pub struct TimedOut {
    /// How long was waited.
    pub limit: Duration,
    /// The obstacle at the end.
    pub in_the_way: InTheWay,
}

/// With `--wait`: what it still waits for.
#[derive(Debug)]
pub struct InTheWay {
    /// The error of the last attempt.
    pub error: Error,
    /// Calls that have not returned.
    pub hanging: Vec<NotReturned>,
}

impl fmt::Display for InTheWay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)?;
        self.hanging.iter().try_for_each(|call| write!(f, "; {} hangs in {}", call.module, call.function))
    }
}

impl Explain for TimedOut {
    fn exit(&self) -> Exit {
        self.in_the_way.error.exit()
    }
    fn detail(&self) -> Vec<String> {
        self.in_the_way.error.detail()
    }
    fn hint(&self) -> Option<String> {
        if self.in_the_way.hanging.is_empty() {
            return self.in_the_way.error.hint();
        }
        Some(
            "end the program that keeps the device or its daemon busy, or name the device's own module with --module PATH"
                .into(),
        )
    }
}

/// With `--wait`: this is not the file that is expected.
#[derive(Debug, thiserror::Error)]
#[error("{name:?} {}", if *being_written { "is still being written" } else { "is signed already; waiting for a new one" })]
pub struct NotNew {
    /// The file.
    pub name: String,
    /// Whether somebody is writing to it; else it is signed already.
    pub being_written: bool,
}

impl Explain for NotNew {
    fn exit(&self) -> Exit {
        Exit::Other
    }
    fn may_pass(&self) -> bool {
        true
    }
    fn hint(&self) -> Option<String> {
        Some("leave --wait out to check the existing file, or use --force to sign it again".into())
    }
}
