//! What the audit log says of a run: a line for each file, signed or not.

use std::path::Path;

use countersign::audit::AuditLog;
use countersign::error::Error;
use countersign::signature::{Mechanism, sha256_hex};
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::Progress;
use super::plan::Plan;
use crate::cli::Sign;
use crate::commands::tokens::Input;

/// The log, if there is one.
pub(super) struct Audit {
    log: Option<AuditLog>,
    /// The files as given, for attempts that end before they are read.
    files: Vec<String>,
}

impl Audit {
    /// A log that cannot be written ends the run before anything is signed. A dry run is no attempt.
    pub(super) fn open(arguments: &Sign) -> Result<Self, Error> {
        let path = arguments.audit_log.as_deref().filter(|_| !arguments.dry_run);
        let files = arguments.files.iter().map(|file| file.display().to_string()).collect();
        Ok(Audit { log: path.map(AuditLog::open).transpose()?, files })
    }

    /// Says that `bytes` is what is about to be written for the plan's file.
    pub(super) fn signed(&self, plan: &Plan<'_>, bytes: &[u8], progress: &Progress) -> Result<(), Error> {
        let Some(log) = &self.log else { return Ok(()) };
        let outcome = if plan.has_work() { "signed" } else { "signed already" };
        let mut entry = entry(&plan.input.name(), progress, plan.to_sign.len(), outcome);
        entry.insert("sha256_before".into(), sha256_hex(&plan.input.bytes).into());
        entry.insert("sha256_after".into(), sha256_hex(bytes).into());
        Ok(log.append(&entry)?)
    }

    /// Says that the run failed, for each file that is not done. The error goes on, with a word if not even it could be
    /// logged.
    pub(super) fn failed(&self, inputs: &[Input], progress: &Progress, error: Error) -> Error {
        let Some(log) = &self.log else { return error };
        let before = |name: &str| {
            let input = inputs.iter().find(|input| input.name() == name);
            input.map(|input| sha256_hex(&input.bytes))
        };
        for file in self.files.iter().skip(progress.files_done) {
            let name = if file == "-" { "stdin" } else { file };
            let mut entry = entry(name, progress, progress.tokens_signed, "failed");
            entry.insert("sha256_before".into(), before(name).into());
            entry.insert("sha256_after".into(), Value::Null);
            entry.insert("error".into(), countersign::uri::redact(&error.to_string()).into());
            if let Err(log_error) = log.append(&entry) {
                return error.with_consequence(format!("This failure is not in the audit log: {log_error}"));
            }
        }
        error
    }
}

fn entry(file: &str, progress: &Progress, signatures: usize, outcome: &str) -> Map<String, Value> {
    let document = json!({
        "time": Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        "user": user(),
        "host": rustix::system::uname().nodename().to_string_lossy(),
        "command": "sign",
        "file": std::path::absolute(Path::new(file)).map_or_else(|_| file.into(), |path| path.display().to_string()),
        "device": progress.device,
        "key": progress.key,
        "signatures": signatures,
        "mechanism": progress.mechanism.map(Mechanism::ckm_name),
        "outcome": outcome,
    });
    match document {
        Value::Object(members) => members,
        _ => Map::new(),
    }
}

/// The operating system's user: name and number.
fn user() -> String {
    let uid = nix::unistd::Uid::current();
    match nix::unistd::User::from_uid(uid) {
        Ok(Some(user)) => format!("{} ({uid})", user.name),
        _ => uid.to_string(),
    }
}
