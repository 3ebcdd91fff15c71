//! Why waiting came to an end.

use std::time::Duration;

use countersign::duration::in_words;
use countersign::error::{Error, Exit, Explain};

/// What was waited for did not come.
#[derive(Debug)]
pub(super) struct TimedOut {
    pub(super) limit: Duration,
    pub(super) last: Error,
}

impl std::fmt::Display for TimedOut {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "timed out after {}: {}", in_words(self.limit), self.last)
    }
}

impl std::error::Error for TimedOut {}

impl Explain for TimedOut {
    fn exit(&self) -> Exit {
        self.last.exit()
    }
    fn detail(&self) -> Vec<String> {
        self.last.detail()
    }
    fn hint(&self) -> Option<String> {
        self.last.hint()
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
