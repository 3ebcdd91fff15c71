//! `countersign sign`: every unsigned token of the files, in place.

use std::path::Path;

use countersign::device::{Policy, SigningKey};
use countersign::error::{Error, Exit, Explain};
use countersign::save::{self, Output};
use countersign::signature::{Mechanism, MechanismChoice, Verifier, VerifyError};
use countersign::tokenfile::{Signed, TokenFileError};
use serde_json::{Value, json};

use super::key::{KeyOptions, device_json, introduce, key_json};
use super::terminal::Terminal;
use super::tokens::{self, Input, Purpose};
use super::usage::UsageError;
use crate::cli::Sign;

pub(crate) fn run(arguments: &Sign, options: &KeyOptions, terminal: &Terminal) -> Result<(), Error> {
    let destination = Destination::of(arguments, terminal)?;
    let in_place = matches!(destination, Destination::InPlace) && !arguments.dry_run;
    let purpose = if in_place { Purpose::Replace } else { Purpose::Look };
    let inputs = tokens::read_all(&arguments.files, purpose)?;
    let mut progress = Progress::default();
    let run = Run { arguments, options, terminal, destination };
    run.sign_files(&inputs, &mut progress).map_err(|error| progress.explain(error, &inputs, in_place))
}

/// What stays the same for all files of a run.
struct Run<'a> {
    arguments: &'a Sign,
    options: &'a KeyOptions,
    terminal: &'a Terminal,
    destination: Destination,
}

