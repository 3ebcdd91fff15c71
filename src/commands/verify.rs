//! `countersign verify`: every signature of the files, as the HSM would check it.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use countersign::error::{Error, Exit, Explain};
use countersign::save;
use countersign::signature::{PublicKey, PublicKeyError, Verifier, VerifyError};
use countersign::tokenfile::{Signed, Token};
use serde_json::{Value, json};

use super::key::KeyOptions;
use super::terminal::Terminal;
use super::tokens::{self, Input, Purpose};
use crate::cli::Verify;

/// A PEM public key is smaller by far.
const MAX_PEM_BYTES: u64 = 64 * 1024;

pub(crate) fn run(arguments: &Verify, options: &KeyOptions, terminal: &Terminal) -> Result<(), Error> {
    let inputs = tokens::read_all(&arguments.files, Purpose::Look)?;
    let key = match &arguments.public_key {
        Some(path) => read_public_key(path)?,
        None => options.public_key(&arguments.key, terminal)?,
    };
    let verifier = Verifier::new(&key).map_err(|error| BadKey::Unusable { error })?;
    if key.bits() != 2048 {
        terminal.warn(&format!("the key is {}; CloudHSM accepts RSA-2048", key.describe()));
    }

    let mut files = Vec::new();
    let mut faults = Vec::new();
    for input in &inputs {
        files.push(check(input, &verifier, arguments, &key, terminal, &mut faults)?);
    }
    terminal.document(&json!({
        "files": files,
        "key": { "kind": key.describe(), "public_key_sha256": key.sha256() },
        "verified": faults.is_empty(),
    }))?;
    if faults.is_empty() { Ok(()) } else { Err(NotVerified { faults }.into()) }
}

fn check(
    input: &Input,
    verifier: &Verifier,
    arguments: &Verify,
    key: &PublicKey,
    terminal: &Terminal,
    faults: &mut Vec<String>,
) -> Result<Value, Error> {
    let tokens = input.tokens.tokens();
    let before = faults.len();
    let mut rows = Vec::new();
    for (index, token) in tokens.iter().enumerate() {
        let outcome = check_token(token, verifier, arguments);
        if let Err(reason) = &outcome {
            faults.push(format!("{}: token {} of {}: {reason}", input.name(), index + 1, tokens.len()));
        }
        rows.push(json!({
            "unsigned": STANDARD.encode(token.payload.digest()),
            "verified": outcome.is_ok(),
            "fault": outcome.err(),
        }));
    }
    let good = tokens.len() - (faults.len() - before);
    terminal.report(&format!(
        "{}: {good} of {} signatures verify under {} sha256:{}",
        input.name(),
        tokens.len(),
        key.describe(),
        key.sha256()
    ))?;
    Ok(json!({ "file": input.name(), "format": input.tokens.format().name(), "tokens": rows }))
}

fn check_token(token: &Token, verifier: &Verifier, arguments: &Verify) -> Result<(), String> {
    match &token.signed {
        Signed::No => Err("it is not signed".into()),
        Signed::Unreadable(reason) => Err(format!("its signature is not base64: {reason}")),
        Signed::Yes(signature) => {
            let (payload, _) = arguments.mechanism.choice.apply(token.payload.clone());
            verifier.verify(&payload, signature).map_err(|error| error.to_string())
        }
    }
}

fn read_public_key(path: &Path) -> Result<PublicKey, Error> {
    let bytes = save::read(path, MAX_PEM_BYTES)?;
    let bad = |source| BadKey::Malformed { name: path.display().to_string(), source };
    Ok(PublicKey::from_pem(&bytes).map_err(bad)?)
}

/// Signatures that are missing or wrong.
#[derive(Debug, thiserror::Error)]
#[error("{} not verify", if faults.len() == 1 { "1 signature does".into() } else { format!("{} signatures do", faults.len()) })]
struct NotVerified {
    faults: Vec<String>,
}

impl Explain for NotVerified {
    fn exit(&self) -> Exit {
        Exit::Signature
    }
    fn detail(&self) -> Vec<String> {
        self.faults.clone()
    }
    fn hint(&self) -> Option<String> {
        let says = |text: &str| self.faults.iter().any(|fault| fault.contains(text));
        let hint = if says("hashed again") {
            "sign the tokens again with countersign sign --force: CloudHSM refuses a digest that was hashed again"
        } else if self.faults.iter().all(|fault| fault.ends_with("it is not signed")) {
            "sign them with countersign sign"
        } else {
            "check that this is the key that signed; countersign sign --force signs the tokens anew"
        };
        Some(hint.into())
    }
}

/// A public key that cannot be used.
#[derive(Debug, thiserror::Error)]
enum BadKey {
    #[error("the public key file {name:?} cannot be used: {source}")]
    Malformed { name: String, source: PublicKeyError },
    #[error("no signature can be checked with this key: {error}")]
    Unusable { error: VerifyError },
}

impl Explain for BadKey {
    fn exit(&self) -> Exit {
        match self {
            BadKey::Malformed { .. } => Exit::Malformed,
            BadKey::Unusable { .. } => Exit::Key,
        }
    }
    fn hint(&self) -> Option<String> {
        Some("countersign public-key writes the right file from the device".into())
    }
}
