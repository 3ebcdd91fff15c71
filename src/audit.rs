//! The audit log: one JSON line for each attempt to sign, each chained to the one before.
//!
//! A line's members `number` (from 1) and `previous` (the SHA-256 of the line before, without its line end; 64 zeros in
//! the first line) come first, and `sha256` (of the line up to that member) comes last. So a line that is changed,
//! missing or in another place is found. Whoever can rewrite the whole file can make a new chain: keep the last line's
//! SHA-256 elsewhere, or send the log elsewhere, where that matters. A cut-off end shows only by comparison with it.

mod check;
mod error;

pub use check::{Summary, check};
pub use error::{AuditError, BrokenChain};

use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use crate::signature::sha256_hex;

/// `previous` of the first line.
const NO_LINE: &str = "0000000000000000000000000000000000000000000000000000000000000000";
/// No line is longer, in bytes.
const MAX_LINE: u64 = 64 * 1024;

/// An audit log that can be written.
#[derive(Debug)]
pub struct AuditLog {
    path: PathBuf,
    file: File,
}

impl AuditLog {
    /// Opens the log, or makes it with mode 0600, and looks whether its end can be continued: to be known before
    /// anything is signed.
    ///
    /// # Errors
    /// [`AuditError`].
    pub fn open(path: &Path) -> Result<Self, AuditError> {
        let failed = |source| AuditError::File { path: path.to_owned(), source };
        let file =
            File::options().read(true).append(true).create(true).mode(0o600).open(path).map_err(failed)?;
        let log = AuditLog { path: path.to_owned(), file };
        log.locked(AuditLog::last)?;
        Ok(log)
    }

    /// Appends a line with these members, and waits until it is on the disk. Several processes may do this at once.
    ///
    /// # Errors
    /// [`AuditError`]; the log is then as it was.
    pub fn append(&self, members: &Map<String, Value>) -> Result<(), AuditError> {
        self.locked(|log| {
            let (number, previous) = log.last()?;
            let mut entry = Map::new();
            entry.insert("number".into(), (number + 1).into());
            entry.insert("previous".into(), previous.into());
            entry.extend(members.iter().map(|(name, value)| (name.clone(), value.clone())));
            let body = Value::Object(entry).to_string();
            let body = body.trim_end_matches('}');
            let line = format!("{body},\"sha256\":\"{}\"}}\n", sha256_hex(body.as_bytes()));
            let failed = |source| AuditError::File { path: log.path.clone(), source };
            // One write: a line is whole or, on a full disk, cut back.
            let length = log.file.metadata().map_err(failed)?.len();
            let written = (&log.file).write_all(line.as_bytes()).and_then(|()| log.file.sync_all());
            written.map_err(|source| {
                let _ = log.file.set_len(length);
                failed(source)
            })
        })
    }

    fn locked<T>(&self, work: impl FnOnce(&Self) -> Result<T, AuditError>) -> Result<T, AuditError> {
        let failed = |source| AuditError::File { path: self.path.clone(), source };
        self.file.lock().map_err(failed)?;
        let result = work(self);
        let unlocked = self.file.unlock().map_err(failed);
        let value = result?;
        unlocked?;
        Ok(value)
    }

    /// Number and SHA-256 of the last line.
    fn last(&self) -> Result<(u64, String), AuditError> {
        let failed = |source| AuditError::File { path: self.path.clone(), source };
        let broken = || AuditError::BadEnd { path: self.path.clone() };
        let mut file = &self.file;
        let length = file.seek(SeekFrom::End(0)).map_err(failed)?;
        if length == 0 {
            return Ok((0, NO_LINE.to_owned()));
        }
        file.seek(SeekFrom::Start(length.saturating_sub(MAX_LINE))).map_err(failed)?;
        let mut end = Vec::new();
        file.take(MAX_LINE).read_to_end(&mut end).map_err(failed)?;
        let lines = end.strip_suffix(b"\n").ok_or_else(broken)?;
        let last = lines.rsplit(|byte| *byte == b'\n').next().unwrap_or_default();
        let entry: Value = serde_json::from_slice(last).map_err(|_| broken())?;
        let number = entry.get("number").and_then(Value::as_u64).ok_or_else(broken)?;
        Ok((number, sha256_hex(last)))
    }
}
