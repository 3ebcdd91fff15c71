//! Why waiting came to an end.

use std::fmt;
use std::time::Duration;

use countersign::device::NotReturned;
use countersign::duration::in_words;
use countersign::error::{Error, Exit, Explain};

/// With `--wait`: what was waited for did not come.
#[derive(Debug, thiserror::Error)]
#[error("timed out after {}: {in_the_way}", in_words(*limit))]
pub(super) struct TimedOut {
    pub(super) limit: Duration,
    pub(super) in_the_way: InTheWay,
}

/// With `--wait`: why it is not done yet.
#[derive(Debug)]
pub(super) struct InTheWay {
    pub(super) error: Error,
    /// Calls that have not returned.
    pub(super) hanging: Vec<NotReturned>,
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

/// With `--wait`: not the file that is waited for.
#[derive(Debug, thiserror::Error)]
#[error("{name:?} {}", if *being_written { "is still being written" } else { "is signed already, a new one is waited for" })]
pub(super) struct NotNew {
    pub(super) name: String,
    pub(super) being_written: bool,
}

impl Explain for NotNew {
    fn exit(&self) -> Exit {
        Exit::Other
    }
    fn may_pass(&self) -> bool {
        true
    }
    fn hint(&self) -> Option<String> {
        Some(
            "leave --wait out to have the file that is there looked at, or use --force to sign it again"
                .into(),
        )
    }
}
