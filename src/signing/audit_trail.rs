//! What the audit log says about a run: a line for each file, signed or not, even if the run ends early.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;

use super::record::by_name;
use super::{Plan, Progress, SigningRequest};
use crate::audit::{AuditError, AuditLog};
use crate::device::{DeviceRecord, KeyRecord};
use crate::error::Error;
use crate::platform::user;
use crate::save;
use crate::signature::{Mechanism, sha256_hex};
use crate::uri::redact;

/// How long to wait for another writer of the log.
const PATIENCE: Duration = Duration::from_secs(10);
/// Anyone who pressed Ctrl-C does not want to wait longer.
const PATIENCE_AT_THE_END: Duration = Duration::from_secs(1);

/// The log of one run; without a log it does nothing.
#[derive(Clone)]
pub struct AuditTrail {
    log: Option<AuditLog>,
    /// The files as given, for attempts that end before they are read.
    files: Vec<String>,
    attempt: Attempt,
    progress: Arc<Progress>,
}

/// How a run was ended early, by another thread than its own.
#[derive(Clone, Copy, Debug)]
pub enum EarlyEnd<'a> {
    /// By a signal.
    Interrupted,
    /// A device did not answer.
    Failed(&'a Error),
}

/// What every line says about the attempt.
#[derive(Clone, Debug, Serialize)]
struct Attempt {
    user: String,
    host: String,
    command: &'static str,
    force: bool,
    allow_exportable: bool,
    allow_key_size: bool,
    username: Option<String>,
    role: Option<String>,
}

/// A line of the log.
#[derive(Serialize)]
struct Entry<'a> {
    time: String,
    #[serde(flatten)]
    attempt: &'a Attempt,
    file: String,
    device: Option<&'a DeviceRecord>,
    key: Option<&'a KeyRecord>,
    signatures: usize,
    #[serde(serialize_with = "by_name")]
    mechanism: Option<Mechanism>,
    outcome: &'static str,
    format: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    written: Option<Option<String>>,
    sha256_before: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sha256_after: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

impl AuditTrail {
    /// Opens the log that the request names. A dry run is not an attempt.
    ///
    /// # Errors
    /// A log that cannot be written ends the run before anything is signed.
    pub fn open(request: &SigningRequest, progress: &Arc<Progress>) -> Result<Self, AuditError> {
        let path = request.audit_log.as_deref().filter(|_| !request.dry_run);
        let name =
            |file: &Path| if save::is_dash(file) { "stdin".into() } else { file.display().to_string() };
        Ok(AuditTrail {
            log: path.map(|path| AuditLog::open(path, PATIENCE)).transpose()?,
            files: request.files.iter().map(|file| name(file)).collect(),
            attempt: Attempt {
                user: user::name(),
                host: user::host(),
                command: "sign",
                force: request.force,
                allow_exportable: request.policy.allow_exportable,
                allow_key_size: request.policy.allow_key_size,
                username: request.username.clone(),
                role: request.role.clone(),
            },
            progress: Arc::clone(progress),
        })
    }

    /// Logs that `bytes` is about to be written for the plan's file.
    ///
    /// # Errors
    /// What cannot be logged must not be written.
    pub(super) fn signed(&self, plan: &Plan<'_>, bytes: &[u8]) -> Result<(), AuditError> {
        let Some(log) = &self.log else { return Ok(()) };
        let outcome = if plan.has_work() { "signed" } else { "signed already" };
        log.append(&Entry {
            format: Some(plan.input().format_name()),
            written: Some(plan.written()),
            sha256_before: Some(sha256_hex(plan.input().bytes())),
            sha256_after: Some(sha256_hex(bytes)),
            ..self.entry(&plan.input().name(), plan.signatures_to_make(), outcome)
        })
    }

    /// Logs that the run failed. Returns the error, with a note if even that could not be logged.
    pub fn failed(&self, error: Error) -> Error {
        let Some(log) = &self.log else { return error };
        match self.not_done(log, "failed", Some(&error)) {
            Ok(()) => error,
            Err(log_error) => {
                error.with_consequence(format!("This failure is not in the audit log: {log_error}"))
            }
        }
    }

    /// Logs that a signal, or a device that does not answer, ended the run on another thread.
    pub fn ended_early(&self, end: EarlyEnd<'_>) {
        let Some(log) = self.log.as_ref().map(|log| log.with_patience(PATIENCE_AT_THE_END)) else { return };
        if self.progress.files_done() >= self.files.len() {
            return;
        }
        // If it could not be logged, there is nobody left to tell.
        let _ = match end {
            EarlyEnd::Interrupted => self.not_done(&log, "interrupted", None),
            EarlyEnd::Failed(error) => self.not_done(&log, "failed", Some(error)),
        };
    }

    /// A line for each file that is not done or, if all are done, for what else was to be written.
    fn not_done(
        &self,
        log: &AuditLog,
        outcome: &'static str,
        error: Option<&Error>,
    ) -> Result<(), AuditError> {
        let done = self.progress.files_done();
        let files = self.files.get(done..).filter(|files| !files.is_empty());
        let public_key = ["(the public key)".to_owned()];
        for (index, file) in files.unwrap_or(&public_key).iter().enumerate() {
            let facts = self.progress.input(done + index);
            let signatures = if index == 0 { self.progress.signatures() } else { 0 };
            log.append(&Entry {
                format: facts.map(|facts| facts.format),
                sha256_before: facts.map(|facts| facts.sha256.clone()),
                error: error.map(|error| redact(&error.to_string())),
                ..self.entry(file, signatures, outcome)
            })?;
        }
        Ok(())
    }

    fn entry(&self, file: &str, signatures: usize, outcome: &'static str) -> Entry<'_> {
        let path =
            || std::path::absolute(file).map_or_else(|_| file.into(), |path| path.display().to_string());
        Entry {
            time: Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
            attempt: &self.attempt,
            file: if file == "stdin" { file.to_owned() } else { path() },
            device: self.progress.device(),
            key: self.progress.key(),
            signatures,
            mechanism: self.progress.mechanism(),
            outcome,
            format: None,
            written: None,
            sha256_before: None,
            sha256_after: None,
            error: None,
        }
    }
}
