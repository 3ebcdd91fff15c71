//! `countersign audit verify`: the chain of an audit log.

use std::path::Path;

use countersign::audit::{BrokenChain, WriteState, check, last_writes};
use countersign::error::{Error, Exit, Explain};
use countersign::save;
use serde_json::json;

use crate::cli::Audit;
use crate::terminal::Terminal;

/// Room for more than a million entries.
const MAX_LOG_BYTES: u64 = 1 << 30;

pub(crate) fn run(arguments: &Audit, terminal: &Terminal) -> Result<(), Error> {
    let Audit::Verify { log, files } = arguments;
    let bytes = save::read(log, MAX_LOG_BYTES)?;
    let summary = check(&bytes).map_err(|source| Broken::new(log, source))?;
    terminal.report(&format!(
        "{}: {}, an unbroken chain; the last line's SHA-256 is {}",
        log.display(),
        if summary.entries == 1 { "1 entry".into() } else { format!("{} entries", summary.entries) },
        summary.last_sha256
    ))?;
    let writes = if *files { last_writes(&bytes) } else { Vec::new() };
    let mut states = Vec::new();
    for write in writes {
        let state = write.state(save::read(&write.file, MAX_LOG_BYTES).ok().as_deref());
        terminal.report(&format!("line {}: {}: {}", write.number, write.file.display(), in_words(state)))?;
        states.push(json!({
            "number": write.number,
            "file": write.file.display().to_string(),
            "state": name_of(state),
        }));
    }
    terminal.document(&json!({
        "log": log.display().to_string(),
        "entries": summary.entries,
        "last_sha256": summary.last_sha256,
        "files": files.then_some(states),
    }))
}

fn in_words(state: WriteState) -> &'static str {
    match state {
        WriteState::Written => "as the log says",
        WriteState::NotWritten => "NOT written: it is as it was before that line",
        WriteState::Other => "changed since, or by another program",
        WriteState::Unknown => "not there, or not readable",
    }
}

fn name_of(state: WriteState) -> &'static str {
    match state {
        WriteState::Written => "written",
        WriteState::NotWritten => "not written",
        WriteState::Other => "changed",
        WriteState::Unknown => "unknown",
    }
}

/// A log that somebody changed.
#[derive(Debug, thiserror::Error)]
#[error("{name:?} was changed after it was written: {source}")]
struct Broken {
    name: String,
    source: BrokenChain,
}

impl Broken {
    fn new(log: &Path, source: BrokenChain) -> Self {
        Broken { name: log.display().to_string(), source }
    }
}

impl Explain for Broken {
    fn exit(&self) -> Exit {
        match self.source {
            BrokenChain::NoEntry { .. } | BrokenChain::CutOff { .. } => Exit::Malformed,
            _ => Exit::Signature,
        }
    }
    fn hint(&self) -> Option<String> {
        Some("keep the file as it is, and find out who could write to it".into())
    }
}
