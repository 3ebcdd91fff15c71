//! `countersign verify`: checks every signature of the files, as the HSM would.

mod fault;
mod keys;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use countersign::error::Error;
use countersign::printable::one_line;
use countersign::signature::PublicKey;
use countersign::signing::detached::signature_file;
use countersign::signing::{
    ApprovalVerdict, Input, Purpose, QuorumCount, SignatureFault, check_detached, check_signature, read_all,
};
use countersign::tokenfile::{Format, TokenFile};
use serde_json::{Value, json};

use super::context::Context;
use super::usage::UsageError;
use crate::cli::Verify;
use crate::terminal::Terminal;
use fault::{Fault, NotVerified, quorum_line};
use keys::Keys;

pub(crate) fn run(arguments: &Verify, context: &Context, terminal: &Terminal) -> Result<(), Error> {
    let purpose = if arguments.detached { Purpose::Opaque } else { Purpose::Look };
    let inputs = read_all(&arguments.files, purpose)?;
    refuse_idle_options(arguments, &inputs)?;
    let mut check =
        Check { arguments, terminal, keys: Keys::new(arguments, context, terminal)?, faults: Vec::new() };
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

/// Refuses options without effect, which would make people believe that they had one.
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
    faults: Vec<Fault>,
}

impl Check<'_> {
    fn tokens(&mut self, input: &Input, file: &TokenFile) -> Result<Value, Error> {
        let (name, tokens) = (input.name(), file.tokens());
        let key = self.keys.plain()?;
        let verifier = keys::verifier(&key, self.terminal)?;
        let mut rows = Vec::new();
        let mut good = 0;
        for (index, token) in tokens.iter().enumerate() {
            let payload = self.arguments.mechanism.choice.payload(token.payload.clone());
            let outcome = check_signature(&token.signed, &payload, &verifier);
            good += usize::from(outcome.is_ok());
            rows.push(json!({
                "unsigned": STANDARD.encode(token.payload.digest()),
                "verified": outcome.is_ok(),
                "fault": outcome.as_ref().err().map(SignatureFault::to_string),
            }));
            if let Err(fault) = outcome {
                let (file, number, count) = (name.clone(), index + 1, tokens.len());
                self.faults.push(Fault::Token { file, number, count, fault });
            }
        }
        // CMU takes the key to register from the file itself.
        let text = file.public_key_text().unwrap_or_default();
        if !text.is_empty() && PublicKey::from_pem(text.as_bytes()).as_ref() != Ok(&key) {
            self.faults.push(Fault::PublicKey { file: name.clone() });
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

    /// An approval that its user's key does not verify is a fault; one by a user whose key was not given
    /// merely does not count.
    fn approvals(&mut self, input: &Input, file: &TokenFile) -> Result<Value, Error> {
        self.keys.refuse_plain()?;
        let name = input.name();
        let count = QuorumCount::of(file, |user| self.keys.of_user(user))?;
        let mut rows = Vec::new();
        for verdict in &count.verdicts {
            self.terminal.report(&format!("  {}", verdict_line(verdict)))?;
            rows.push(json!({
                "username": verdict.approval.username,
                "role": verdict.approval.role,
                "verified": verdict.outcome.is_ok(),
                "fault": verdict.outcome.as_ref().err().map(SignatureFault::to_string),
            }));
        }
        let valid = count.valid();
        let required = self.arguments.require.unwrap_or_else(|| file.approvals().len().max(1));
        self.terminal.report(&quorum_line(&name, valid, required))?;
        let before = self.faults.len();
        for (approval, fault) in count.into_wrong() {
            self.faults.push(Fault::Approval { file: name.clone(), user: approval.username.clone(), fault });
        }
        if valid < required && self.faults.len() == before {
            self.faults.push(Fault::TooFew { file: name.clone(), valid, required });
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
        let outcome = check_detached(input.bytes(), &place, &verifier);
        let verdict = if outcome.is_ok() { "verifies" } else { "does not verify" };
        let place = place.display();
        self.terminal.report(&format!(
            "{name}: {place} {verdict} under {} sha256:{}",
            key.describe(),
            key.sha256()
        ))?;
        let document = json!({
            "file": name,
            "format": "detached",
            "key": json!({ "kind": key.describe(), "public_key_sha256": key.sha256() }),
            "verified": outcome.is_ok(),
            "fault": outcome.as_ref().err().map(SignatureFault::to_string),
        });
        if let Err(fault) = outcome {
            self.faults.push(Fault::Detached { file: name, fault });
        }
        Ok(document)
    }
}

fn verdict_line(verdict: &ApprovalVerdict<'_>) -> String {
    let ApprovalVerdict { approval, outcome } = verdict;
    let role = approval.role.as_ref().map(|role| format!(" ({})", one_line(role))).unwrap_or_default();
    let counts =
        outcome.as_ref().map_or_else(|reason| format!("does not count: {reason}"), |()| "valid".into());
    format!("{}{role}: {counts}", one_line(&approval.username))
}
