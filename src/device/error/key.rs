//! A key that is missing, not unique, or not suitable.

use super::candidate::{Candidate, table};
use crate::device::{ModuleKind, Policy, UnfitReason};
use crate::error::{Exit, Explain};
use crate::uri::ObjectType;

/// The key is not there, not unique, or not fit.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// Several keys match.
    #[error("ambiguous: {} keys {}", candidates.len(), matching(uri))]
    ManyKeys {
        /// The URI, if one was given.
        uri: Option<String>,
        /// The keys.
        candidates: Vec<Candidate>,
        /// A certificate was to choose one of them.
        by_certificate: bool,
    },
    /// Several devices match, and not all of them show their keys without a PIN.
    #[error("ambiguous: {} devices could hold {}, and not all show their keys without a PIN", candidates.len(), uri.as_ref().map_or_else(|| "the key".into(), |uri| format!("the key '{uri}'")))]
    ManyDevices {
        /// The URI, if one was given.
        uri: Option<String>,
        /// The devices.
        candidates: Vec<Candidate>,
    },
    /// One PIN, and several devices that it could be for.
    #[error("ambiguous: {} devices match, and the PIN is sent to one at most", candidates.len())]
    PinForMany {
        /// The devices.
        candidates: Vec<Candidate>,
    },
    /// No key matches.
    #[error("no private key on {device} {}", uri.as_ref().map_or_else(|| "is there".into(), |uri| format!("matches '{uri}'")))]
    NotFound {
        /// The URI, if one was given.
        uri: Option<String>,
        /// The device that was searched.
        device: String,
        /// Its kind.
        kind: ModuleKind,
        /// The private keys that are there.
        candidates: Vec<Candidate>,
        /// What was found and why it did not count.
        rejected: Vec<String>,
        /// What the URI probably means.
        advice: Vec<String>,
    },
    /// The URI names something that is not a key.
    #[error("the key URI '{uri}' has type={found}")]
    Type {
        /// The URI.
        uri: String,
        /// Its type.
        found: ObjectType,
    },
    /// The key must not be used.
    #[error("the key '{uri}' {}: {}", if reasons.iter().all(UnfitReason::keeps_from_any_use) { "cannot be used".to_owned() } else { format!("is not suitable for signing{}", policy.purpose()) }, UnfitReason::in_one_line(reasons))]
    Unfit {
        /// The key.
        uri: String,
        /// What was asked of it.
        policy: Policy,
        /// Why.
        reasons: Vec<UnfitReason>,
    },
    /// The key is bound to other mechanisms.
    #[error("the key '{uri}' may not sign by {}", wanted.join(" or "))]
    NotAllowed {
        /// The key.
        uri: String,
        /// The mechanisms that would do.
        wanted: Vec<String>,
        /// CKA_ALLOWED_MECHANISMS.
        allowed: Vec<String>,
        /// The device's kind.
        kind: ModuleKind,
    },
    /// Keys are there, none of them fit.
    #[error("{} on {device} is suitable for signing{}", match candidates.len() {
        1 => "not even the one private key".to_owned(),
        count => format!("none of the {count} private keys"),
    }, policy.purpose())]
    NoneFit {
        /// The device.
        device: String,
        /// What was asked of them.
        policy: Policy,
        /// Each key and why not.
        candidates: Vec<Candidate>,
    },
    /// The key has no certificate.
    #[error("the key '{uri}' has no certificate on {device}")]
    NoCertificate {
        /// The key.
        uri: String,
        /// The device.
        device: String,
        /// What certificates there are.
        there: Vec<String>,
    },
    /// The public key cannot be obtained.
    #[error("the public key of '{uri}' cannot be read from {device}")]
    NoPublicKey {
        /// The key.
        uri: String,
        /// The device.
        device: String,
    },
}

const NO_PUBLIC_KEY: &str = "store the key's public key or certificate on the device under the same CKA_ID, or under the same label if the \
                             key has no id; keys of other kinds than RSA and EC (P-256, P-384) are not known here";

fn matching(uri: &Option<String>) -> String {
    match uri {
        Some(uri) => format!("match '{uri}'"),
        None => "match".into(),
    }
}

impl Explain for KeyError {
    fn topic(&self) -> Option<&'static str> {
        match self {
            KeyError::NotAllowed { kind, .. } if kind.has_capabilities() => Some("capability"),
            _ => Some("key"),
        }
    }

    fn exit(&self) -> Exit {
        Exit::Key
    }

    fn detail(&self) -> Vec<String> {
        match self {
            KeyError::ManyKeys { candidates, .. }
            | KeyError::ManyDevices { candidates, .. }
            | KeyError::PinForMany { candidates }
            | KeyError::NoneFit { candidates, .. } => table(candidates),
            KeyError::NotFound { candidates, rejected, .. } => {
                let there = table(candidates).into_iter().map(|line| format!("there is: {line}"));
                rejected.iter().cloned().chain(there).collect()
            }
            KeyError::NoCertificate { there, .. } => {
                there.iter().map(|subject| format!("there is: {subject}")).collect()
            }
            KeyError::NotAllowed { allowed, .. } => {
                vec![format!("it is bound to {} (CKA_ALLOWED_MECHANISMS)", allowed.join(", "))]
            }
            _ => Vec::new(),
        }
    }

    fn hint(&self) -> Option<String> {
        let hint = match self {
            KeyError::ManyKeys { by_certificate: true, .. } => {
                "name one of them with --private-key, or the certificate of one of them with --certificate"
            }
            KeyError::ManyKeys { .. } => {
                "name one of them with --key, or several with one --key each to use the first that is plugged in"
            }
            KeyError::ManyDevices { .. } => {
                "name the device too, as in the lines above"
            }
            KeyError::PinForMany { .. } => {
                "name one of them by its URI: a wrong PIN costs one attempt on each device"
            }
            KeyError::NotFound { advice, .. } if !advice.is_empty() => return Some(advice.join("; ")),
            KeyError::NotFound { candidates, kind, .. } if candidates.is_empty() => {
                kind.when_no_key().unwrap_or(
                    "the device holds no private key that can be seen; countersign list --login shows what it holds",
                )
            }
            KeyError::NotFound { .. } => "correct the key URI; countersign list --login shows all keys",
            KeyError::Type { .. } => "--key requires a private key (type=private) or a certificate (type=cert)",
            KeyError::NotAllowed { kind, .. } => kind.when_not_allowed(),
            KeyError::Unfit { reasons, .. } if reasons.contains(&UnfitReason::NoPublicKey) => NO_PUBLIC_KEY,
            KeyError::Unfit { policy, .. } | KeyError::NoneFit { policy, .. } if policy.any_key => {
                "name another key with --key, or generate one on the device: countersign keygen"
            }
            KeyError::Unfit { reasons, .. } if reasons.iter().all(UnfitReason::keeps_from_any_use) => {
                "name another key with --key, or generate one that may sign"
            }
            KeyError::Unfit { .. } | KeyError::NoneFit { .. } => {
                "generate a non-exportable RSA-2048 key on the device, or name another key with --key"
            }
            KeyError::NoCertificate { .. } => {
                "request one with countersign csr --key URI, and store it with countersign import-certificate"
            }
            KeyError::NoPublicKey { .. } => NO_PUBLIC_KEY,
        };
        Some(hint.into())
    }
}
