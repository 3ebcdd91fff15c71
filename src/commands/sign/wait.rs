//! `--wait`: for a file that CloudHSM CLI has not written yet, and for a device that is not plugged in yet.

use std::time::{Duration, Instant};

use countersign::duration::in_words;
use countersign::error::Error;
use countersign::tokenfile::{Format, Signed};

use super::refusal::{NotNew, TimedOut};
use crate::cli::Sign;
use crate::commands::tokens::Input;
use crate::terminal::Terminal;

/// Short enough to feel immediate, long enough to leave a reader in peace.
const BETWEEN_TRIES: Duration = Duration::from_millis(250);
/// A file of any kind says nowhere where it ends: it is complete when nobody has written to it for so long.
const QUIET: Duration = Duration::from_secs(1);
/// CloudHSM CLI does not wait as long at its prompt without somebody having forgotten it.
const STALE: Duration = Duration::from_secs(600);

/// One limit for all that is waited for.
pub(super) struct Deadline {
    limit: Option<Duration>,
    start: Instant,
}

impl Deadline {
    pub(super) fn of(arguments: &Sign) -> Self {
        Deadline { limit: arguments.wait.map(Duration::from_secs), start: Instant::now() }
    }

    /// Tries until it is done, as long as what is in the way may go away by itself.
    pub(super) fn until_done<T>(
        &self,
        terminal: &Terminal,
        mut attempt: impl FnMut() -> Result<T, Error>,
    ) -> Result<T, Error> {
        let mut told = false;
        loop {
            let (error, limit) = match (attempt(), self.limit) {
                (Err(error), Some(limit)) if error.may_pass() => (error, limit),
                (result, _) => return result,
            };
            if self.start.elapsed() >= limit {
                return Err(TimedOut { limit, last: error }.into());
            }
            if !told {
                terminal.say(&format!("waiting, at most {}: {error}", in_words(limit)));
                told = true;
            }
            std::thread::sleep(BETWEEN_TRIES);
        }
    }
}

/// With `--wait`, a file is the new one when there is something to sign in it; CloudHSM CLI writes under one name again
/// and again.
pub(super) fn refuse_old(arguments: &Sign, inputs: &[Input], terminal: &Terminal) -> Result<(), Error> {
    if arguments.wait.is_none() {
        return Ok(());
    }
    for input in inputs {
        let nothing_to_sign = input.tokens.as_ref().is_some_and(|file| {
            file.format() != Format::QuorumApproval
                && file.tokens().iter().all(|token| token.signed != Signed::No)
        });
        let being_written = input.tokens.is_none() && input.age().is_some_and(|age| age < QUIET);
        if (nothing_to_sign && !arguments.force) || being_written {
            return Err(NotNew { name: input.name(), being_written }.into());
        }
        if let Some(age) = input.age().filter(|age| *age > STALE) {
            terminal.warn(&format!(
                "{} was written {} ago: make sure that it is the one that CloudHSM CLI waits for",
                input.name(),
                in_words(age)
            ));
        }
    }
    Ok(())
}
