//! Why there is no PIN, and what to do.

use std::io;

use crate::error::{Exit, Explain};

/// Why there is no PIN.
#[derive(Debug, thiserror::Error)]
pub enum PinError {
    /// Nobody can be asked.
    #[error("a PIN is needed, and there is no terminal to ask for it")]
    NoTerminal,
    /// The terminal failed.
    #[error("the PIN cannot be read from the terminal: {source}")]
    Terminal {
        /// What the system said.
        source: io::Error,
    },
    /// Ctrl-C at the prompt.
    #[error("interrupted")]
    Interrupted,
    /// An empty PIN, which the device would count as a wrong one.
    #[error("the PIN{} is empty; it was not sent to the device", .source_name.as_ref().map(|name| format!(" from {name}")).unwrap_or_default())]
    Empty {
        /// Where it came from, unless a person typed it.
        source_name: Option<String>,
    },
    /// The source cannot be read.
    #[error("the PIN cannot be read from {source_name}: {source}")]
    Unreadable {
        /// Where it should come from.
        source_name: String,
        /// What the system said.
        source: io::Error,
    },
    /// An environment variable that is not there.
    #[error("the environment variable {name}, the source of the PIN, is not set")]
    Unset {
        /// Its name.
        name: String,
    },
    /// A terminal, named as a file.
    #[error("{source_name} is a terminal, which would show the PIN")]
    IsTerminal {
        /// What was named.
        source_name: String,
    },
    /// More than a device accepts.
    #[error("the PIN from {source_name} is longer than 1024 bytes; it was not sent to the device")]
    TooLong {
        /// Where it came from.
        source_name: String,
    },
    /// Not UTF-8, or with a byte-order mark or control characters.
    #[error("the PIN from {source_name} is not plain UTF-8 text; it was not sent to the device")]
    NotText {
        /// Where it came from.
        source_name: String,
    },
    /// More than a PIN.
    #[error("{source_name} holds more than one line: it is not a PIN file")]
    NotOneLine {
        /// Where it came from.
        source_name: String,
    },
    /// `pin-source=1234`.
    #[error("the key URI's pin-source is not an absolute path")]
    NotAPath,
    /// `pin-source=|command`.
    #[error("the key URI's pin-source names a command to run, which is not allowed")]
    Command,
}

impl Explain for PinError {
    fn exit(&self) -> Exit {
        match self {
            PinError::Interrupted => Exit::Interrupted,
            _ => Exit::Pin,
        }
    }

    fn hint(&self) -> Option<String> {
        let hint = match self {
            PinError::Interrupted => return None,
            PinError::NoTerminal => {
                "name a source for the PIN: --pin-source file:PATH, env:NAME or fd:NUMBER"
            }
            PinError::Terminal { .. } => {
                "run it in a terminal, or use --pin-source file:PATH, env:NAME or fd:NUMBER"
            }
            PinError::Empty { source_name: None } => "run the command again and type the PIN",
            PinError::Empty { .. } => "give the PIN there; an empty one would cost an attempt",
            PinError::TooLong { .. } => "check that the source is the PIN and nothing else",
            PinError::NotOneLine { .. } => "it must hold the PIN and nothing else",
            PinError::IsTerminal { .. } => "use --pin-source prompt, which asks without showing the PIN",
            PinError::NotAPath => {
                "write pin-source=file:/path/of/the/file; the PIN itself does not belong there"
            }
            PinError::Unreadable { .. } | PinError::Unset { .. } => {
                "correct --pin-source, or leave it out to be asked at the terminal"
            }
            PinError::NotText { .. } => {
                "give the PIN as UTF-8 text without a byte-order mark, control characters or arrow keys"
            }
            PinError::Command => "let the command write the PIN to a pipe and use --pin-source fd:NUMBER",
        };
        Some(hint.to_owned())
    }
}
