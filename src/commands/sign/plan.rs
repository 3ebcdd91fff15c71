//! What is to be done with one file.

use countersign::error::Error;
use countersign::signature::{MechanismChoice, Payload, PublicKey, Verifier};
use countersign::tokenfile::{Change, Format, Signed, TokenFile, TokenFileError};
use serde_json::{Value, json};

use super::approver::Approver;
use super::destination::Destination;
use super::refusal::{OtherPublicKey, OtherSignature, Unreadable};
use crate::cli::Sign;
use crate::commands::approval;
use crate::commands::tokens::Input;
use crate::terminal::Terminal;
use countersign::printable::one_line;

pub(super) struct Plan<'a> {
    pub(super) input: &'a Input,
    pub(super) destination: &'a Destination,
    pub(super) to_sign: Vec<Job>,
    /// Signatures that are there and stay.
    kept: Vec<Kept>,
    approver: Option<&'a Approver>,
    /// What is to be done with a CMU file's `PublicKey`.
    public_key: PublicKeyWork,
    force: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum PublicKeyWork {
    Leave,
    Fill,
    /// A key that is there must not stay when the signatures are replaced.
    Clear,
}

/// One signature to make.
pub(super) struct Job {
    token: usize,
    pub(super) payload: Payload,
}

struct Kept {
    /// `token 2`, `the approval of admin`.
    what: String,
    payload: Payload,
    signature: Vec<u8>,
}

impl<'a> Plan<'a> {
    pub(super) fn new(
        input: &'a Input,
        destination: &'a Destination,
        arguments: &Sign,
        approver: Option<&'a Approver>,
    ) -> Result<Self, Error> {
        let force = arguments.force;
        let mut plan = Plan {
            input,
            destination,
            to_sign: Vec::new(),
            kept: Vec::new(),
            approver,
            public_key: PublicKeyWork::Leave,
            force,
        };
        match &input.tokens {
            None => {
                let payload = Payload::message(input.bytes());
                let there = destination.existing_bytes()?.map_or(Signed::No, Signed::Yes);
                plan.add(0, payload, &there, "the signature".into())?;
            }
            Some(file) if file.format() == Format::QuorumApproval => {
                let own = |approver: &&Approver| {
                    let mut approvals = file.approvals().iter();
                    approvals.find(|approval| approval.username == approver.username)
                };
                let there = approver.as_ref().and_then(own).map_or(&Signed::No, |approval| &approval.signed);
                let name = approver.map_or("", |approver| &approver.username);
                plan.add(
                    0,
                    file.tokens()[0].payload.clone(),
                    there,
                    format!("the approval of {}", one_line(name)),
                )?;
            }
            Some(file) => {
                for (index, token) in file.tokens().iter().enumerate() {
                    plan.add(index, token.payload.clone(), &token.signed, format!("token {}", index + 1))?;
                }
                plan.public_key = match file.public_key_text() {
                    Some("") if !arguments.no_public_key => PublicKeyWork::Fill,
                    Some(text) if force && !text.is_empty() && arguments.no_public_key => {
                        PublicKeyWork::Clear
                    }
                    Some(_) if force && !arguments.no_public_key => PublicKeyWork::Fill,
                    _ => PublicKeyWork::Leave,
                };
            }
        }
        Ok(plan)
    }

    fn add(
        &mut self,
        token: usize,
        payload: Payload,
        there: &Signed,
        what: String,
    ) -> Result<(), Unreadable> {
        match there {
            Signed::Yes(signature) if !self.force => {
                self.kept.push(Kept { what, payload, signature: signature.clone() });
            }
            Signed::Unreadable(reason) if !self.force => {
                let source =
                    TokenFileError::NotBase64 { place: what, name: "signed", reason: reason.clone() };
                return Err(Unreadable { name: self.input.name(), source });
            }
            _ => self.to_sign.push(Job { token, payload }),
        }
        Ok(())
    }