impl Run<'_> {
    fn sign_files(&self, inputs: &[Input], progress: &mut Progress) -> Result<(), Error> {
        let Run { arguments, options, terminal, .. } = self;
        let choice = arguments.mechanism.choice;
        let plans: Vec<Plan> =
            inputs.iter().map(|input| Plan::new(input, arguments.force)).collect::<Result<_, _>>()?;
        for plan in &plans {
            terminal.say(&plan.to_string());
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
        let chosen = options.choose(&arguments.key, policy, terminal)?;

        // Where the device shows the public key, signatures that are there are checked without a PIN.
        let shown = chosen.public_key().cloned();
        if let Some(key) = shown.as_ref().filter(|_| plans.iter().any(|plan| !plan.kept.is_empty())) {
            let verifier = Verifier::new(key).map_err(|error| UnusableKey { error })?;
            for plan in &plans {
                plan.verify_kept(&verifier, choice)?;
            }
        }
        let device = device_json(&chosen.device);
        if arguments.dry_run {
            match shown {
                Some(key) => terminal.say(&format!("the key is {}", key.describe())),
                None => terminal.say("which key it is shows after login"),
            }
            terminal.say("Nothing was signed or changed (--dry-run).");
            return terminal.document(&self.document(&plans, &device, &Value::Null, None));
        }
        if shown.is_some() && plans.iter().all(|plan| plan.to_sign.is_empty()) {
            for plan in &plans {
                self.finish(plan, &plan.input.bytes)?;
            }
            return terminal.document(&self.document(&plans, &device, &Value::Null, None));
        }

        let key = options.log_in(chosen, terminal)?.signing_key(policy)?;
        introduce(&key, terminal);
        for plan in &plans {
            plan.verify_kept(key.verifier(), choice)?;
        }
        let mut mechanism = None;
        for plan in &plans {
            let signatures = sign_tokens(plan, &key, choice, terminal, progress, &mut mechanism)?;
            let pairs = plan.to_sign.iter().copied().zip(signatures.iter().map(Vec::as_slice));
            self.finish(plan, &plan.input.tokens.with_signatures(pairs))?;
            progress.files_done += 1;
            progress.tokens_signed = 0;
        }
        if let Some(mechanism) = mechanism {
            terminal.detail(&format!("mechanism {mechanism}"));
        }
        let (device, key_facts) = key_json(&key);
        terminal.document(&self.document(&plans, &device, &key_facts, mechanism))
    }

    /// Writes the result, if anything changed, and says what to do with it.
    fn finish(&self, plan: &Plan<'_>, bytes: &[u8]) -> Result<(), Error> {
        let name = plan.input.name();
        match (&self.destination, &plan.input.to_replace) {
            (Destination::Stdout, _) => self.terminal.data(bytes)?,
            (Destination::File(output), _) => output.write(bytes)?,
            (Destination::InPlace, Some(file)) if !plan.to_sign.is_empty() => file.replace(bytes)?,
            (Destination::InPlace, _) => {}
        }
        let what = if plan.to_sign.is_empty() {
            format!("{name}: {} signed already, and verified under this key.", all_tokens(plan.kept.len()))
        } else {
            format!("{} signed and verified with the device's public key.", plan.to_sign.len())
        };
        let next = match &self.destination {
            Destination::InPlace if plan.to_sign.is_empty() => "Nothing was changed.".to_owned(),
            _ if plan.hashes_twice(self.arguments.mechanism.choice) => {
                "They are hashed twice, and not for CloudHSM.".to_owned()
            }
            Destination::InPlace => format!("{name} is ready: press Enter in CloudHSM CLI."),
            Destination::Stdout => "The file is on stdout.".to_owned(),
            Destination::File(output) => format!("{} is ready for CloudHSM CLI.", output.path().display()),
        };
        self.terminal.say(&format!("{what} {next}"));
        Ok(())
    }

    /// The `--json` document of a run.
    fn document(
        &self,
        plans: &[Plan<'_>],
        device: &Value,
        key: &Value,
        mechanism: Option<Mechanism>,
    ) -> Value {
        let dry_run = self.arguments.dry_run;
        let files: Vec<Value> = plans
            .iter()
            .map(|plan| {
                let written = match &self.destination {
                    _ if dry_run => None,
                    Destination::InPlace => (!plan.to_sign.is_empty()).then(|| plan.input.name()),
                    Destination::File(output) => Some(output.path().display().to_string()),
                    Destination::Stdout => Some("-".into()),
                };
                json!({
                    "file": plan.input.name(),
                    "format": plan.input.tokens.format().name(),
                    "tokens": plan.input.tokens.tokens().len(),
                    "signed": if dry_run { 0 } else { plan.to_sign.len() },
                    "to_sign": if dry_run { plan.to_sign.len() } else { 0 },
                    "signed_already": plan.kept.len(),
                    "written": written,
                })
            })
            .collect();
        json!({
            "files": files,
            "device": device,
            "key": key,
            "mechanism": mechanism.map(Mechanism::ckm_name),
            "dry_run": dry_run,
        })
    }
}

fn sign_tokens(
    plan: &Plan<'_>,
    key: &SigningKey,
    choice: MechanismChoice,
    terminal: &Terminal,
    progress: &mut Progress,
    used: &mut Option<Mechanism>,
) -> Result<Vec<Vec<u8>>, Error> {
    let mut signatures = Vec::with_capacity(plan.to_sign.len());
    progress.tokens_to_sign = plan.to_sign.len();
    for (number, index) in plan.to_sign.iter().enumerate() {
        let (payload, mechanism) = choice.apply(plan.input.tokens.tokens()[*index].payload.clone());
        let what = format!("token {} of {}", number + 1, plan.to_sign.len());
        signatures.push(terminal.while_touching(&what, || key.sign(&payload, mechanism))?);
        progress.tokens_signed += 1;
        *used = Some(mechanism);
    }
    Ok(signatures)
}

fn all_tokens(count: usize) -> String {
    if count == 1 { "its token is".into() } else { format!("all {count} tokens are") }
}

/// What is to be done with one file.
struct Plan<'a> {
    input: &'a Input,
    /// Indices of the tokens to sign.
    to_sign: Vec<usize>,
    /// Indices of the tokens that are signed already and stay as they are.
    kept: Vec<usize>,
}

impl<'a> Plan<'a> {
    fn new(input: &'a Input, force: bool) -> Result<Self, Unreadable> {
        let mut plan = Plan { input, to_sign: Vec::new(), kept: Vec::new() };
        for (index, token) in input.tokens.tokens().iter().enumerate() {
            match &token.signed {
                Signed::Yes(_) if !force => plan.kept.push(index),
                Signed::Unreadable(reason) if !force => {
                    let place = format!("token {}", index + 1);
                    let source = TokenFileError::NotBase64 { place, name: "signed", reason: reason.clone() };
                    return Err(Unreadable { name: input.name(), source });
                }
                _ => plan.to_sign.push(index),
            }
        }
        Ok(plan)
    }

