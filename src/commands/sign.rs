//! `countersign sign`: every unsigned token of the files, in place.

mod approver;
mod audit;
mod destination;
mod plan;
mod refusal;
mod tally;
mod wait;

use std::path::Path;
use std::sync::Arc;

use countersign::certificate_file;
use countersign::device::{Chosen, Policy, SigningKey};
use countersign::error::Error;
use countersign::save::{self, Output};
use countersign::signature::{Mechanism, PublicKey, Verifier};
use serde_json::{Value, json};

use super::attest;
use super::key::{KeyOptions, device_json, introduce, key_json};
use super::tokens::{self, Input, Purpose};
use super::usage::UsageError;
use crate::cli::Sign;
use crate::terminal::Terminal;
use approver::Approver;
use audit::Audit;
use destination::Destination;
use plan::Plan;
use refusal::UnusableKey;
use tally::Tally;
use wait::Deadline;

pub(crate) fn run(arguments: &Sign, options: &KeyOptions, terminal: &Terminal) -> Result<(), Error> {
    Destination::refuse_collisions(arguments)?;
    let tally = Arc::new(Tally::default());
    let audit = Audit::open(arguments, &tally)?;
    // From here on the audit log tells of every end.
    let mut progress = Progress::default();
    let early = |error: Error| audit.failed(&[], &Progress::default(), error);
    let destinations = Destination::of_all(arguments, terminal).map_err(early)?;
    tally.expect(arguments, &destinations);
    let public_key_output = public_key_output(arguments).map_err(early)?;
    let in_place = matches!(destinations[..], [Destination::InPlace, ..]) && !arguments.dry_run;
    let purpose = match () {
        () if arguments.detached => Purpose::Opaque,
        () if in_place => Purpose::Replace,
        () => Purpose::Look,
    };
    let deadline = Deadline::of(arguments);
    let read = || {
        let inputs = tokens::read_all(&arguments.files, purpose)?;
        wait::refuse_old(arguments, &inputs, terminal)?;
        Ok(inputs)
    };
    let inputs = deadline.until_done(terminal, read).map_err(early)?;
    let run = Run { arguments, options, terminal, audit: &audit, tally: &tally, deadline, public_key_output };
    run.sign_files(&inputs, &destinations, &mut progress)
        .map_err(|error| audit.failed(&inputs, &progress, error))
        .map_err(|error| tally.consequences().into_iter().fold(error, Error::with_consequence))
}

fn public_key_output(arguments: &Sign) -> Result<Option<Output>, Error> {
    if let Some(file) = arguments.files.iter().find(|file| arguments.wait.is_some() && is_number(file)) {
        return Err(UsageError::WaitWithBlank(file.clone()).into());
    }
    match arguments.write_public_key.as_deref() {
        Some(path) if save::is_dash(path) => Err(UsageError::PublicKeyToStdout.into()),
        path => Ok(path.map(Output::at).transpose()?),
    }
}

/// `--wait 60 FILE` is taken as a file named 60.
fn is_number(file: &Path) -> bool {
    !file.exists() && file.to_string_lossy().bytes().all(|byte| byte.is_ascii_digit())
}

/// What stays the same for all files of a run.
struct Run<'a> {
    arguments: &'a Sign,
    options: &'a KeyOptions,
    terminal: &'a Terminal,
    audit: &'a Audit,
    tally: &'a Tally,
    deadline: Deadline,
    public_key_output: Option<Output>,
}

/// What a run has found out: for its document and the audit log.
#[derive(Default)]
struct Progress {
    device: Value,
    key: Value,
    mechanism: Option<Mechanism>,
}

