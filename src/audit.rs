//! The audit log: one JSON line for each attempt to sign, each chained to the one before.
//!
//! A line begins with the members `number` (from 1) and `previous` (the SHA-256 of the line before, without
//! its line end; 64 zeros in the first line), and ends with `sha256` (of the line up to that member). This
//! reveals a line that was changed, removed or moved. Anyone who can rewrite the whole file can build a new
//! chain: where that matters, keep the last line's SHA-256 elsewhere, or send the log elsewhere. A truncated
//! end shows only in comparison with that.

mod check;
mod error;
mod writes;

pub use check::{Summary, check};
pub use error::{AuditError, BrokenChain};
pub use writes::{LastWrite, WriteState, last_writes};

use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Serialize;
use serde_json::{Map, Value};

use crate::platform;
use crate::printable::escaped_json;
use crate::save::{Log, LogError};
use crate::signature::sha256_hex;

/// `previous` of the first line.
const NO_LINE: &str = "0000000000000000000000000000000000000000000000000000000000000000";
/// Longer values are cut to this many characters: they come from files and may have any length.
const MAX_VALUE: usize = 1024;

/// An audit log that can be written.
#[derive(Clone, Debug)]
pub struct AuditLog {
    path: PathBuf,
    /// How long to wait for another writer.
    patience: Duration,
}

impl AuditLog {
    /// Checks whether the log can be continued, before anything is signed, and creates it with mode 0600 if
    /// it does not exist. `patience` is how long to wait for other writers, now and at each entry.
    ///
    /// # Errors
    /// [`AuditError`].
    pub fn open(path: &Path, patience: Duration) -> Result<Self, AuditError> {
        let log = AuditLog { path: path.to_owned(), patience };
        log.locked(|file| log.last(file).map(|_| ()))?;
        Ok(log)
    }

    /// The same log with other patience.
    #[must_use]
    pub fn with_patience(&self, patience: Duration) -> Self {
        AuditLog { path: self.path.clone(), patience }
    }

    /// Appends a line with these members and waits until it is on the disk. Several processes may do this at
    /// once. If the log was moved away meanwhile (logrotate), a new one is started.
    ///
    /// # Errors
    /// [`AuditError`]; the log is then as it was.
    pub fn append(&self, members: &impl Serialize) -> Result<(), AuditError> {
        let members = match serde_json::to_value(members) {
            Ok(Value::Object(members)) => members,
            Ok(_) => return Err(self.failed(std::io::Error::other("an entry has no members"))),
            Err(error) => return Err(self.failed(error.into())),
        };
        self.locked(|file| {
            let (number, previous) = self.last(file)?;
            let number =
                number.checked_add(1).ok_or_else(|| AuditError::BadEnd { path: self.path.clone() })?;
            let mut entry = Map::new();
            entry.insert("number".into(), number.into());
            entry.insert("previous".into(), previous.into());
            entry.extend(members.iter().map(|(name, value)| (name.clone(), cut(value))));
            // Somebody may look at the log on a terminal.
            let body = escaped_json(&Value::Object(entry).to_string());
            let body = body.strip_suffix('}').unwrap_or(&body);
            let line = format!("{body},\"sha256\":\"{}\"}}\n", sha256_hex(body.as_bytes()));
            // One write keeps a line whole. If the disk is full, the log is cut back to its old length.
            let length = file.metadata().map_err(|source| self.failed(source))?.len();
            let mut writer = file;
            writer.write_all(line.as_bytes()).and_then(|()| file.sync_all()).map_err(|source| {
                let _ = platform::file::cut(file, length);
                self.failed(source)
            })
        })
    }

    fn failed(&self, source: std::io::Error) -> AuditError {
        AuditError::File { path: self.path.clone(), source }
    }

    /// Runs `work` on the file that has the log's name, under its lock.
    fn locked<T>(&self, work: impl FnOnce(&File) -> Result<T, AuditError>) -> Result<T, AuditError> {
        let path = self.path.clone();
        match Log::open(&self.path, self.patience) {
            Ok(log) => work(&log.file),
            Err(LogError::System(source)) => Err(self.failed(source)),
            Err(LogError::NotRegular) => Err(AuditError::NotRegular { path }),
            Err(LogError::Busy { holder }) => Err(AuditError::Busy { path, holder }),
        }
    }

    /// Number and SHA-256 of the last line.
    fn last(&self, mut file: &File) -> Result<(u64, String), AuditError> {
        let broken = || AuditError::BadEnd { path: self.path.clone() };
        let length = file.seek(SeekFrom::End(0)).map_err(|source| self.failed(source))?;
        if length == 0 {
            return Ok((0, NO_LINE.to_owned()));
        }
        let mut size = 4096;
        loop {
            let start = length.saturating_sub(size);
            let mut end = Vec::new();
            file.seek(SeekFrom::Start(start)).map_err(|source| self.failed(source))?;
            file.take(length - start).read_to_end(&mut end).map_err(|source| self.failed(source))?;
            let lines = end.strip_suffix(b"\n").ok_or_else(broken)?;
            let line_start = lines.iter().rposition(|byte| *byte == b'\n').map(|position| position + 1);
            if line_start.is_none() && start > 0 {
                size *= 8;
                continue;
            }
            let last = &lines[line_start.unwrap_or(0)..];
            let entry: Value = serde_json::from_slice(last).map_err(|_| broken())?;
            let number = entry.get("number").and_then(Value::as_u64).ok_or_else(broken)?;
            return Ok((number, sha256_hex(last)));
        }
    }
}

fn cut(value: &Value) -> Value {
    match value {
        Value::String(text) => match text.char_indices().nth(MAX_VALUE) {
            Some((end, _)) => format!("{}…", &text[..end]).into(),
            None => text.clone().into(),
        },
        Value::Object(members) => {
            Value::Object(members.iter().map(|(name, value)| (name.clone(), cut(value))).collect())
        }
        other => other.clone(),
    }
}
