//! `countersign verify`: every signature of the files, as the HSM would check it.

mod keys;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use countersign::error::{Error, Exit, Explain};
use countersign::signature::{Payload, PublicKey, Verifier};
use countersign::tokenfile::{Approval, Format, Signed, Token, TokenFile};
use serde_json::{Value, json};

use super::detached::{read_signature, signature_file};
use super::key::KeyOptions;
use super::tokens::{self, Input, Purpose};
use super::usage::UsageError;
use crate::cli::Verify;
use crate::terminal::Terminal;
use countersign::printable::one_line;
use keys::Keys;

pub(crate) fn run(arguments: &Verify, options: &KeyOptions, terminal: &Terminal) -> Result<(), Error> {
    let purpose = if arguments.detached { Purpose::Opaque } else { Purpose::Look };
    let inputs = tokens::read_all(&arguments.files, purpose)?;
    refuse_idle_options(arguments, &inputs)?;
    let mut check =
        Check { arguments, terminal, keys: Keys::new(arguments, options, terminal)?, faults: Vec::new() };
    let mut files = Vec::new();
    for input in &inputs {
        files.push(match &input.tokens {
            None => check.detached(input)?,
            Some(file) if file.format() == Format::QuorumApproval => check.approvals(input, file)?,
            Some(file) => check.tokens(input, file)?,
        });
    }
    let faults = check.faults;
    terminal.document(&json!({ "files": files, "verified": faults.is_empty() }))?;
    if faults.is_empty() { Ok(()) } else { Err(NotVerified { faults }.into()) }
}

/// An option that decides nothing would let somebody believe that it did.
fn refuse_idle_options(arguments: &Verify, inputs: &[Input]) -> Result<(), UsageError> {
    let is_approval =
        |input: &Input| input.tokens.as_ref().is_some_and(|file| file.format() == Format::QuorumApproval);
    if arguments.require == Some(0) {
        return Err(UsageError::NotForThisFile("--require 0 would accept a file without any approval"));
    }
    if arguments.require.is_some() && !inputs.iter().all(is_approval) {
        return Err(UsageError::NotForThisFile(
            "--require counts approvals, and not all files are quorum approvals",
        ));
    }
    if arguments.signature.is_some() && inputs.len() > 1 {
        return Err(UsageError::NotForThisFile("--signature is for one file, and several are given"));
    }
    Ok(())
}

struct Check<'a> {
    arguments: &'a Verify,
    terminal: &'a Terminal,
    keys: Keys<'a>,
    faults: Vec<String>,
}

