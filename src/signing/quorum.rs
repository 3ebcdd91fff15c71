//! What a quorum token says about itself, and whether its approvals make a quorum.

use std::collections::HashMap;

use super::{SignatureFault, check_signature};
use crate::signature::{Payload, PublicKey, Verifier};
use crate::tokenfile::{Approval, ApprovalRecord, Format, Signed, TokenFile, approval_records};

/// According to AWS, a quorum token is valid for ten minutes.
const LIFETIME_SECONDS: u64 = 600;

/// A quorum token for approval, and what its `approval_data` says. That proves nothing: the file does not
/// even say what is approved.
pub struct QuorumToken<'a> {
    /// The file.
    pub file: &'a TokenFile,
    /// One for each HSM; none if this version cannot read them.
    pub records: Vec<ApprovalRecord>,
}

impl<'a> QuorumToken<'a> {
    /// None for a file of another format.
    pub fn of(file: &'a TokenFile) -> Option<Self> {
        let payload = file.tokens().first().map(|token| &token.payload);
        let records = match (file.format(), payload) {
            (Format::QuorumApproval, Some(Payload::Message { bytes, .. })) => approval_records(bytes),
            (Format::QuorumApproval, _) => None,
            _ => return None,
        };
        Some(QuorumToken { file, records: records.unwrap_or_default() })
    }

    /// When it was generated, in seconds since 1970-01-01 UTC.
    pub fn created(&self) -> Option<u64> {
        self.records.iter().map(|record| record.created).min()
    }

    /// Whether at `now`, in seconds since 1970-01-01 UTC, it is older than CloudHSM accepts.
    pub fn is_expired(&self, now: u64) -> bool {
        self.created().is_some_and(|created| now.saturating_sub(created) > LIFETIME_SECONDS)
    }

    /// Two approvals with the same signature. PKCS#1 v1.5 signatures are deterministic, so one key approved
    /// twice.
    pub fn same_signature(&self) -> Option<(&'a Approval, &'a Approval)> {
        let mut first_with = HashMap::new();
        let mut signed = self.file.approvals().iter().filter(|approval| approval.signed != Signed::No);
        signed.find_map(|approval| {
            first_with.insert(&approval.signed, approval).map(|earlier| (earlier, approval))
        })
    }
}

/// The approvals of a file, each with its verdict, in the order of the file.
pub struct QuorumCount<'a> {
    /// One for each approval.
    pub verdicts: Vec<ApprovalVerdict<'a>>,
}

/// Whether an approval counts.
pub struct ApprovalVerdict<'a> {
    /// The approval.
    pub approval: &'a Approval,
    /// Why it does not count, if it does not.
    pub outcome: Result<(), SignatureFault>,
}

impl<'a> QuorumCount<'a> {
    /// An approval counts if its user's key is known and verifies it. `key_of` provides a user's key and a
    /// verifier for it. A quorum consists of people, and one key stands for one person.
    ///
    /// # Errors
    /// What `key_of` says about a key that cannot be used.
    pub fn of<E>(
        file: &'a TokenFile,
        mut key_of: impl FnMut(&str) -> Result<Option<(PublicKey, Verifier)>, E>,
    ) -> Result<Self, E> {
        let payload = &file.tokens()[0].payload;
        let mut counted: Vec<(&str, PublicKey)> = Vec::new();
        let mut verdicts = Vec::new();
        for approval in file.approvals() {
            let outcome = match key_of(&approval.username)? {
                None => Err(SignatureFault::NoKey),
                Some((key, verifier)) => {
                    let same_key = counted.iter().find(|(_, other)| *other == key).map(|(user, _)| *user);
                    match (check_signature(&approval.signed, payload, &verifier), same_key) {
                        (Ok(()), Some(user)) => Err(SignatureFault::SameKey(user.to_owned())),
                        (Ok(()), None) => {
                            counted.push((&approval.username, key));
                            Ok(())
                        }
                        (fault, _) => fault,
                    }
                }
            };
            verdicts.push(ApprovalVerdict { approval, outcome });
        }
        Ok(QuorumCount { verdicts })
    }

    /// How many approvals count.
    pub fn valid(&self) -> usize {
        self.verdicts.iter().filter(|verdict| verdict.outcome.is_ok()).count()
    }

    /// The approvals that are wrong: their user's key is known, and still they do not count.
    pub fn into_wrong(self) -> impl Iterator<Item = (&'a Approval, SignatureFault)> {
        self.verdicts.into_iter().filter_map(|verdict| match verdict.outcome {
            Ok(()) | Err(SignatureFault::NoKey) => None,
            Err(fault) => Some((verdict.approval, fault)),
        })
    }
}
