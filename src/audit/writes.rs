//! What a log says was written, for comparing with what is there. A line is in the log before its file is written, so that a run
//! that is killed between the two leaves a line about something that did not happen. Pure.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::signature::sha256_hex;

/// The last line of a log about one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastWrite {
    /// The number of the line.
    pub number: u64,
    /// The file that was to be written, as the log names it.
    pub file: PathBuf,
    before: Option<String>,
    after: String,
}

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WriteState {
    /// The file is as the line says.
    Written,
    /// The file is as it was before: the run ended between the line and the file.
    NotWritten,
    /// The file is neither: somebody else has changed it since.
    Other,
    /// There is no such file, or it cannot be read: it was removed, or never written.
    Unknown,
}

/// For each file, the last line that says that it was written.
pub fn last_writes(log: &[u8]) -> Vec<LastWrite> {
    let lines = log.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    let entries = lines.filter_map(|line| serde_json::from_slice::<Value>(line).ok());
    let mut last = BTreeMap::new();
    for write in entries.filter_map(|entry| LastWrite::of(&entry)) {
        last.insert(write.file.clone(), write);
    }
    let mut all: Vec<LastWrite> = last.into_values().collect();
    all.sort_by_key(|write| write.number);
    all
}

impl LastWrite {
    fn of(entry: &Value) -> Option<Self> {
        let text = |name: &str| entry.get(name).and_then(Value::as_str);
        let written = Path::new(text("written").filter(|_| text("outcome") == Some("signed"))?);
        // What went to stdout cannot be compared with anything.
        if written == Path::new("-") {
            return None;
        }
        // A file that is signed in place is logged under the name that was given, beside its absolute path.
        let source = Path::new(text("file")?);
        let is_in_place = source.ends_with(written) || source == written;
        Some(LastWrite {
            number: entry.get("number")?.as_u64()?,
            file: if is_in_place { source } else { written }.to_owned(),
            before: text("sha256_before").filter(|_| is_in_place).map(str::to_owned),
            after: text("sha256_after")?.to_owned(),
        })
    }

    /// What became of it; `now` is what the file holds, none if there is no such file.
    pub fn state(&self, now: Option<&[u8]>) -> WriteState {
        match now.map(sha256_hex) {
            Some(now) if now == self.after => WriteState::Written,
            Some(now) if self.before.as_ref() == Some(&now) => WriteState::NotWritten,
            Some(_) => WriteState::Other,
            None => WriteState::Unknown,
        }
    }
}