    pub(super) fn has_work(&self) -> bool {
        !self.to_sign.is_empty() || self.public_key != PublicKeyWork::Leave
    }

    pub(super) fn has_kept(&self) -> bool {
        !self.kept.is_empty()
    }

    pub(super) fn is_detached(&self) -> bool {
        self.input.tokens.is_none()
    }

    fn format(&self) -> String {
        self.input.tokens.as_ref().map_or_else(
            || format!("a file of {} bytes, signed whole", self.input.bytes().len()),
            |file| file.format().to_string(),
        )
    }

    /// Says what the file is, and of a quorum token what it says of itself, before anybody types a PIN.
    pub(super) fn introduce(&self, terminal: &Terminal) {
        let signed = if self.kept.is_empty() {
            String::new()
        } else {
            format!(", {} signed already", self.kept.len())
        };
        let name = self.input.name();
        terminal.say(&format!("{name}: {}, {} to sign{signed}", self.format(), self.to_sign.len()));
        if let Some(file) = &self.input.tokens {
            for line in approval::describe(file) {
                terminal.say(&format!("  {line}"));
            }
            for warning in approval::warnings(file) {
                terminal.warn(&warning);
            }
        }
        if let Some(approver) = self.approver.filter(|_| self.is_approval() && !self.to_sign.is_empty()) {
            let role = self.input.tokens.as_ref().and_then(|file| approver.role_in(file));
            let role = role.map(|role| format!(" in the role {}", one_line(role))).unwrap_or_default();
            terminal.say(&format!("approving as {}{role}", one_line(&approver.username)));
        }
    }

    /// Whether CloudHSM CLI asks for the file and a public key.
    pub(super) fn is_for_cloudhsm_cli(&self) -> bool {
        let format = self.input.tokens.as_ref().map(TokenFile::format);
        matches!(format, Some(Format::Mfa | Format::QuorumRegistration))
    }

    fn is_approval(&self) -> bool {
        self.input.tokens.as_ref().is_some_and(|file| file.format() == Format::QuorumApproval)
    }

    /// Finds out now, before anybody types a PIN, whether the file can be replaced.
    pub(super) fn check_replaceable(&self, terminal: &Terminal) -> Result<(), Error> {
        let Some(file) = self.input.to_replace.as_ref().filter(|_| self.has_work()) else { return Ok(()) };
        if file.has_other_names() {
            terminal.warn(&format!(
                "{} has a second name (a hard link), which will keep the unsigned file",
                self.input.name()
            ));
        }
        Ok(file.check_replaceable()?)
    }

    /// Whether any of the tokens to sign is a digest that `choice` hashes once more.
    pub(super) fn hashes_twice(&self, choice: MechanismChoice) -> bool {
        self.to_sign.iter().any(|job| choice.hashes_twice(&job.payload))
    }

    /// What is there must be this key's, or the file would be half one person's and half another's.
    pub(super) fn check_kept(
        &self,
        verifier: &Verifier,
        key: &PublicKey,
        choice: MechanismChoice,
    ) -> Result<(), Error> {
        for kept in &self.kept {
            let payload = choice.payload(kept.payload.clone());
            verifier.verify(&payload, &kept.signature).map_err(|error| OtherSignature {
                name: self.input.name(),
                what: kept.what.clone(),
                error,
            })?;
        }
        let public_key = self.input.tokens.as_ref().and_then(TokenFile::public_key_text).unwrap_or_default();
        if !public_key.is_empty() && !self.force {
            let there = PublicKey::from_pem(public_key.as_bytes());
            if there.as_ref() != Ok(key) {
                return Err(OtherPublicKey { name: self.input.name(), readable: there.is_ok() }.into());
            }
        }
        Ok(())
    }

