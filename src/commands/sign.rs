//! `countersign sign`: every unsigned token of the files, in place.

mod approver;
mod audit;
mod destination;
mod plan;
mod refusal;
mod wait;

use countersign::device::{Chosen, Policy, SigningKey};
use countersign::error::Error;
use countersign::save::Output;
use countersign::signature::{Mechanism, Verifier};
use serde_json::{Value, json};

use super::key::{KeyOptions, device_json, introduce, key_json};
use super::terminal::Terminal;
use super::tokens::{self, Input, Purpose};
use crate::cli::Sign;
pub(crate) use destination::beside as signature_file;

use approver::Approver;
use audit::Audit;
use destination::Destination;
use plan::Plan;
use refusal::UnusableKey;

pub(crate) fn run(arguments: &Sign, options: &KeyOptions, terminal: &Terminal) -> Result<(), Error> {
    let audit = Audit::open(arguments)?;
    let destinations = Destination::of_all(arguments, terminal)?;
    let public_key_output = arguments.write_public_key.as_deref().map(Output::at).transpose()?;
    let in_place = matches!(destinations[..], [Destination::InPlace, ..]) && !arguments.dry_run;
    let purpose = match () {
        () if arguments.detached => Purpose::Opaque,
        () if in_place => Purpose::Replace,
        () => Purpose::Look,
    };
    let mut progress = Progress::default();
    let inputs = wait::for_files(arguments, terminal, || tokens::read_all(&arguments.files, purpose))
        .map_err(|error| audit.failed(&[], &progress, error))?;
    let run = Run { arguments, options, terminal, audit: &audit, public_key_output };
    run.sign_files(&inputs, &destinations, &mut progress)
        .map_err(|error| audit.failed(&inputs, &progress, error))
        .map_err(|error| progress.explain(error, &inputs, in_place))
}

/// What stays the same for all files of a run.
struct Run<'a> {
    arguments: &'a Sign,
    options: &'a KeyOptions,
    terminal: &'a Terminal,
    audit: &'a Audit,
    public_key_output: Option<Output>,
}

/// How far a run came: what an error and the audit log have to say about the files.
#[derive(Default)]
struct Progress {
    files_done: usize,
    tokens_signed: usize,
    tokens_to_sign: usize,
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
        let policy =
            Policy { allow_exportable: arguments.allow_exportable, allow_key_size: arguments.allow_key_size };
        let chosen =
            wait::for_device(arguments, terminal, || options.choose(&arguments.key, policy, terminal))?;
        progress.device = device_json(&chosen.device);

        if self.is_done_without_pin(&plans, &chosen, progress)? {
            return Ok(());
        }
        let key = options.log_in(chosen, terminal)?.signing_key(policy)?;
        introduce(&key, terminal);
        (progress.device, progress.key) = key_json(&key);
        for plan in &plans {
            plan.check_kept(key.verifier(), key.public_key(), choice)?;
        }
        for plan in &plans {
            let signatures = self.sign_tokens(plan, &key, progress)?;
            self.finish(plan, &plan.result(&signatures, key.public_key()), progress)?;
        }
        if let Some(output) = &self.public_key_output {
            output.write(key.public_key().to_spki_pem().as_bytes())?;
        }
        if let Some(mechanism) = progress.mechanism {
            terminal.detail(&format!("mechanism {mechanism}"));
        }
        self.say_answers(&plans);
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
            self.finish(plan, &plan.input.bytes, progress)?;
        }
        if let Some(output) = &self.public_key_output {
            output.write(key.to_spki_pem().as_bytes())?;
        }
        terminal.document(&self.document(plans, progress))?;
        Ok(true)
    }

    fn sign_tokens(
        &self,
        plan: &Plan<'_>,
        key: &SigningKey,
        progress: &mut Progress,
    ) -> Result<Vec<Vec<u8>>, Error> {
        let mut signatures = Vec::with_capacity(plan.to_sign.len());
        progress.tokens_to_sign = plan.to_sign.len();
        for (number, job) in plan.to_sign.iter().enumerate() {
            let (payload, mechanisms) = self.arguments.mechanism.choice.apply(job.payload.clone());
            let what = format!("token {} of {}", number + 1, plan.to_sign.len());
            let (signature, mechanism) =
                self.terminal.while_touching(&what, || key.sign(&payload, &mechanisms))?;
            signatures.push(signature);
            progress.tokens_signed += 1;
            progress.mechanism = Some(mechanism);
        }
        Ok(signatures)
    }

    /// Logs and writes the result, if anything changed, and says what to do with it.
    fn finish(&self, plan: &Plan<'_>, bytes: &[u8], progress: &mut Progress) -> Result<(), Error> {
        // Before the file: what cannot be logged is not written.
        self.audit.signed(plan, bytes, progress)?;
        match (plan.destination, &plan.input.to_replace) {
            (Destination::Stdout, _) => self.terminal.data(bytes)?,
            (Destination::File(_), _) if plan.is_detached() && !plan.has_work() => {}
            (Destination::File(output), _) => output.write(bytes)?,
            (Destination::InPlace, Some(file)) if plan.has_work() => file.replace(bytes)?,
            (Destination::InPlace, _) => {}
        }
        self.terminal.say(&plan.outcome(self.arguments.mechanism.choice, self.arguments.wait.is_some()));
        progress.files_done += 1;
        progress.tokens_signed = 0;
        Ok(())
    }

    /// The answers to the questions that CloudHSM CLI asks when a key is registered or replaced.
    fn say_answers(&self, plans: &[Plan]) {
        let (Some(output), [plan]) = (&self.public_key_output, plans) else { return };
        self.terminal.say("Answer CloudHSM CLI:");
        let signed = match plan.destination {
            Destination::File(output) => output.path().display().to_string(),
            _ => "(press Enter)".into(),
        };
        self.terminal.say(&format!("  Enter signed token file path: {signed}"));
        self.terminal.say(&format!("  Enter public key PEM file path: {}", output.path().display()));
    }

    /// The `--json` document of a run.
    fn document(&self, plans: &[Plan<'_>], progress: &Progress) -> Value {
        json!({
            "files": plans.iter().map(|plan| plan.json(self.arguments.dry_run)).collect::<Vec<_>>(),
            "device": progress.device,
            "key": progress.key,
            "mechanism": progress.mechanism.map(Mechanism::ckm_name),
            "public_key_written": self.public_key_output.as_ref().map(|output| output.path().display().to_string()),
            "dry_run": self.arguments.dry_run,
        })
    }
}

impl Progress {
    fn explain(&self, mut error: Error, inputs: &[Input], in_place: bool) -> Error {
        if self.tokens_signed > 0 {
            error = error.with_consequence(format!(
                "{} of {} signatures had been made; none of them was written.",
                self.tokens_signed, self.tokens_to_sign
            ));
        }
        for (index, input) in inputs.iter().enumerate().filter(|_| in_place) {
            let done = index < self.files_done;
            let name = input.name();
            error = error.with_consequence(if done {
                format!("{name} is signed.")
            } else {
                format!("{name} was not changed.")
            });
        }
        error
    }
}
