//! A run from planned files to signed ones: device, key and messages.

use countersign::certificate_file;
use countersign::device::{Chosen, DeviceRecord, KeyRecord};
use countersign::error::Error;
use countersign::save::{NotKept, Output};
use countersign::signing::{
    Approver, AuditTrail, Deadline, Destination, Input, Observer, Plan, Progress, Run, Signed, SigningRequest,
};
use countersign::tokenfile::TokenFile;

use super::words;
use crate::cli::Sign;
use crate::commands::attest;
use crate::commands::context::{Context, introduce};
use crate::commands::quorum;
use crate::terminal::Terminal;

/// What stays the same for all files of a run.
pub(super) struct Session<'a> {
    pub(super) arguments: &'a Sign,
    pub(super) request: &'a SigningRequest,
    pub(super) context: &'a Context,
    pub(super) terminal: &'a Terminal,
    pub(super) deadline: Deadline,
    pub(super) progress: &'a Progress,
}

impl Session<'_> {
    pub(super) fn sign(
        &self,
        inputs: &[Input],
        destinations: &[Destination],
        public_key_output: Option<&Output>,
        trail: &AuditTrail,
    ) -> Result<(), Error> {
        let Session { arguments, request, context, terminal, progress, .. } = self;
        let policy = request.policy;
        let roots = match &arguments.require_attested {
            Some(path) => Some(certificate_file::read(path)?),
            None => None,
        };
        let approver = Approver::of(request, inputs)?;
        let outcome = (trail, *progress);
        let run = Run::plan(request, inputs, destinations, approver.as_ref(), public_key_output, outcome)?;
        for plan in run.plans() {
            words::introduce(plan, terminal);
            plan.check_replaceable()?;
        }
        if run.hashes_twice() {
            terminal.warn(
                "CKM_SHA256_RSA_PKCS hashes the token, which is a SHA-256 digest already, as CloudHSM's published \
                 samples show: these signatures are hashed twice, and CloudHSM will refuse them",
            );
        }
        let choose = || context.choose(&arguments.key, policy, terminal);
        let chosen = self.deadline.until_done(words::waits(terminal), choose)?;
        progress.chose(DeviceRecord::of(&chosen.device));

        if request.dry_run {
            chosen.check_shown(policy)?;
        }
        if !self.is_done_without_pin(&run, &chosen)? {
            let mut key = context.log_in(chosen, terminal)?.signing_key(policy)?;
            introduce(&key, policy, terminal);
            progress.found(KeyRecord::of(&key));
            if let Some(roots) = &roots {
                let proof = attest::verify(&key, roots)?;
                terminal.say(&format!("attested by {}", proof.root));
            }
            run.sign(&mut key, self)?;
        }
        if let Some(output) = public_key_output.filter(|_| !request.dry_run) {
            words::public_key_written(output.path(), run.plans(), terminal);
        }
        if let Some(mechanism) = progress.mechanism() {
            terminal.detail(&format!("mechanism {mechanism}"));
        }
        terminal.document(&run.record())
    }

    /// True for a dry run, or if everything is signed already and the signatures can be checked with a public
    /// key that the device shows to anyone.
    fn is_done_without_pin(&self, run: &Run<'_>, chosen: &Chosen) -> Result<bool, Error> {
        let shown = chosen.public_key();
        if let Some(key) = shown {
            run.check_kept(key)?;
        }
        if self.request.dry_run {
            match shown {
                Some(key) => self.terminal.say(&format!("the key is {}", key.describe())),
                None => self.terminal.say("which key it is shows after login"),
            }
            self.terminal.say("Nothing was signed or changed (--dry-run).");
            return Ok(true);
        }
        let Some(key) = shown.filter(|_| run.is_signed_already()) else { return Ok(false) };
        run.pass_on(key, self)?;
        Ok(true)
    }
}

impl Observer for Session<'_> {
    fn signing(&self, number: usize, count: usize, work: &mut dyn FnMut() -> Signed) -> Signed {
        self.context.watch().signing(|| format!("token {number} of {count}"), work)
    }

    fn to_stdout(&self, bytes: &[u8]) -> Result<(), Error> {
        self.terminal.data(bytes)
    }

    fn not_kept(&self, not_kept: &NotKept) {
        self.terminal.warn(&not_kept.to_string());
    }

    fn file_done(&self, plan: &Plan<'_>, result: &[u8]) {
        let waited = self.arguments.wait.is_some();
        self.terminal.say(&words::outcome(plan, self.request.mechanism, waited, result.len()));
        // The warning may be about what this run added.
        if let Ok(file) = TokenFile::parse(result) {
            quorum::warnings(&file).iter().for_each(|warning| self.terminal.warn(warning));
        }
    }
}
