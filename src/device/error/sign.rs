//! A device that did not sign, or signed wrongly.

use std::time::Duration;

use cryptoki::error::RvError;

use super::advice::reappearing;
use super::login::LoginError;
use crate::device::{CallError, ModuleKind};
use crate::duration::in_words;
use crate::error::{Exit, Explain};
use crate::signature::VerifyError;

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
        /// Its kind.
        kind: ModuleKind,
    },
    /// It refused after a wait, and did not say why.
    #[error("the device {device} did not sign; the touch was probably missed ({error} after {})", in_words(*waited))]
    NoTouch {
        /// The device.
        device: String,
        /// What it said.
        error: CallError,
        /// How long the signature took until then.
        waited: Duration,
    },
    /// Its module signs with keys of other sizes.
    #[error("the device {device} did not sign: its module supports RSA keys of {} to {} bits, and this one has {bits} ({error})", sizes.0, sizes.1)]
    KeySize {
        /// The device.
        device: String,
        /// What it said.
        error: CallError,
        /// The key's size.
        bits: u64,
        /// The least and the most that the module supports.
        sizes: (u64, u64),
    },
    /// It is not there any more.
    #[error("the device {device} was removed before it signed: {error}")]
    PulledOut {
        /// The device.
        device: String,
        /// What was said of the call that failed.
        error: CallError,
        /// Its kind.
        kind: ModuleKind,
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
    #[error("the device {device} supports none of the suitable mechanisms: {}", wanted.join(", "))]
    NoMechanism {
        /// The device.
        device: String,
        /// Their names.
        wanted: Vec<String>,
        /// Its kind.
        kind: ModuleKind,
        /// What it said to the last that it listed.
        error: Option<CallError>,
    },
    /// The PIN that the key requires for each signature was refused, or a new login was.
    #[error(transparent)]
    Login(#[from] LoginError),
    /// The session was lost, and in the new one the key is not there.
    #[error("the key '{uri}' is no longer on the device {device}")]
    KeyGone {
        /// The device.
        device: String,
        /// The key.
        uri: String,
    },
}

impl Explain for SignError {
    fn topic(&self) -> Option<&'static str> {
        match self {
            SignError::Call { error, kind, .. }
                if kind.has_capabilities() && error.is(RvError::FunctionRejected) =>
            {
                Some("capability")
            }
            SignError::KeySize { .. } => Some("module"),
            SignError::PulledOut { .. } => Some("device"),
            SignError::KeyGone { .. } => Some("key"),
            SignError::Login(error) => error.topic(),
            _ => None,
        }
    }

    fn exit(&self) -> Exit {
        match self {
            SignError::Login(error) => error.exit(),
            _ => Exit::Sign,
        }
    }

    fn detail(&self) -> Vec<String> {
        match self {
            SignError::NoMechanism { error, .. } => error.iter().map(ToString::to_string).collect(),
            SignError::NoTouch { error, .. } => {
                vec![format!("if it did not blink: {}", after_refusal(error))]
            }
            SignError::Login(error) => error.detail(),
            _ => Vec::new(),
        }
    }

    fn hint(&self) -> Option<String> {
        let hint = match self {
            SignError::Call { error, kind, .. } => match (error.cure(), kind.when_rejected()) {
                (Some(cure), _) => cure,
                (None, Some(advice)) if error.is(RvError::FunctionRejected) => advice,
                _ => after_refusal(error),
            },
            SignError::NoTouch { .. } => "repeat the command, and touch the device as soon as it blinks",
            SignError::KeySize { .. } => {
                "use a newer version of the module, another module of the device (--module PATH), or another key"
            }
            SignError::PulledOut { kind, .. } => reappearing(*kind),
            SignError::Login(error) => return error.hint(),
            SignError::KeyGone { .. } => {
                "another program uses the device, or it was exchanged: see countersign list --login"
            }
            SignError::Wrong { .. } => {
                "the public key or the certificate on the device may belong to another key: compare with countersign list --login"
            }
            // Without --mechanism there is always more than one for RSA.
            SignError::NoMechanism { wanted, .. } if wanted.len() == 1 && wanted[0].contains("RSA") => {
                "leave --mechanism out: then every suitable mechanism is tried"
            }
            SignError::NoMechanism { kind, .. } => kind.when_no_mechanism(),
        };
        Some(hint.into())
    }
}

/// What to do about a device that is there and refused.
fn after_refusal(error: &CallError) -> &'static str {
    match error.code() {
        Some(RvError::UserNotLoggedIn) => {
            "the key requires its PIN for each signature, and sending it again did not help; repeat the command with \
             another module of the device (--module PATH)"
        }
        Some(RvError::MechanismInvalid) => {
            "the device does not offer this mechanism: its manual lists those with which it signs"
        }
        Some(RvError::FunctionCanceled | RvError::FunctionRejected) => {
            "repeat the command, and touch the device when it blinks"
        }
        _ => "repeat the command; if it fails again, run countersign doctor",
    }
}
