//! What can go wrong with devices, keys, logins and signatures, and what to do about it.

use super::call::CallError;
use super::objects::{Exportability, KeyFacts};
use crate::error::{Exit, Explain};
use crate::pin::PinError;
use crate::signature::VerifyError;
use crate::uri::{ObjectType, Uri};

/// Something that could have been meant, as a URI to paste.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// The URI.
    pub uri: String,
    /// What it is.
    pub facts: String,
}

impl Candidate {
    /// The keys of one device.
    pub(super) fn keys(keys: &[&KeyFacts], device: &Uri) -> Vec<Self> {
        keys.iter().map(|facts| Self::key(facts, device.clone(), facts.shares_its_id(keys))).collect()
    }

    fn key(facts: &KeyFacts, device: Uri, by_label: bool) -> Self {
        let exportability = match facts.exportability() {
            Exportability::CannotLeave => ", not exportable",
            Exportability::CanLeave => ", exportable",
            Exportability::Unknown => "",
        };
        let label = facts
            .label
            .as_ref()
            .filter(|label| !label.is_empty())
            .map(|label| format!("{}, ", String::from_utf8_lossy(label)))
            .unwrap_or_default();
        Candidate {
            uri: facts.name_in(device, ObjectType::Private, by_label).to_string(),
            facts: format!("{label}{}{exportability}", facts.kind()),
        }
    }
}

fn table(candidates: &[Candidate]) -> Vec<String> {
    let width = candidates.iter().map(|candidate| candidate.uri.chars().count()).max().unwrap_or(0);
    candidates.iter().map(|candidate| format!("{:width$}  {}", candidate.uri, candidate.facts)).collect()
}

/// No device, or it fails.
#[derive(Debug, thiserror::Error)]
pub enum DeviceError {
    /// No device fits.
    #[error("{}", absent(wanted, present))]
    Absent {
        /// The URIs that were asked for.
        wanted: Vec<String>,
        /// URI and description of each device that is present.
        present: Vec<(String, String)>,
        /// Modules that were searched.
        searched: Vec<String>,
        /// Modules that were skipped, with reasons.
        failed: Vec<String>,
    },
    /// A call failed.
    #[error("the device {device} failed: {error}")]
    Call {
        /// The device.
        device: String,
        /// What it said.
        error: CallError,
    },
}

fn absent(wanted: &[String], present: &[(String, String)]) -> String {
    match (wanted, present) {
        (_, []) => "no device is present".into(),
        ([only], _) => format!("no device that is present fits '{only}'"),
        (many, _) => format!("no device that is present fits any of the {} key URIs", many.len()),
    }
}

impl Explain for DeviceError {
    fn may_pass(&self) -> bool {
        matches!(self, DeviceError::Absent { .. })
    }

    fn exit(&self) -> Exit {
        Exit::Device
    }

    fn detail(&self) -> Vec<String> {
        let DeviceError::Absent { wanted, present, searched, failed } = self else { return Vec::new() };
        let mut lines = Vec::new();
        if wanted.len() > 1 {
            lines.extend(wanted.iter().map(|uri| format!("wanted:   {uri}")));
        }
        lines.extend(present.iter().map(|(uri, facts)| format!("present:  {uri}  {facts}")));
        lines.extend(searched.iter().map(|path| format!("searched: {path}")));
        lines.extend(failed.iter().map(|line| format!("skipped:  {line}")));
        lines
    }

    fn hint(&self) -> Option<String> {
        let hint = match self {
            DeviceError::Absent { present, searched, .. }
                if present.is_empty() && searched.iter().any(|path| path.contains("softhsm")) =>
            {
                "SoftHSM shows the devices of the configuration that SOFTHSM2_CONF names: set it, or plug the device in; \
                 countersign list shows what is there"
            }
            DeviceError::Absent { present, .. } if present.is_empty() => {
                "plug the device in, or name its module with --module PATH; countersign list shows what is there"
            }
            DeviceError::Absent { .. } => {
                "plug the right device in, or correct the URI; countersign list shows what is there"
            }
            DeviceError::Call { .. } => "unplug the device, plug it in again, and repeat the command",
        };
        Some(hint.into())
    }
}

