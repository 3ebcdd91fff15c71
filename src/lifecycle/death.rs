//! An end of the process that a module causes from inside: it calls exit, aborts, or crashes.

use std::sync::OnceLock;

use countersign::device::{PendingCall, pending_calls};
use countersign::error::{Exit, Explain};
use countersign::platform::death::{self, Cause};

static LAST_WORDS: OnceLock<fn() -> Vec<String>> = OnceLock::new();

/// A process that a module ended.
#[derive(Debug, thiserror::Error)]
#[error("{}", self.sentence())]
pub(super) struct Death {
    cause: Cause,
    call: Option<PendingCall>,
    /// What modules wrote to stderr before.
    last_words: Vec<String>,
}

impl Death {
    fn sentence(&self) -> String {
        let (did, was_done) = match self.cause {
            Cause::Aborted => ("aborted (SIGABRT)".to_owned(), "was aborted (SIGABRT)".to_owned()),
            Cause::Crashed(signal) => (format!("crashed ({signal})"), format!("crashed ({signal})")),
            Cause::Exited => ("called exit".to_owned(), "was ended by a call of exit".to_owned()),
        };
        match &self.call {
            Some(call) => format!("the module {:?} {did} in {}", call.module, call.function),
            None => format!("the program {was_done}, outside of any call to a module"),
        }
    }
}

impl Explain for Death {
    fn exit(&self) -> Exit {
        match self.call.as_ref().map(|call| call.function) {
            None => Exit::Other,
            Some("C_SignInit" | "C_Sign") => Exit::Sign,
            Some(_) => Exit::Device,
        }
    }

    fn detail(&self) -> Vec<String> {
        self.last_words.iter().map(|line| format!("it wrote: {line}")).collect()
    }

    fn hint(&self) -> Option<String> {
        let hint = match &self.call {
            Some(_) => {
                "this is a fault in the module, not in the device or the PIN: install its newest release, or report it to \
                 its vendor; countersign doctor tries each configured module"
            }
            None => {
                "one of the modules may have done it in a thread of its own: countersign doctor tries each of them"
            }
        };
        Some(hint.into())
    }
}

/// From now on, `end` is called on a separate thread when a module ends the process.
pub(super) fn watch(end: impl FnOnce(Death) + Send + 'static) {
    death::watch(Exit::Device as i32, |cause| {
        // If there are several, the newest: the others have been waiting.
        let call = pending_calls().pop();
        let last_words = LAST_WORDS.get().map(|last_words| last_words()).unwrap_or_default();
        end(Death { cause, call, last_words });
    });
}

/// Sets where to read modules' last words.
pub(super) fn hear(last_words: fn() -> Vec<String>) {
    let _ = LAST_WORDS.set(last_words);
}
