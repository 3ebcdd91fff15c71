//! What makes a certificate unsuitable, and whether it is worse than another one for the same key.

use std::fmt;
use std::mem;
use std::time::SystemTime;

use super::Certificate;

/// Why IAM Roles Anywhere refuses a certificate
/// (<https://docs.aws.amazon.com/rolesanywhere/latest/userguide/trust-model.html>). Days are `YYYY-MM-DD` in UTC.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Flaw {
    /// It is not valid before this day.
    NotYetValid(String),
    /// It expired on this day.
    Expired(String),
    /// It is a CA's certificate.
    OfCa,
    /// keyUsage has no digitalSignature.
    NoDigitalSignature,
    /// It is signed with SHA-1 or by an algorithm that is not supported.
    WeakSignature,
    /// The subject is empty.
    EmptySubject,
}

/// In which way a certificate is worse than another for the same key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Downgrade {
    /// It has a flaw that the other one lacks.
    Flaw(Flaw),
    /// It is self-signed, and a CA issued the other one.
    SelfSigned,
    /// It ends before the other one: on the first day, and the other on the second.
    EndsEarlier(String, String),
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Flaw::NotYetValid(from) => {
                write!(f, "it is valid from {from} on, and this computer's clock is before that")
            }
            Flaw::Expired(last) => write!(f, "it ended on {last}"),
            Flaw::OfCa => f.write_str("it is a CA's (basicConstraints)"),
            Flaw::NoDigitalSignature => f.write_str("its keyUsage has no digitalSignature"),
            Flaw::WeakSignature => f.write_str("it is not signed with SHA-256 or stronger"),
            Flaw::EmptySubject => f.write_str("its subject is empty"),
        }
    }
}

impl fmt::Display for Downgrade {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Downgrade::Flaw(flaw) => flaw.fmt(f),
            Downgrade::SelfSigned => f.write_str("it is self-signed"),
            Downgrade::EndsEarlier(day, other) => {
                write!(f, "it ends on {day}, and the present one on {other}")
            }
        }
    }
}

impl Certificate {
    /// Everything that makes it unsuitable.
    pub fn flaws(&self, now: SystemTime) -> Vec<Flaw> {
        let mut flaws = Vec::new();
        if now < self.not_before() {
            flaws.push(Flaw::NotYetValid(self.first_day()));
        }
        if now > self.not_after() {
            flaws.push(Flaw::Expired(self.last_day()));
        }
        if self.is_ca() {
            flaws.push(Flaw::OfCa);
        }
        if self.digital_signature() != Some(true) {
            flaws.push(Flaw::NoDigitalSignature);
        }
        if self.signature_hash().is_none() {
            flaws.push(Flaw::WeakSignature);
        }
        if self.has_empty_subject() {
            flaws.push(Flaw::EmptySubject);
        }
        flaws
    }

    /// In which ways it would be worse than `present`, in its place.
    pub fn worse_than(&self, present: &Certificate, now: SystemTime) -> Vec<Downgrade> {
        let (own, of_present) = (self.downgrades(now), present.downgrades(now));
        // Losing a lasting flaw is worth more than a later end.
        let gains = of_present
            .iter()
            .any(|downgrade| downgrade.is_lasting() && !own.iter().any(|own| own.is_like(downgrade)));
        let mut worse: Vec<Downgrade> =
            own.into_iter().filter(|own| !of_present.iter().any(|other| other.is_like(own))).collect();
        if self.not_after() < present.not_after() && !gains {
            worse.push(Downgrade::EndsEarlier(self.last_day(), present.last_day()));
        }
        worse
    }

    fn downgrades(&self, now: SystemTime) -> Vec<Downgrade> {
        let self_signed = self.is_self_issued().then_some(Downgrade::SelfSigned);
        self.flaws(now).into_iter().map(Downgrade::Flaw).chain(self_signed).collect()
    }
}

impl Downgrade {
    /// Whether time does not remove it.
    fn is_lasting(&self) -> bool {
        !matches!(self, Downgrade::Flaw(Flaw::NotYetValid(_) | Flaw::Expired(_)) | Downgrade::EndsEarlier(..))
    }

    /// Whether both are of one kind, whatever the days.
    fn is_like(&self, other: &Downgrade) -> bool {
        match (self, other) {
            (Downgrade::Flaw(one), Downgrade::Flaw(other)) => {
                mem::discriminant(one) == mem::discriminant(other)
            }
            (one, other) => mem::discriminant(one) == mem::discriminant(other),
        }
    }
}