/// The key is not there, not unique, or not fit.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// Several keys match.
    #[error("{} keys {}", candidates.len(), matching(uri))]
    ManyKeys {
        /// The URI, if one was given.
        uri: Option<String>,
        /// The keys.
        candidates: Vec<Candidate>,
    },
    /// Several devices match, and not all of them show their keys without a PIN.
    #[error("{} devices could hold {}, and not all show their keys without a PIN", candidates.len(), uri.as_ref().map_or_else(|| "the key".into(), |uri| format!("the key '{uri}'")))]
    ManyDevices {
        /// The URI, if one was given.
        uri: Option<String>,
        /// The devices.
        candidates: Vec<Candidate>,
    },
    /// One PIN, and several devices that it could be for.
    #[error("{} devices fit, and the PIN is sent to one at most", candidates.len())]
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
        /// The private keys that are there.
        candidates: Vec<Candidate>,
        /// What was found and why it did not count.
        rejected: Vec<String>,
    },
    /// The URI names something that is no key.
    #[error("the key URI '{uri}' has type={found}")]
    Type {
        /// The URI.
        uri: String,
        /// Its type.
        found: ObjectType,
    },
    /// The key must not be used.
    #[error("the key '{uri}' is not fit to sign CloudHSM's files: {}", reasons.join("; "))]
    Unfit {
        /// The key.
        uri: String,
        /// Why.
        reasons: Vec<String>,
    },
    /// Keys are there, none of them fit.
    #[error("none of the {} private keys on {device} is fit to sign CloudHSM's files", candidates.len())]
    NoneFit {
        /// The device.
        device: String,
        /// Each key and why not.
        candidates: Vec<Candidate>,
    },
    /// The public key cannot be had.
    #[error("the public key of '{uri}' cannot be read from {device}")]
    NoPublicKey {
        /// The key.
        uri: String,
        /// The device.
        device: String,
    },
}

fn matching(uri: &Option<String>) -> String {
    match uri {
        Some(uri) => format!("match '{uri}'"),
        None => "could be meant".into(),
    }
}

impl Explain for KeyError {
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
            _ => Vec::new(),
        }
    }

    fn hint(&self) -> Option<String> {
        let hint = match self {
            KeyError::ManyKeys { .. } => {
                "name one of them with --key, or several with one --key each to use the first that is plugged in"
            }
            KeyError::ManyDevices { .. } => {
                "name the device too, as in the lines above, or unplug the others"
            }
            KeyError::PinForMany { .. } => {
                "name one of them by its URI: a wrong PIN costs a try on each device"
            }
            KeyError::NotFound { candidates, .. } if candidates.is_empty() => {
                "the device holds no private key that can be seen; countersign list --login shows what it holds"
            }
            KeyError::NotFound { .. } => "correct the key URI; countersign list --login shows all keys",
            KeyError::Type { .. } => "--key wants a private key (type=private) or a certificate (type=cert)",
            KeyError::Unfit { .. } | KeyError::NoneFit { .. } => {
                "make an RSA-2048 key on the device that cannot leave it, or name another key with --key"
            }
            KeyError::NoPublicKey { .. } => {
                "put the key's public key object or certificate on the device under the same CKA_ID"
            }
        };
        Some(hint.into())
    }
}

/// The login failed or was not tried.
#[derive(Debug, thiserror::Error)]
pub enum LoginError {
    /// No PIN.
    #[error(transparent)]
    Pin(#[from] PinError),
    /// A wrong PIN.
    #[error("the PIN for {device} is wrong ({error})")]
    Wrong {
        /// The device.
        device: String,
        /// What it said.
        error: CallError,
        /// What is known of the tries that are left.
        tries: &'static str,
        /// Whether a person typed it.
        person: bool,
    },
    /// The PIN is locked.
    #[error("the PIN of {device} is locked (CKR_PIN_LOCKED)")]
    Locked {
        /// The device.
        device: String,
    },
    /// One more wrong PIN would lock the device, so none is sent.
    #[error("one try is left before the PIN of {device} is locked; it was not used")]
    LastTry {
        /// The device.
        device: String,
    },
    /// There is no user PIN yet.
    #[error("the device {device} has no user PIN yet")]
    NoPinSet {
        /// The device.
        device: String,
    },
    /// Anything else.
    #[error("logging in to {device} failed: {error}")]
    Failed {
        /// The device.
        device: String,
        /// What it said.
        error: CallError,
    },
}

impl Explain for LoginError {
    fn exit(&self) -> Exit {
        match self {
            LoginError::Pin(error) => error.exit(),
            LoginError::Failed { .. } => Exit::Device,
            _ => Exit::Pin,
        }
    }

