//! `countersign sign`: every unsigned token of the files, in place.

use std::path::Path;

use countersign::device::{Chosen, Policy, SigningKey};
use countersign::error::{Error, Exit, Explain};
use countersign::save;
use countersign::signature::{Mechanism, MechanismChoice, Verifier, VerifyError};
use countersign::tokenfile::{Signed, TokenFileError};
use serde_json::{Value, json};

use super::key::{KeyOptions, device_json, introduce, key_json};
use super::process;
use super::terminal::Terminal;
use super::tokens::{self, Input, Purpose};
use super::usage::UsageError;
use crate::cli::Sign;

pub(crate) fn run(arguments: &Sign, options: &KeyOptions, terminal: &Terminal) -> Result<(), Error> {
    check(arguments, terminal)?;
    let in_place = arguments.output.is_none();
    let purpose = if in_place { Purpose::Replace } else { Purpose::Look };
    let inputs = tokens::read_all(&arguments.files, purpose)?;
    let mut progress = Progress::default();
    sign_files(arguments, options, terminal, &inputs, &mut progress)
        .map_err(|error| progress.explain(error, &inputs, in_place))
}

fn check(arguments: &Sign, terminal: &Terminal) -> Result<(), UsageError> {
    if arguments.output.is_some() && arguments.files.len() > 1 {
        return Err(UsageError::OutputOfMany(arguments.files.len()));
    }
    if terminal.wants_json()
        && destination(arguments, &arguments.files[0]) == Destination::Stdout
        && !arguments.dry_run
    {
        return Err(UsageError::JsonAndStdout);
    }
    Ok(())
}

