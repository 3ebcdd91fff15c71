//! What the audit log says of a run: a line for each file, signed or not, also when a signal ends it.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use countersign::audit::AuditLog;
use countersign::error::Error;
use countersign::signature::{Mechanism, sha256_hex};
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::Progress;
use super::plan::Plan;
use super::tally::Tally;
use crate::cli::Sign;
use crate::commands::tokens::Input;
use crate::lifecycle::{Ending, LIFECYCLE};

/// How long to wait for another writer of the log.
const PATIENCE: Duration = Duration::from_secs(10);
/// Whoever pressed Ctrl-C waits no longer.
const PATIENCE_AT_THE_END: Duration = Duration::from_secs(1);

/// The log, if there is one.
pub(super) struct Audit {
    log: Option<AuditLog>,
    /// The files as given, for attempts that end before they are read.
    files: Vec<String>,
    /// What else a line says of the attempt.
    attempt: Map<String, Value>,
    tally: Arc<Tally>,
}

impl Audit {
    /// A log that cannot be written ends the run before anything is signed. A dry run is no attempt.
    pub(super) fn open(arguments: &Sign, tally: &Arc<Tally>) -> Result<Self, Error> {
        let path = arguments.audit_log.as_deref().filter(|_| !arguments.dry_run);
        let log = path.map(|path| AuditLog::open(path, PATIENCE)).transpose()?;
        let name =
            |file: &Path| if file == Path::new("-") { "stdin".into() } else { file.display().to_string() };
        let audit = Audit {
            log,
            files: arguments.files.iter().map(|file| name(file)).collect(),
            attempt: object(json!({
                "time": null,
                "user": user(),
                "host": rustix::system::uname().nodename().to_string_lossy(),
                "command": "sign",
                "force": arguments.force,
                "allow_exportable": arguments.allow_exportable,
                "allow_key_size": arguments.allow_key_size,
                "username": arguments.username,
                "role": arguments.role,
            })),
            tally: Arc::clone(tally),
        };
        audit.expect_an_early_end(path);
        Ok(audit)
    }

    /// Says that `bytes` is what is about to be written for the plan's file.
    pub(super) fn signed(&self, plan: &Plan<'_>, bytes: &[u8], progress: &Progress) -> Result<(), Error> {
        let Some(log) = &self.log else { return Ok(()) };
        let outcome = if plan.has_work() { "signed" } else { "signed already" };
        let mut entry = self.entry(&plan.input.name(), progress, plan.to_sign.len(), outcome);
        entry.insert("format".into(), plan.input.format_name().into());
        entry.insert("written".into(), plan.written().into());
        entry.insert("sha256_before".into(), sha256_hex(plan.input.bytes()).into());
        entry.insert("sha256_after".into(), sha256_hex(bytes).into());
        Ok(log.append(&entry)?)
    }

    /// Says that the run failed, for each file that is not done, or, when all are, for what else was to be written. The
    /// error goes on, with a word if not even it could be logged.
    pub(super) fn failed(&self, inputs: &[Input], progress: &Progress, error: Error) -> Error {
        let Some(log) = &self.log else { return error };
        let rest = self.files.get(self.tally.files_done()..).unwrap_or_default();
        let names = if rest.is_empty() {
            vec!["(the public key)"]
        } else {
            rest.iter().map(String::as_str).collect()
        };
        for (index, name) in names.into_iter().enumerate() {
            let signatures = if index == 0 { self.tally.signatures() } else { 0 };
            let mut entry = self.entry(name, progress, signatures, "failed");
            let input = inputs.iter().find(|input| input.name() == name);
            entry.insert("format".into(), input.map(Input::format_name).into());
            entry.insert("sha256_before".into(), input.map(|input| sha256_hex(input.bytes())).into());
            entry.insert("error".into(), countersign::uri::redact(&error.to_string()).into());
            if let Err(log_error) = log.append(&entry) {
                return error.with_consequence(format!("This failure is not in the audit log: {log_error}"));
            }
        }
        error
    }

    /// A signal, or a device that does not answer, ends the run on another thread, which then says so.
    fn expect_an_early_end(&self, path: Option<&Path>) {
        let path = path.map(Path::to_owned);
        let (files, attempt, tally) = (self.files.clone(), self.attempt.clone(), Arc::clone(&self.tally));
        LIFECYCLE.before_an_early_end(move |ending| {
            let log = path.and_then(|path| AuditLog::open(&path, PATIENCE_AT_THE_END).ok());
            for (index, file) in files.iter().enumerate().skip(tally.files_done()).filter(|_| log.is_some()) {
                let outcome = match ending {
                    Ending::Interrupted | Ending::Stopped => "interrupted",
                    Ending::GaveUp(_) => "failed",
                };
                let signatures = if index == tally.files_done() { tally.signatures() } else { 0 };
                let (device, key) = tally.device_and_key();
                let progress = Progress { device, key, ..Progress::default() };
                let mut entry = with_facts(&attempt, file, &progress, signatures, outcome);
                if let Ending::GaveUp(error) = ending {
                    entry.insert("error".into(), countersign::uri::redact(&error.to_string()).into());
                }
                let _ = log.as_ref().map(|log| log.append(&entry));
            }
            tally.consequences()
        });
    }

    fn entry(&self, file: &str, progress: &Progress, signatures: usize, outcome: &str) -> Map<String, Value> {
        with_facts(&self.attempt, file, progress, signatures, outcome)
    }
}

fn with_facts(
    attempt: &Map<String, Value>,
    file: &str,
    progress: &Progress,
    signatures: usize,
    outcome: &str,
) -> Map<String, Value> {
    let mut entry = attempt.clone();
    entry.insert("time".into(), Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string().into());
    let path =
        std::path::absolute(Path::new(file)).map_or_else(|_| file.into(), |path| path.display().to_string());
    entry.extend(object(json!({
        "file": if file == "stdin" { file.to_owned() } else { path },
        "device": progress.device,
        "key": progress.key,
        "signatures": signatures,
        "mechanism": progress.mechanism.map(Mechanism::ckm_name),
        "outcome": outcome,
    })));
    entry
}

fn object(value: Value) -> Map<String, Value> {
    match value {
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
