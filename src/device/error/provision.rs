//! A device that could not be prepared.

use crate::device::{CallError, DeviceKind};
use crate::error::{Exit, Explain};

/// The device could not be prepared.
#[derive(Debug, thiserror::Error)]
pub enum ProvisionError {
    /// An object of this id or label is there.
    #[error("the {what} {value} is in use on {device}")]
    InUse {
        /// `id` or `label`.
        what: &'static str,
        /// The id or label.
        value: String,
        /// The device.
        device: String,
        /// What has it, as a URI.
        by: String,
    },
    /// No session in which objects can be made.
    #[error("{device} cannot be written to: {error}")]
    ReadOnly {
        /// The device.
        device: String,
        /// What it said.
        error: CallError,
    },
    /// The key was not made.
    #[error("{device} did not make the key: {error}")]
    NotGenerated {
        /// The device.
        device: String,
        /// What it said.
        error: CallError,
        /// Its kind.
        kind: DeviceKind,
        /// Whether OpenSC was used.
        through_opensc: bool,
        /// Whether the security officer was logged in.
        as_so: bool,
    },
    /// The key is not what was asked for, and was removed.
    #[error("{device} made another key than it was asked for: {}", reasons.join("; "))]
    NotAsAsked {
        /// The device.
        device: String,
        /// In which way.
        reasons: Vec<String>,
        /// Whether it could be removed.
        removed: bool,
    },
    /// The certificate was not stored.
    #[error("{device} did not store the certificate: {error}")]
    NotStored {
        /// The device.
        device: String,
        /// What it said.
        error: CallError,
        /// Its kind.
        kind: DeviceKind,
        /// Whether OpenSC was used.
        through_opensc: bool,
    },
    /// The new certificate is there, and the old one could not be removed.
    #[error("the new certificate is on {device}, and an old one could not be removed: {error}")]
    NotRemoved {
        /// The device.
        device: String,
        /// What it said.
        error: CallError,
    },
    /// None of the certificates is the key's.
    #[error("{} for the key '{uri}'", match found.len() { 1 => "the certificate is not".to_owned(), count => format!("none of the {count} certificates is") })]
    OtherKey {
        /// The key.
        uri: String,
        /// The key's public key.
        key: String,
        /// Each certificate and its public key.
        found: Vec<String>,
    },
    /// The key has a certificate.
    #[error("the key has a certificate on {device}")]
    HasCertificate {
        /// The device.
        device: String,
        /// It.
        there: Vec<String>,
    },
}

impl ProvisionError {
    fn error(&self) -> Option<&CallError> {
        match self {
            ProvisionError::ReadOnly { error, .. }
            | ProvisionError::NotGenerated { error, .. }
            | ProvisionError::NotStored { error, .. }
            | ProvisionError::NotRemoved { error, .. } => Some(error),
            _ => None,
        }
    }
}

impl Explain for ProvisionError {
    fn exit(&self) -> Exit {
        match self {
            ProvisionError::InUse { .. }
            | ProvisionError::NotAsAsked { .. }
            | ProvisionError::OtherKey { .. }
            | ProvisionError::HasCertificate { .. } => Exit::Key,
            _ => Exit::Device,
        }
    }

    fn detail(&self) -> Vec<String> {
        match self {
            ProvisionError::InUse { by, .. } => vec![format!("by {by}")],
            ProvisionError::OtherKey { key, found, .. } => {
                std::iter::once(format!("the key:  {key}")).chain(found.iter().cloned()).collect()
            }
            ProvisionError::HasCertificate { there, .. } => there.clone(),
            ProvisionError::NotAsAsked { removed: false, .. } => {
                vec!["it could not be removed and is still on the device".into()]
            }
            ProvisionError::NotAsAsked { .. } => vec!["it was removed again".into()],
            _ => Vec::new(),
        }
    }

    fn hint(&self) -> Option<String> {
        let ckr = self.error().map(CallError::ckr_name);
        let hint = match (self, ckr.as_deref()) {
            (_, Some("CKR_DEVICE_MEMORY")) => {
                "the device is full: countersign list --login shows what can go; remove it with the device's own tool"
            }
            (_, Some("CKR_TOKEN_WRITE_PROTECTED" | "CKR_SESSION_READ_ONLY")) => {
                "the device is write-protected: its own tool, or its administrator, can change that"
            }
            (
                ProvisionError::NotGenerated {
                    kind: DeviceKind::SmartCard | DeviceKind::YubiKey,
                    through_opensc: true,
                    ..
                },
                _,
            ) => {
                "OpenSC makes no keys on PIV cards: use ykman piv keys generate 9a, or --module libykcs11.so with \
                 --so-pin-source for a YubiKey; or the card maker's own tool"
            }
            (
                ProvisionError::NotGenerated { kind: DeviceKind::YubiKey, .. }
                | ProvisionError::NotStored { kind: DeviceKind::YubiKey, .. },
                Some("CKR_USER_NOT_LOGGED_IN" | "CKR_USER_TYPE_INVALID" | "CKR_USER_PIN_NOT_INITIALIZED"),
            ) => {
                "a YubiKey wants its management key for this: --so-pin-source prompt, and give the key as 48 hexadecimal \
                 digits"
            }
            (
                ProvisionError::NotGenerated { .. },
                Some("CKR_FUNCTION_NOT_SUPPORTED" | "CKR_MECHANISM_INVALID"),
            ) => {
                "the device makes no such key by PKCS#11: try another --type, or make the key with the device's own tool"
            }
            (ProvisionError::NotGenerated { as_so: true, .. }, Some("CKR_USER_NOT_LOGGED_IN")) => {
                "the device lets its user make keys, not its security officer: leave --so-pin-source out"
            }
            (ProvisionError::NotGenerated { .. }, Some("CKR_USER_NOT_LOGGED_IN")) => {
                "the device wants somebody else to be logged in: --so-pin-source logs in as its security officer"
            }
            (ProvisionError::NotStored { through_opensc: true, .. }, _) => {
                "OpenSC stores nothing on PIV cards: use ykman piv certificates import, or --module libykcs11.so with \
                 --so-pin-source for a YubiKey; or the card maker's own tool"
            }
            (_, Some("CKR_DEVICE_REMOVED" | "CKR_TOKEN_NOT_PRESENT")) => {
                "plug the device in again, and repeat the command"
            }
            (ProvisionError::InUse { what: "id", .. }, _) => {
                "choose another --id, or leave it out to have a free one taken"
            }
            (ProvisionError::InUse { .. }, _) => "choose another --label",
            (ProvisionError::NotAsAsked { .. }, _) => {
                "the device does not do what PKCS#11 asks of it; make the key with its own tool"
            }
            (ProvisionError::OtherKey { .. }, _) => {
                "make sure that the request that the CA signed came from this key: countersign csr --key URI"
            }
            (ProvisionError::HasCertificate { .. }, _) => {
                "--replace puts the new one in and then removes the old"
            }
            (ProvisionError::NotRemoved { .. }, _) => {
                "both are there and the newer counts; remove the old one with the device's own tool"
            }
            _ => "see the device's manual; countersign doctor shows its state",
        };
        Some(hint.into())
    }
}
