//! What is to be done with one file.

use super::input::TOKEN_FILE;
use super::{Approver, Destination, FileRecord, Input, SigningRequest, Unsignable};
use crate::error::Error;
use crate::printable::one_line;
use crate::save::InputFile;
use crate::signature::{MechanismChoice, Payload, PublicKey, Verifier};
use crate::tokenfile::{Approval, Change, Format, Signed, TokenFile, TokenFileError, looks_like_token_file};

/// What is to be done with one file.
pub struct Plan<'a> {
    input: &'a Input,
    destination: &'a Destination,
    pub(super) to_sign: Vec<Job>,
    /// Existing signatures that stay.
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
    /// An existing key must not stay when the signatures are replaced.
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
        request: &SigningRequest,
        approver: Option<&'a Approver>,
    ) -> Result<Self, Error> {
        let force = request.force;
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
            None if !force && looks_like_token_file(input.bytes()) => {
                return Err(Unsignable::LooksLikeTokens { name: input.name() }.into());
            }
            None => {
                let payload = Payload::message(input.bytes());
                let there = destination.existing_bytes()?.map_or(Signed::No, Signed::Yes);
                plan.add(0, payload, &there, "the signature".into())?;
            }
            Some(file) if file.format() == Format::QuorumApproval => {
                let own: Option<&Approval> = approver.and_then(|approver| approver.entry_in(file));
                let there = own.map_or(&Signed::No, |approval| &approval.signed);
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
                    Some("") if request.fills_public_key => PublicKeyWork::Fill,
                    Some(text) if force && !text.is_empty() && !request.fills_public_key => {
                        PublicKeyWork::Clear
                    }
                    Some(_) if force && request.fills_public_key => PublicKeyWork::Fill,
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
    ) -> Result<(), Unsignable> {
        match there {
            Signed::Yes(signature) if !self.force => {
                self.kept.push(Kept { what, payload, signature: signature.clone() });
            }
            Signed::Unreadable(reason) if !self.force => {
                let source =
                    TokenFileError::NotBase64 { place: what, name: "signed", reason: reason.clone() };
                return Err(Unsignable::Unreadable { name: self.input.name(), source });
            }
            _ => self.to_sign.push(Job { token, payload }),
        }
        Ok(())
    }

    /// Whether anything in the file changes.
    pub fn has_work(&self) -> bool {
        !self.to_sign.is_empty() || self.public_key != PublicKeyWork::Leave
    }

    /// Whether any existing signatures stay.
    pub fn has_kept(&self) -> bool {
        !self.kept.is_empty()
    }

    /// Whether the file is signed whole.
    pub fn is_detached(&self) -> bool {
        self.input.tokens.is_none()
    }

    /// The file.
    pub fn input(&self) -> &'a Input {
        self.input
    }

    /// Where the result goes.
    pub fn destination(&self) -> &'a Destination {
        self.destination
    }

    /// How many signatures are to be made.
    pub fn signatures_to_make(&self) -> usize {
        self.to_sign.len()
    }

    /// The existing signatures that stay, by their names: `token 2`, `the approval of admin`.
    pub fn kept(&self) -> impl ExactSizeIterator<Item = &str> {
        self.kept.iter().map(|kept| kept.what.as_str())
    }

    /// Who approves the file, if it is a quorum approval, and in which role.
    pub fn approver(&self) -> Option<(&'a Approver, Option<&'a str>)> {
        let file = self.input.tokens.as_ref().filter(|file| file.format() == Format::QuorumApproval)?;
        self.approver.map(|approver| (approver, approver.role_in(file)))
    }

    /// How many approvals the file has once it is done.
    pub fn approvals_afterwards(&self) -> usize {
        let Some(file) = &self.input.tokens else { return 0 };
        let is_new = self.approver.is_some_and(|approver| approver.entry_in(file).is_none());
        file.approvals().len() + usize::from(is_new)
    }

    /// Whether CloudHSM CLI asks for the file and a public key.
    pub fn is_for_cloudhsm_cli(&self) -> bool {
        let format = self.input.tokens.as_ref().map(TokenFile::format);
        matches!(format, Some(Format::Mfa | Format::QuorumRegistration))
    }

    fn is_approval(&self) -> bool {
        self.input.tokens.as_ref().is_some_and(|file| file.format() == Format::QuorumApproval)
    }

    /// Checks now, before anyone types a PIN, whether the file can be replaced.
    ///
    /// # Errors
    /// [`FileError`](crate::save::FileError).
    pub fn check_replaceable(&self) -> Result<(), Error> {
        let check = self.to_replace().map_or(Ok(()), InputFile::check_replaceable);
        Ok(check.map_err(|error| TOKEN_FILE.error(error))?)
    }

    /// Whether the file has another name (a hard link), which would keep the old content.
    pub fn leaves_other_name(&self) -> bool {
        self.to_replace().is_some_and(InputFile::has_other_names)
    }

    fn to_replace(&self) -> Option<&'a InputFile> {
        self.input.to_replace.as_ref().filter(|_| self.has_work())
    }

    /// Whether any of the tokens to sign is a digest that `choice` hashes once more.
    pub fn hashes_twice(&self, choice: MechanismChoice) -> bool {
        self.to_sign.iter().any(|job| choice.hashes_twice(&job.payload))
    }

    /// Existing signatures must be this key's, or the file would be signed by two keys.
    pub(super) fn check_kept(
        &self,
        verifier: &Verifier,
        key: &PublicKey,
        choice: MechanismChoice,
    ) -> Result<(), Unsignable> {
        for kept in &self.kept {
            let payload = choice.payload(kept.payload.clone());
            verifier.verify(&payload, &kept.signature).map_err(|error| Unsignable::OtherSignature {
                name: self.input.name(),
                what: kept.what.clone(),
                error,
            })?;
        }
        let public_key = self.input.tokens.as_ref().and_then(TokenFile::public_key_text).unwrap_or_default();
        if !public_key.is_empty() && !self.force {
            let there = PublicKey::from_pem(public_key.as_bytes());
            if there.as_ref() != Ok(key) {
                let (name, is_readable) = (self.input.name(), there.is_ok());
                return Err(Unsignable::OtherPublicKey { name, is_readable });
            }
        }
        Ok(())
    }

    /// The bytes to write.
    pub(super) fn result(&self, signatures: &[Vec<u8>], key: &PublicKey) -> Vec<u8> {
        let Some(file) = &self.input.tokens else { return signatures.first().cloned().unwrap_or_default() };
        let pem = key.spki_pem();
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
            PublicKeyWork::Fill => Some(Change::PublicKey(pem)),
            PublicKeyWork::Clear => Some(Change::PublicKey("")),
        });
        file.with(changes)
    }

    /// Where the result goes, as documents and the audit log put it; none if nothing is written.
    pub fn written(&self) -> Option<String> {
        match self.destination {
            Destination::InPlace => self.has_work().then(|| self.input.name()),
            Destination::File(_) if self.is_detached() && !self.has_work() => None,
            Destination::File(output) => Some(output.path().display().to_string()),
            Destination::Stdout => Some("-".into()),
        }
    }

    /// The outcome, actual or expected.
    pub fn record(&self, dry_run: bool) -> FileRecord {
        let to_sign = self.to_sign.len();
        FileRecord {
            file: self.input.name(),
            format: self.input.format_name(),
            tokens: self.input.tokens.as_ref().map_or(1, |file| file.tokens().len()),
            signed: if dry_run { 0 } else { to_sign },
            to_sign: if dry_run { to_sign } else { 0 },
            signed_already: self.kept.len(),
            written: self.written().filter(|_| !dry_run),
        }
    }
}