    /// Finds out now, before anybody types a PIN, whether the file can be replaced.
    fn check_replaceable(&self, terminal: &Terminal) -> Result<(), Error> {
        let Some(file) = self.input.to_replace.as_ref().filter(|_| !self.to_sign.is_empty()) else {
            return Ok(());
        };
        if file.has_other_names() {
            terminal.warn(&format!(
                "{} has a second name (a hard link), which will keep the unsigned file",
                self.input.name()
            ));
        }
        Ok(file.check_replaceable()?)
    }

    /// Whether any of the tokens to sign is a digest that `choice` hashes once more.
    fn hashes_twice(&self, choice: MechanismChoice) -> bool {
        let tokens = self.input.tokens.tokens();
        self.to_sign.iter().any(|index| choice.hashes_twice(&tokens[*index].payload))
    }

    /// Signatures that are there must be this key's, or the file would be half one person's and half another's.
    fn verify_kept(&self, verifier: &Verifier, choice: MechanismChoice) -> Result<(), OtherSignature> {
        for index in &self.kept {
            let token = &self.input.tokens.tokens()[*index];
            let Signed::Yes(signature) = &token.signed else { continue };
            let (payload, _) = choice.apply(token.payload.clone());
            verifier.verify(&payload, signature).map_err(|error| OtherSignature {
                name: self.input.name(),
                token: index + 1,
                error,
            })?;
        }
        Ok(())
    }
}

impl std::fmt::Display for Plan<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}, {} to sign", self.input.name(), self.input.tokens.format(), self.to_sign.len())?;
        if !self.kept.is_empty() {
            write!(f, ", {} signed already", self.kept.len())?;
        }
        Ok(())
    }
}

/// Where the signed file goes.
enum Destination {
    InPlace,
    File(Box<Output>),
    Stdout,
}

impl Destination {
    fn of(arguments: &Sign, terminal: &Terminal) -> Result<Self, Error> {
        if arguments.output.is_some() && arguments.files.len() > 1 {
            return Err(UsageError::OutputOfMany(arguments.files.len()).into());
        }
        let is_stdout = |path: &Path| tokens::is_stdin(path) || path == Path::new("/dev/stdout");
        let destination = match &arguments.output {
            Some(path) if is_stdout(path) => Destination::Stdout,
            Some(path) if arguments.files.iter().any(|file| save::is_same_file(file, path)) => {
                Destination::InPlace
            }
            Some(path) => Destination::File(Box::new(Output::at(path)?)),
            None if arguments.files.iter().any(|file| tokens::is_stdin(file)) => Destination::Stdout,
            None => Destination::InPlace,
        };
        if terminal.wants_json() && matches!(destination, Destination::Stdout) && !arguments.dry_run {
            return Err(UsageError::JsonAndStdout.into());
        }
        Ok(destination)
    }
}

/// How far a run came: what an error has to say about the files.
#[derive(Default)]
struct Progress {
    files_done: usize,
    tokens_signed: usize,
    tokens_to_sign: usize,
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

/// A signature that is no base64, and `--force` was not given.
#[derive(Debug, thiserror::Error)]
#[error("{name:?} has a signature that cannot be read: {source}")]
struct Unreadable {
    name: String,
    source: TokenFileError,
}

impl Explain for Unreadable {
    fn exit(&self) -> Exit {
        self.source.exit()
    }
    fn hint(&self) -> Option<String> {
        self.source.hint()
    }
}

/// A signature by another key, and `--force` was not given.
#[derive(Debug, thiserror::Error)]
#[error("{name:?}: the signature of token {token} {}", match error {
    VerifyError::HashedTwice => "is not what CloudHSM accepts: the token was hashed again before it was signed".into(),
    error => format!("is not by this key: {error}"),
})]
struct OtherSignature {
    name: String,
    token: usize,
    error: VerifyError,
}

impl Explain for OtherSignature {
    fn exit(&self) -> Exit {
        Exit::Signature
    }
    fn hint(&self) -> Option<String> {
        Some("--force replaces the signatures that are there".into())
    }
}

/// The public key that was found cannot verify anything here.
#[derive(Debug, thiserror::Error)]
#[error("the signatures that are there cannot be checked: {error}")]
struct UnusableKey {
    error: VerifyError,
}

impl Explain for UnusableKey {
    fn exit(&self) -> Exit {
        Exit::Key
    }
    fn hint(&self) -> Option<String> {
        Some("name an RSA-2048 key with --key".into())
    }
}
