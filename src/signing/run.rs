//! A run: from planned files and a key to files that are written.

use super::input::TOKEN_FILE;
use super::{
    Approver, AuditTrail, Destination, Input, Plan, Progress, RunRecord, SigningRequest, Unsignable,
};
use crate::device::{SignError, SigningKey};
use crate::error::Error;
use crate::save::{NotKept, Output};
use crate::signature::{Mechanism, PublicKey, Verifier};

/// Everything to be done for one request.
pub struct Run<'a> {
    request: &'a SigningRequest,
    plans: Vec<Plan<'a>>,
    public_key_output: Option<&'a Output>,
    trail: &'a AuditTrail,
    progress: &'a Progress,
}

/// A signature and how it was made.
pub type Signed = Result<(Vec<u8>, Mechanism), SignError>;

/// Follows a run, and owns the standard output.
pub trait Observer {
    /// Lets `work` make a signature, number `number` of `count` for the file.
    ///
    /// # Errors
    /// Those of `work`.
    fn signing(&self, number: usize, count: usize, work: &mut dyn FnMut() -> Signed) -> Signed;

    /// Takes a result that goes to standard output.
    ///
    /// # Errors
    /// It could not be delivered.
    fn to_stdout(&self, bytes: &[u8]) -> Result<(), Error>;

    /// A file was replaced, and some of its attributes were lost.
    fn not_kept(&self, not_kept: &NotKept);

    /// A file is done, with this result.
    fn file_done(&self, plan: &Plan<'_>, result: &[u8]);
}

impl<'a> Run<'a> {
    /// Plans what is to be done with each file.
    ///
    /// # Errors
    /// Something in a file cannot stay, or the approver is not known.
    pub fn plan(
        request: &'a SigningRequest,
        inputs: &'a [Input],
        destinations: &'a [Destination],
        approver: Option<&'a Approver>,
        public_key_output: Option<&'a Output>,
        (trail, progress): (&'a AuditTrail, &'a Progress),
    ) -> Result<Self, Error> {
        let plan = |(input, destination)| Plan::new(input, destination, request, approver);
        let plans = inputs.iter().zip(destinations).map(plan).collect::<Result<_, _>>()?;
        Ok(Run { request, plans, public_key_output, trail, progress })
    }

    /// The plans, file by file.
    pub fn plans(&self) -> &[Plan<'a>] {
        &self.plans
    }

    /// Whether any token would be hashed once more than CloudHSM expects.
    pub fn hashes_twice(&self) -> bool {
        self.plans.iter().any(|plan| plan.hashes_twice(self.request.mechanism))
    }

    /// Whether there is nothing to sign in any file.
    pub fn is_signed_already(&self) -> bool {
        !self.plans.iter().any(Plan::has_work)
    }

    /// Checks the existing signatures with a key that the device shows to anyone.
    ///
    /// # Errors
    /// They are by another key.
    pub fn check_kept(&self, key: &PublicKey) -> Result<(), Unsignable> {
        if !self.plans.iter().any(Plan::has_kept) {
            return Ok(());
        }
        let verifier = Verifier::new(key).map_err(|error| Unsignable::UnusableKey { error })?;
        self.plans.iter().try_for_each(|plan| plan.check_kept(&verifier, key, self.request.mechanism))
    }

    /// Signs and writes file after file. Everything that can be checked in advance is checked before the
    /// first signature.
    ///
    /// # Errors
    /// Files written before stay; the file that was next is unchanged.
    pub fn sign(&self, key: &mut SigningKey, observer: &dyn Observer) -> Result<(), Error> {
        let choice = self.request.mechanism;
        for plan in &self.plans {
            plan.check_kept(key.verifier(), key.public_key(), choice)?;
            for job in &plan.to_sign {
                key.check_allowed(&choice.mechanisms(&job.payload, key.public_key()))?;
            }
        }
        for plan in &self.plans {
            let signatures = self.sign_tokens(plan, key, observer)?;
            self.finish(plan, &plan.result(&signatures, key.public_key()), observer)?;
        }
        self.write_public_key(key.public_key(), observer)
    }

    /// The same if nothing is to be signed, so that nobody logs in: files are copied to their destinations.
    ///
    /// # Errors
    /// As [`Run::sign`].
    pub fn pass_on(&self, key: &PublicKey, observer: &dyn Observer) -> Result<(), Error> {
        for plan in &self.plans {
            self.finish(plan, plan.input().bytes(), observer)?;
        }
        self.write_public_key(key, observer)
    }

    /// The outcome so far.
    pub fn record(&self) -> RunRecord {
        let dry_run = self.request.dry_run;
        RunRecord {
            files: self.plans.iter().map(|plan| plan.record(dry_run)).collect(),
            device: self.progress.device().cloned(),
            key: self.progress.key().cloned(),
            mechanism: self.progress.mechanism(),
            public_key_written: self
                .public_key_output
                .filter(|_| !dry_run)
                .map(|output| output.path().display().to_string()),
            dry_run,
        }
    }

    fn sign_tokens(
        &self,
        plan: &Plan<'_>,
        key: &mut SigningKey,
        observer: &dyn Observer,
    ) -> Result<Vec<Vec<u8>>, Error> {
        let (choice, count) = (self.request.mechanism, plan.to_sign.len());
        let mut signatures = Vec::with_capacity(count);
        self.progress.begin(count);
        for (index, job) in plan.to_sign.iter().enumerate() {
            let payload = choice.payload(job.payload.clone());
            let mechanisms = choice.mechanisms(&payload, key.public_key());
            let (signature, mechanism) =
                observer.signing(index + 1, count, &mut || key.sign(&payload, &mechanisms))?;
            signatures.push(signature);
            self.progress.signed(mechanism);
        }
        Ok(signatures)
    }

    /// Logs and writes the result, if anything changed.
    fn finish(&self, plan: &Plan<'_>, bytes: &[u8], observer: &dyn Observer) -> Result<(), Error> {
        // Before the file, because what cannot be logged is not written.
        self.trail.signed(plan, bytes)?;
        let done = || self.progress.file_done();
        match (plan.destination(), &plan.input().to_replace) {
            (Destination::Stdout, _) => {
                observer.to_stdout(bytes)?;
                done();
            }
            (Destination::File(output), _) if !plan.is_detached() || plan.has_work() => {
                tell_of(&output.write_and(bytes, done)?, observer);
            }
            (Destination::InPlace, Some(file)) if plan.has_work() => {
                let not_kept = file.replace(bytes, done).map_err(|error| TOKEN_FILE.error(error))?;
                tell_of(&not_kept, observer);
            }
            (Destination::File(_) | Destination::InPlace, _) => done(),
        }
        observer.file_done(plan, bytes);
        Ok(())
    }

    fn write_public_key(&self, key: &PublicKey, observer: &dyn Observer) -> Result<(), Error> {
        if let Some(output) = self.public_key_output {
            tell_of(&output.write(key.spki_pem().as_bytes())?, observer);
        }
        Ok(())
    }
}

fn tell_of(not_kept: &NotKept, observer: &dyn Observer) {
    if !not_kept.is_nothing() {
        observer.not_kept(not_kept);
    }
}
