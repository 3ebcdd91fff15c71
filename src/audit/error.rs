//! What can go wrong with an audit log.

use std::io;
use std::path::PathBuf;

use crate::error::{Exit, Explain};
use crate::platform::advice::HOW_TO_SEE_HOLDER;
use crate::save::{NAME_THE_FILE, is_link_of_others};

/// Why a log cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// What the system said.
    #[error("the audit log {path:?} cannot be written: {source}")]
    File {
        /// The log.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A pipe, a device or a folder.
    #[error("the audit log {path:?} is not a regular file")]
    NotRegular {
        /// The log.
        path: PathBuf,
    },
    /// Another process holds its lock.
    #[error("the audit log {path:?} is held by {}", holder.as_deref().unwrap_or("another process"))]
    Busy {
        /// The log.
        path: PathBuf,
        /// Which process, if that is known.
        holder: Option<String>,
    },
    /// Its last line cannot be continued.
    #[error("the audit log {path:?} does not end with a whole entry")]
    BadEnd {
        /// The log.
        path: PathBuf,
    },
}

impl Explain for AuditError {
    fn exit(&self) -> Exit {
        match self {
            AuditError::File { .. } | AuditError::NotRegular { .. } | AuditError::Busy { .. } => Exit::Other,
            AuditError::BadEnd { .. } => Exit::Malformed,
        }
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            AuditError::Busy { .. } => {
                format!("nothing is signed that cannot be logged; {HOW_TO_SEE_HOLDER}, and repeat")
            }
            AuditError::File { source, .. } if is_link_of_others(source) => {
                format!("nothing is signed that cannot be logged; {NAME_THE_FILE}")
            }
            AuditError::File { .. } | AuditError::NotRegular { .. } => {
                "nothing is signed that cannot be logged; make the log writable, or name another".into()
            }
            AuditError::BadEnd { path } => format!(
                "countersign audit verify {} says more; move the log to a safe place and begin a new one",
                path.display()
            ),
        })
    }
}

/// A line that does not fit the chain.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BrokenChain {
    /// Not an entry at all.
    #[error("line {line} is not an audit log entry")]
    NoEntry {
        /// Line, from 1.
        line: usize,
    },
    /// The last line has no line end.
    #[error("line {line} is cut off")]
    CutOff {
        /// Line, from 1.
        line: usize,
    },
    /// Its own digest is wrong.
    #[error("line {line} was changed")]
    Changed {
        /// Line, from 1.
        line: usize,
    },
    /// The number jumps forwards.
    #[error("before line {line}, entry {missing} is missing{}", if *count > 1 { format!(" and {} more", count - 1) } else { String::new() })]
    Missing {
        /// Line, from 1.
        line: usize,
        /// Number of the first missing entry.
        missing: u64,
        /// How many.
        count: u64,
    },
    /// An entry stands in place of another one, which the log has elsewhere.
    #[error("line {line} holds entry {number}, which is not in its place")]
    Reordered {
        /// Line, from 1.
        line: usize,
        /// The entry's number.
        number: u64,
    },
    /// The line before is not the one that was there when this line was written.
    #[error("line {line} was written after another line than line {}, which was replaced", line - 1)]
    Replaced {
        /// Line, from 1; the one before it was replaced.
        line: usize,
    },
}