    fn detail(&self) -> Vec<String> {
        match self {
            LoginError::Pin(error) => error.detail(),
            LoginError::Wrong { tries, .. } => vec![(*tries).to_owned()],
            _ => Vec::new(),
        }
    }

    fn hint(&self) -> Option<String> {
        let hint = match self {
            LoginError::Pin(error) => return error.hint(),
            LoginError::Wrong { person: true, .. } => {
                "make sure that this is the right device and PIN before you try again"
            }
            LoginError::Wrong { person: false, .. } => {
                "correct the PIN source before the next run: each run with a wrong PIN costs a try"
            }
            LoginError::Locked { .. } => {
                "unblock it with the device's own tool: ykman piv access unblock-pin (YubiKey, with the PUK), \
                 pkcs11-tool --init-pin (with the SO PIN)"
            }
            LoginError::LastTry { .. } => {
                "check the PIN with care, then repeat the command with --use-last-try"
            }
            LoginError::NoPinSet { .. } => "set one with the device's own tool, or pkcs11-tool --init-pin",
            LoginError::Failed { .. } => "unplug the device, plug it in again, and repeat the command",
        };
        Some(hint.into())
    }
}

/// The device did not sign, or not rightly.
#[derive(Debug, thiserror::Error)]
pub enum SignError {
    /// A call failed.
    #[error("the device {device} did not sign: {error}")]
    Call {
        /// The device.
        device: String,
        /// What it said.
        error: CallError,
    },
    /// It signed, and the signature is wrong.
    #[error("the device {device} made a signature that does not verify under its public key: {error}")]
    Wrong {
        /// The device.
        device: String,
        /// In which way.
        error: VerifyError,
    },
    /// None of the mechanisms that would do.
    #[error("the device {device} signs by none of the mechanisms that would do: {}", wanted.join(", "))]
    NoMechanism {
        /// The device.
        device: String,
        /// Their names.
        wanted: Vec<String>,
        /// What it said to the last that it listed.
        error: Option<CallError>,
    },
    /// An always-authenticate key behind p11-kit-proxy.
    #[error("the key asks for its PIN at each signature, which cannot be done through p11-kit-proxy")]
    Proxy,
}

impl Explain for SignError {
    fn exit(&self) -> Exit {
        Exit::Sign
    }

    fn detail(&self) -> Vec<String> {
        match self {
            SignError::NoMechanism { error, .. } => error.iter().map(ToString::to_string).collect(),
            _ => Vec::new(),
        }
    }

    fn hint(&self) -> Option<String> {
        let hint = match self {
            SignError::Call { error, .. } => match error.ckr_name().as_str() {
                "CKR_USER_NOT_LOGGED_IN" => {
                    "the key wants its PIN again and did not take it; unplug the device and repeat"
                }
                "CKR_MECHANISM_INVALID" => {
                    "the device does not offer this mechanism; try another with --mechanism"
                }
                "CKR_FUNCTION_CANCELED" | "CKR_FUNCTION_REJECTED" => {
                    "repeat the command, and touch the device when it blinks"
                }
                _ => "make sure that the device is still plugged in, then repeat the command",
            },
            SignError::Wrong { .. } => {
                "the public key on the device may belong to another key: compare with countersign list --login"
            }
            SignError::NoMechanism { .. } => {
                "leave --mechanism out, or see the device's manual about RSA signatures"
            }
            SignError::Proxy => "name the device's own module with --module PATH",
        };
        Some(hint.into())
    }
}