impl Check<'_> {
    fn tokens(&mut self, input: &Input, file: &TokenFile) -> Result<Value, Error> {
        let (name, tokens) = (input.name(), file.tokens());
        let key = self.keys.plain()?;
        let verifier = keys::verifier(&key, self.terminal)?;
        let mut rows = Vec::new();
        let mut good = 0;
        for (index, token) in tokens.iter().enumerate() {
            let outcome = self.check_token(token, &verifier);
            good += usize::from(outcome.is_ok());
            if let Err(reason) = &outcome {
                self.faults.push(format!("{name}: token {} of {}: {reason}", index + 1, tokens.len()));
            }
            rows.push(json!({
                "unsigned": STANDARD.encode(token.payload.digest()),
                "verified": outcome.is_ok(),
                "fault": outcome.err(),
            }));
        }
        // CMU takes the key to register from the file itself.
        let text = file.public_key_text().unwrap_or_default();
        if !text.is_empty() && PublicKey::from_pem(text.as_bytes()).as_ref() != Ok(&key) {
            self.faults.push(format!("{name}: its \"PublicKey\" is not the key"));
        }
        self.terminal.report(&format!(
            "{name}: {good} of {} signatures verify under {} sha256:{}",
            tokens.len(),
            key.describe(),
            key.sha256()
        ))?;
        let key = json!({ "kind": key.describe(), "public_key_sha256": key.sha256() });
        Ok(json!({ "file": name, "format": file.format().name(), "key": key, "tokens": rows }))
    }

    fn check_token(&self, token: &Token, verifier: &Verifier) -> Result<(), String> {
        let payload = self.arguments.mechanism.choice.payload(token.payload.clone());
        check_signature(&token.signed, &payload, verifier)
    }

    /// An approval counts when its user's key was given and verifies it. One that its user's key does not verify is a
    /// fault; one of a user whose key was not given only does not count.
    fn approvals(&mut self, input: &Input, file: &TokenFile) -> Result<Value, Error> {
        self.keys.refuse_plain()?;
        let name = input.name();
        let payload = &file.tokens()[0].payload;
        let mut valid: Vec<(&str, PublicKey)> = Vec::new();
        let mut wrong = 0;
        let mut rows = Vec::new();
        for approval in file.approvals() {
            let key = self.keys.of_user(&approval.username);
            let verified = match &key {
                Some(key) => check_signature(&approval.signed, payload, &keys::verifier(key, self.terminal)?),
                None => Err("no --public-key was given for this user".into()),
            };
            // A quorum is one of people, and one key is one person.
            let same_key = |(_, other): &&(&str, PublicKey)| Some(other) == key.as_ref();
            let outcome = match valid.iter().find(same_key).filter(|_| verified.is_ok()) {
                Some((user, _)) => Err(format!("it is by the key of {}", one_line(user))),
                None => verified,
            };
            match (&outcome, key) {
                (Ok(()), Some(key)) => valid.push((&approval.username, key)),
                (Err(reason), Some(_)) => {
                    wrong += 1;
                    let user = one_line(&approval.username);
                    self.faults.push(format!("{name}: the approval of {user}: {reason}"));
                }
                _ => {}
            }
            self.terminal.report(&format!("  {}", approval_line(approval, &outcome)))?;
            rows.push(json!({
                "username": approval.username,
                "role": approval.role,
                "verified": outcome.is_ok(),
                "fault": outcome.err(),
            }));
        }
        let valid = valid.len();
        let required = self.arguments.require.unwrap_or_else(|| file.approvals().len().max(1));
        let approvals = if valid == 1 { "approval" } else { "approvals" };
        let count = format!("{name}: {valid} valid {approvals}, {required} required");
        self.terminal.report(&count)?;
        if valid < required && wrong == 0 {
            self.faults.push(count);
        }
        Ok(json!({
            "file": name, "format": file.format().name(), "approvals": rows, "valid": valid, "required": required,
        }))
    }

    fn detached(&mut self, input: &Input) -> Result<Value, Error> {
        let name = input.name();
        let place = self.arguments.signature.clone().unwrap_or_else(|| signature_file(&input.path));
        let key = self.keys.plain()?;
        let verifier = keys::verifier(&key, self.terminal)?;
        let outcome = read_signature(&place).map_err(|error| error.to_string()).and_then(|signature| {
            let payload = Payload::message(input.bytes());
            verifier.verify(&payload, &signature).map_err(|error| error.to_string())
        });
        let verdict = if outcome.is_ok() { "verifies" } else { "does not verify" };
        let place = place.display();
        self.terminal.report(&format!(
            "{name}: {place} {verdict} under {} sha256:{}",
            key.describe(),
            key.sha256()
        ))?;
        if let Err(error) = &outcome {
            self.faults.push(format!("{name}: {error}"));
        }
        let key = json!({ "kind": key.describe(), "public_key_sha256": key.sha256() });
        Ok(
            json!({ "file": name, "format": "detached", "key": key, "verified": outcome.is_ok(), "fault": outcome.err() }),
        )
    }
}

fn check_signature(signed: &Signed, payload: &Payload, verifier: &Verifier) -> Result<(), String> {
    match signed {
        Signed::No => Err("it is not signed".into()),
        Signed::Unreadable(reason) => Err(format!("its signature is not base64: {reason}")),
        Signed::Yes(signature) => verifier.verify(payload, signature).map_err(|error| error.to_string()),
    }
}

fn approval_line(approval: &Approval, outcome: &Result<(), String>) -> String {
    let role = approval.role.as_ref().map(|role| format!(" ({})", one_line(role))).unwrap_or_default();
    let verdict =
        outcome.as_ref().map_or_else(|reason| format!("does not count: {reason}"), |()| "valid".into());
    format!("{}{role}: {verdict}", one_line(&approval.username))
}

/// Signatures that are missing or wrong.
#[derive(Debug, thiserror::Error)]
#[error("{}", headline(faults))]
struct NotVerified {
    faults: Vec<String>,
}

fn headline(faults: &[String]) -> String {
    match faults {
        [only] if only.ends_with("required") => "too few valid approvals".into(),
        [_] => "1 signature does not verify".into(),
        many => format!("{} signatures do not verify", many.len()),
    }
}

impl Explain for NotVerified {
    fn exit(&self) -> Exit {
        Exit::Signature
    }
    fn detail(&self) -> Vec<String> {
        self.faults.clone()
    }
    fn hint(&self) -> Option<String> {
        let any = |text: &str| self.faults.iter().any(|fault| fault.contains(text));
        let hint = if any("hashed again") {
            "sign the tokens again with countersign sign --force: CloudHSM refuses a digest that was hashed again"
        } else if self.faults.iter().all(|fault| fault.ends_with("it is not signed")) {
            "sign them with countersign sign"
        } else if any(" required") {
            "have the others approve it, or give the keys of all approvers: --public-key USER=PEM"
        } else if any("the approval of") {
            "check that the key is that user's; a wrong approval is signed again with countersign sign --force"
        } else {
            "check that this is the key that signed; countersign sign --force signs the tokens anew"
        };
        Some(hint.into())
    }
}