impl Run<'_> {
    fn sign_files(
        &self,
        inputs: &[Input],
        destinations: &[Destination],
        progress: &mut Progress,
    ) -> Result<(), Error> {
        let Run { arguments, options, terminal, .. } = self;
        let choice = arguments.mechanism.choice;
        let roots = match &arguments.require_attested {
            Some(path) => Some(certificate_file::read(path)?),
            None => None,
        };
        let approver = Approver::of(arguments, inputs)?;
        let plans: Vec<Plan> = inputs
            .iter()
            .zip(destinations)
            .map(|(input, destination)| Plan::new(input, destination, arguments, approver.as_ref()))
            .collect::<Result<_, _>>()?;
        for plan in &plans {
            plan.introduce(terminal);
            plan.check_replaceable(terminal)?;
        }
        if plans.iter().any(|plan| plan.hashes_twice(choice)) {
            terminal.warn(
                "CKM_SHA256_RSA_PKCS hashes the token, which is a SHA-256 digest already, as CloudHSM's published \
                 samples show: these signatures are hashed twice, and CloudHSM will refuse them",
            );
        }
        let policy = Policy {
            allow_exportable: arguments.allow_exportable,
            allow_key_size: arguments.allow_key_size,
            any_key: false,
        };
        let choose = || options.choose(&arguments.key, policy, terminal);
        let chosen = self.deadline.until_done(terminal, choose)?;
        progress.device = device_json(&chosen.device);

        if arguments.dry_run {
            chosen.check_shown(policy)?;
        }
        if self.is_done_without_pin(&plans, &chosen, progress)? {
            return Ok(());
        }
        let mut key = options.log_in(chosen, terminal)?.signing_key(policy)?;
        introduce(&key, policy, terminal);
        (progress.device, progress.key) = key_json(&key);
        self.tally.chosen(&progress.device, &progress.key);
        if let Some(roots) = &roots {
            let proof = attest::verify(&key, roots)?;
            terminal.say(&format!("attested by {}", proof.root));
        }
        for plan in &plans {
            plan.check_kept(key.verifier(), key.public_key(), choice)?;
            for job in &plan.to_sign {
                key.check_allowed(&choice.mechanisms(&job.payload, key.public_key()))?;
            }
        }
        for plan in &plans {
            let signatures = self.sign_tokens(plan, &mut key, progress)?;
            self.finish(plan, &plan.result(&signatures, key.public_key()), progress)?;
        }
        self.write_public_key(&plans, key.public_key())?;
        if let Some(mechanism) = progress.mechanism {
            terminal.detail(&format!("mechanism {mechanism}"));
        }
        terminal.document(&self.document(&plans, progress))
    }

    /// A dry run, or files in which all is signed already and whose signatures can be checked under a public key that
    /// the device shows to anybody.
    fn is_done_without_pin(
        &self,
        plans: &[Plan],
        chosen: &Chosen,
        progress: &mut Progress,
    ) -> Result<bool, Error> {
        let Run { arguments, terminal, .. } = self;
        let shown = chosen.public_key();
        if let Some(key) = shown.filter(|_| plans.iter().any(Plan::has_kept)) {
            let verifier = Verifier::new(key).map_err(|error| UnusableKey { error })?;
            for plan in plans {
                plan.check_kept(&verifier, key, arguments.mechanism.choice)?;
            }
        }
        if arguments.dry_run {
            match shown {
                Some(key) => terminal.say(&format!("the key is {}", key.describe())),
                None => terminal.say("which key it is shows after login"),
            }
            terminal.say("Nothing was signed or changed (--dry-run).");
            terminal.document(&self.document(plans, progress))?;
            return Ok(true);
        }
        let Some(key) = shown.filter(|_| plans.iter().all(|plan| !plan.has_work())) else { return Ok(false) };
        for plan in plans {
            self.finish(plan, plan.input.bytes(), progress)?;
        }
        self.write_public_key(plans, key)?;
        terminal.document(&self.document(plans, progress))?;
        Ok(true)
    }

    fn sign_tokens(
        &self,
        plan: &Plan<'_>,
        key: &mut SigningKey,
        progress: &mut Progress,
    ) -> Result<Vec<Vec<u8>>, Error> {
        let (watch, choice) = (self.options.watch(), self.arguments.mechanism.choice);
        let mut signatures = Vec::with_capacity(plan.to_sign.len());
        self.tally.begin(plan.to_sign.len());
        for (number, job) in plan.to_sign.iter().enumerate() {
            let payload = choice.payload(job.payload.clone());
            let mechanisms = choice.mechanisms(&payload, key.public_key());
            let what = || format!("token {} of {}", number + 1, plan.to_sign.len());
            let (signature, mechanism) = watch.signing(what, || key.sign(&payload, &mechanisms))?;
            signatures.push(signature);
            self.tally.signed();
            progress.mechanism = Some(mechanism);
        }
        Ok(signatures)
    }

    /// Logs and writes the result, if anything changed, and says what to do with it.
    fn finish(&self, plan: &Plan<'_>, bytes: &[u8], progress: &Progress) -> Result<(), Error> {
        // Before the file: what cannot be logged is not written.
        self.audit.signed(plan, bytes, progress)?;
        match (plan.destination, &plan.input.to_replace) {
            (Destination::Stdout, _) => {
                self.terminal.data(bytes)?;
                self.tally.file_done();
            }
            (Destination::File(output), _) if !plan.is_detached() || plan.has_work() => {
                output.write_and(bytes, || self.tally.file_done())?;
            }
            (Destination::InPlace, Some(file)) if plan.has_work() => {
                file.replace(bytes, || self.tally.file_done())?;
            }
            (Destination::File(_) | Destination::InPlace, _) => self.tally.file_done(),
        }
        let Sign { mechanism, wait, .. } = self.arguments;
        self.terminal.say(&plan.outcome(mechanism.choice, wait.is_some(), bytes.len()));
        Ok(())
    }

    /// Writes the public key, if it is wanted, and says the answers to the questions that CloudHSM CLI asks when a key is
    /// registered or replaced.
    fn write_public_key(&self, plans: &[Plan], key: &PublicKey) -> Result<(), Error> {
        let Some(output) = &self.public_key_output else { return Ok(()) };
        output.write(key.to_spki_pem().as_bytes())?;
        let key_path = output.path().display();
        self.terminal.say(&format!("The public key is in {key_path}."));
        let signed = match plans {
            [plan] if plan.is_for_cloudhsm_cli() => match plan.destination {
                Destination::InPlace => "(press Enter)".to_owned(),
                Destination::File(output) => output.path().display().to_string(),
                Destination::Stdout => return Ok(()),
            },
            _ => return Ok(()),
        };
        self.terminal.say("Answer CloudHSM CLI:");
        self.terminal.say(&format!("  Enter signed token file path: {signed}"));
        self.terminal.say(&format!("  Enter public key PEM file path: {key_path}"));
        Ok(())
    }

    /// The `--json` document of a run.
    fn document(&self, plans: &[Plan<'_>], progress: &Progress) -> Value {
        json!({
            "files": plans.iter().map(|plan| plan.json(self.arguments.dry_run)).collect::<Vec<_>>(),
            "device": progress.device,
            "key": progress.key,
            "mechanism": progress.mechanism.map(Mechanism::ckm_name),
            "public_key_written": self.public_key_output.as_ref().filter(|_| !self.arguments.dry_run)
                .map(|output| output.path().display().to_string()),
            "dry_run": self.arguments.dry_run,
        })
    }
}