fn sign_files(
    arguments: &Sign,
    options: &KeyOptions,
    terminal: &Terminal,
    inputs: &[Input],
    progress: &mut Progress,
) -> Result<(), Error> {
    let plans: Vec<Plan> =
        inputs.iter().map(|input| Plan::new(input, arguments.force)).collect::<Result<_, _>>()?;
    for plan in &plans {
        terminal.say(&plan.to_string());
    }
    let choice = arguments.mechanism.choice;
    warn_of_mechanism(choice, inputs, terminal);
    let policy =
        Policy { allow_exportable: arguments.allow_exportable, allow_key_size: arguments.allow_key_size };
    let chosen = options.choose(&arguments.key, policy, terminal)?;
    if arguments.dry_run {
        return dry_run(&plans, &chosen, arguments, terminal);
    }

    let nothing_to_sign = plans.iter().all(|plan| plan.to_sign.is_empty());
    if nothing_to_sign && let Some(key) = chosen.public_key() {
        // Everything can be checked without a PIN.
        let verifier = Verifier::new(key).map_err(|error| UnusableKey { error })?;
        for plan in &plans {
            plan.verify_kept(&verifier, choice)?;
            finish(plan, None, arguments, terminal)?;
        }
        let device = device_json(&chosen.device);
        return terminal.document(&document(&plans, arguments, &device, &Value::Null, None));
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
        let signed = plan.input.tokens.with_signatures(pairs);
        finish(plan, Some(&signed), arguments, terminal)?;
        progress.files_done += 1;
        progress.tokens_signed = 0;
    }
    if let Some(mechanism) = mechanism {
        terminal.detail(&format!("mechanism {mechanism}"));
    }
    let (device, key_facts) = key_json(&key);
    terminal.document(&document(&plans, arguments, &device, &key_facts, mechanism))
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

/// Writes the result, if anything changed, and says what to do with it. `signed` is none when all was signed before.
fn finish(
    plan: &Plan<'_>,
    signed: Option<&[u8]>,
    arguments: &Sign,
    terminal: &Terminal,
) -> Result<(), Error> {
    let name = plan.input.name();
    let changed = signed.filter(|_| !plan.to_sign.is_empty());
    let bytes = changed.unwrap_or(&plan.input.bytes);
    let written = match destination(arguments, Path::new(&name)) {
        Destination::Stdout => {
            terminal.data(bytes)?;
            "stdout".to_owned()
        }
        Destination::File(path) => {
            process::undisturbed(|| save::write(path, bytes))?;
            path.display().to_string()
        }
        Destination::InPlace => {
            if let (Some(bytes), Some(file)) = (changed, &plan.input.to_replace) {
                process::undisturbed(|| file.replace(bytes))?;
            }
            name.clone()
        }
    };
    match (changed, destination(arguments, Path::new(&name))) {
        (None, Destination::InPlace) => terminal.say(&format!(
            "{name}: {} signed already, and verified under this key. Nothing was changed.",
            all_tokens(plan.kept.len())
        )),
        (None, _) => terminal.say(&format!(
            "{} signed already, and verified under this key. {written} is a copy.",
            all_tokens(plan.kept.len())
        )),
        (Some(_), Destination::InPlace) => terminal.say(&format!(
            "{} signed and verified with the device's public key. {name} is ready: press Enter in CloudHSM CLI.",
            plan.to_sign.len()
        )),
        (Some(_), _) => terminal.say(&format!(
            "{} signed and verified with the device's public key. {written} is ready for CloudHSM CLI.",
            plan.to_sign.len()
        )),
    }
    Ok(())
}

fn all_tokens(count: usize) -> String {
    if count == 1 { "its token is".into() } else { format!("all {count} tokens are") }
}

fn dry_run(plans: &[Plan<'_>], chosen: &Chosen, arguments: &Sign, terminal: &Terminal) -> Result<(), Error> {
    match chosen.public_key() {
        Some(key) => terminal.say(&format!("the key's public half is shown: {}", key.describe())),
        None => terminal.say("the device shows the key only after login"),
    }
    terminal.say("Nothing was signed or changed (--dry-run).");
    terminal.document(&document(plans, arguments, &device_json(&chosen.device), &Value::Null, None))
}

fn warn_of_mechanism(choice: MechanismChoice, inputs: &[Input], terminal: &Terminal) {
    let hashes_twice =
        |input: &Input| input.tokens.tokens().iter().any(|token| choice.hashes_twice(&token.payload));
    if inputs.iter().any(hashes_twice) {
        terminal.warn(
            "CKM_SHA256_RSA_PKCS hashes the token, which is a SHA-256 digest already, as CloudHSM's published samples \
             show: these signatures are hashed twice, and CloudHSM will refuse them",
        );
    }
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

#[derive(Clone, Copy, PartialEq, Eq)]
enum Destination<'a> {
    InPlace,
    File(&'a Path),
    Stdout,
}

fn destination<'a>(arguments: &'a Sign, file: &Path) -> Destination<'a> {
    match &arguments.output {
        Some(output) if tokens::is_stdin(output) => Destination::Stdout,
        Some(output) => Destination::File(output),
        None if tokens::is_stdin(file) || arguments.files.iter().any(|file| tokens::is_stdin(file)) => {
            Destination::Stdout
        }
        None => Destination::InPlace,
    }
}

/// The `--json` document of a run.
fn document(
    plans: &[Plan<'_>],
    arguments: &Sign,
    device: &Value,
    key: &Value,
    mechanism: Option<Mechanism>,
) -> Value {
    let files: Vec<Value> = plans
        .iter()
        .map(|plan| {
            let written = match destination(arguments, Path::new(&plan.input.name())) {
                _ if arguments.dry_run => None,
                Destination::InPlace => (!plan.to_sign.is_empty()).then(|| plan.input.name()),
                Destination::File(path) => Some(path.display().to_string()),
                Destination::Stdout => Some("-".into()),
            };
            json!({
                "file": plan.input.name(),
                "format": plan.input.tokens.format().name(),
                "tokens": plan.input.tokens.tokens().len(),
                "signed": if arguments.dry_run { 0 } else { plan.to_sign.len() },
                "to_sign": if arguments.dry_run { plan.to_sign.len() } else { 0 },
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
        "dry_run": arguments.dry_run,
    })
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
                "{} of {} tokens were signed before.",
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
#[error("{name:?}: token {token} is signed already, but not by this key: {error}")]
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