    /// The bytes to write.
    pub(super) fn result(&self, signatures: &[Vec<u8>], key: &PublicKey) -> Vec<u8> {
        let Some(file) = &self.input.tokens else { return signatures.first().cloned().unwrap_or_default() };
        let pem = key.to_spki_pem();
        let mut changes: Vec<Change<'_>> = Vec::with_capacity(signatures.len() + 1);
        for (job, signature) in self.to_sign.iter().zip(signatures) {
            changes.push(match self.approver.filter(|_| self.is_approval()) {
                Some(approver) => {
                    Change::Approval { username: &approver.username, role: approver.role_in(file), signature }
                }
                None => Change::Signature { token: job.token, signature },
            });
        }
        changes.extend(match self.public_key {
            PublicKeyWork::Leave => None,
            PublicKeyWork::Fill => Some(Change::PublicKey(&pem)),
            PublicKeyWork::Clear => Some(Change::PublicKey("")),
        });
        file.with(changes)
    }

    /// What a person is told at the end, when so many bytes were written.
    pub(super) fn outcome(&self, choice: MechanismChoice, waited: bool, bytes: usize) -> String {
        let name = self.input.name();
        let place = match self.destination {
            Destination::InPlace => name.clone(),
            Destination::Stdout => "stdout".into(),
            Destination::File(output) => output.path().display().to_string(),
        };
        if !self.has_work() {
            let what = match self.kept.len() {
                1 => format!("{} is there", self.kept[0].what),
                count => format!("all {count} tokens are signed"),
            };
            let next = match self.destination {
                Destination::File(_) if !self.is_detached() => format!("{place} is a copy."),
                Destination::Stdout => "The file is on stdout as it was.".into(),
                _ => "Nothing was changed.".into(),
            };
            return format!("{name}: {what} already, and verified under this key. {next}");
        }
        let what = match self.to_sign.len() {
            0 => "PublicKey is filled.".to_owned(),
            count => format!("{count} signed and verified with the device's public key."),
        };
        let format = self.input.tokens.as_ref().map(TokenFile::format);
        let next = match (self.destination, format) {
            _ if self.hashes_twice(choice) => "They are hashed twice, and not for CloudHSM.".into(),
            (_, None) => format!("The signature is in {place}, {bytes} bytes."),
            (Destination::Stdout, _) => "The file is on stdout.".into(),
            (_, Some(Format::QuorumApproval)) => {
                let count = self.input.tokens.as_ref().map_or(0, |file| file.approvals().len());
                let again = self.approver.is_some_and(|approver| approver.is_in(self.input));
                match if again { count } else { count + 1 } {
                    1 => format!("{place} now has 1 approval."),
                    count => format!("{place} now has {count} approvals."),
                }
            }
            (Destination::InPlace, Some(Format::Authdata)) => {
                format!("{place} is ready: go on in the CloudHSM management utility.")
            }
            (Destination::InPlace, _) if waited => {
                format!("{place} is ready: press Enter in CloudHSM CLI now.")
            }
            (Destination::InPlace, _) => format!("{place} is ready: press Enter in CloudHSM CLI."),
            (Destination::File(_), _) => format!("{place} is ready for CloudHSM CLI."),
        };
        format!("{what} {next}")
    }

    /// Where the result goes, as documents and the audit log say it; none when nothing is written.
    pub(super) fn written(&self) -> Option<String> {
        match self.destination {
            Destination::InPlace => self.has_work().then(|| self.input.name()),
            Destination::File(_) if self.is_detached() && !self.has_work() => None,
            Destination::File(output) => Some(output.path().display().to_string()),
            Destination::Stdout => Some("-".into()),
        }
    }

    pub(super) fn json(&self, dry_run: bool) -> Value {
        let written = if dry_run { None } else { self.written() };
        json!({
            "file": self.input.name(),
            "format": self.input.format_name(),
            "tokens": self.input.tokens.as_ref().map_or(1, |file| file.tokens().len()),
            "signed": if dry_run { 0 } else { self.to_sign.len() },
            "to_sign": if dry_run { self.to_sign.len() } else { 0 },
            "signed_already": self.kept.len(),
            "written": written,
        })
    }
}
