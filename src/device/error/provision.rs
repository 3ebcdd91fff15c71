//! A device that could not be prepared.

use std::fmt;

use cryptoki::error::RvError;

use super::advice::after_failure;
use crate::certificate::Downgrade;
use crate::device::{CallError, ModuleKind, UserType};
use crate::error::{Exit, Explain};

/// What no two keys on a device shall have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UniqueAttribute {
    /// CKA_ID.
    Id,
    /// CKA_LABEL.
    Label,
}

impl fmt::Display for UniqueAttribute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            UniqueAttribute::Id => "id",
            UniqueAttribute::Label => "label",
        })
    }
}

/// The device could not be prepared.
#[derive(Debug, thiserror::Error)]
pub enum ProvisionError {
    /// An object of this id or label is there.
    #[error("the {what} {value} is in use on {device}")]
    InUse {
        /// Which of its attributes.
        what: UniqueAttribute,
        /// The id or label.
        value: String,
        /// The device.
        device: String,
        /// What has it, as a URI.
        by: String,
        /// Whether a PIV card's slot was asked for, which has its id and label.
        by_slot: bool,
    },
    /// No session in which objects can be made.
    #[error("{device} cannot be written to: {error}")]
    ReadOnly {
        /// The device.
        device: String,
        /// What it said.
        error: CallError,
        /// Its kind.
        kind: ModuleKind,
    },
    /// The key was not made.
    #[error("{device} did not generate the key: {error}")]
    NotGenerated {
        /// The device.
        device: String,
        /// What it said.
        error: CallError,
        /// Its kind.
        kind: ModuleKind,
        /// The kind of the module that shows it.
        module: ModuleKind,
        /// Who was logged in.
        user: UserType,
        /// Whether the key was to require its PIN for each signature.
        always_authenticate: bool,
    },
    /// The key is not what was asked for, and was removed.
    #[error("{device} generated a different key than requested: {}", reasons.join("; "))]
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
        kind: ModuleKind,
        /// The kind of the module that shows it.
        module: ModuleKind,
    },
    /// The new certificate is there, and the old one could not be removed.
    #[error("the new certificate is on {device}, and an old one could not be removed: {error}")]
    NotRemoved {
        /// The device.
        device: String,
        /// What it said.
        error: CallError,
    },
    /// The new certificate is there, and not under the key's id; the old one is gone.
    #[error("the new certificate is on {device}, and could not be given the key's ID: {error}")]
    OtherId {
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
    #[error("the key already has a certificate on {device}")]
    HasCertificate {
        /// The device.
        device: String,
        /// It.
        there: Vec<String>,
    },
    /// Another certificate is in the one place for the key's.
    #[error("another key's certificate is in the place of this key's on {device}")]
    InPlace {
        /// The device.
        device: String,
        /// It.
        there: Vec<String>,
    },
    /// It has no room for certificates of CAs.
    #[error("the device {device} stores one certificate for each key, and none of CAs (--with-chain)")]
    NoChain {
        /// The device.
        device: String,
    },
    /// It would replace a better one.
    #[error("the new certificate is worse than the one on {device}: {}", reasons.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Worse {
        /// The device.
        device: String,
        /// The new one.
        new: String,
        /// The one that is there.
        present: String,
        /// In which ways.
        reasons: Vec<Downgrade>,
    },
}

impl ProvisionError {
    fn error(&self) -> Option<&CallError> {
        match self {
            ProvisionError::ReadOnly { error, .. }
            | ProvisionError::NotGenerated { error, .. }
            | ProvisionError::NotStored { error, .. }
            | ProvisionError::NotRemoved { error, .. }
            | ProvisionError::OtherId { error, .. } => Some(error),
            _ => None,
        }
    }
}

impl ProvisionError {
    fn kind(&self) -> Option<ModuleKind> {
        match self {
            ProvisionError::ReadOnly { kind, .. }
            | ProvisionError::NotGenerated { kind, .. }
            | ProvisionError::NotStored { kind, .. } => Some(*kind),
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
            | ProvisionError::HasCertificate { .. }
            | ProvisionError::InPlace { .. }
            | ProvisionError::NoChain { .. }
            | ProvisionError::Worse { .. } => Exit::Key,
            _ => Exit::Device,
        }
    }

    fn detail(&self) -> Vec<String> {
        match self {
            ProvisionError::InUse { by, .. } => vec![format!("by {by}")],
            ProvisionError::OtherKey { key, found, .. } => {
                std::iter::once(format!("the key:  {key}")).chain(found.iter().cloned()).collect()
            }
            ProvisionError::HasCertificate { there, .. } | ProvisionError::InPlace { there, .. } => {
                there.clone()
            }
            ProvisionError::Worse { new, present, .. } => {
                vec![format!("new:      {new}"), format!("present:  {present}")]
            }
            ProvisionError::NotAsAsked { removed: false, .. } => {
                vec!["it could not be removed and is still on the device".into()]
            }
            ProvisionError::NotAsAsked { .. } => vec!["it was removed again".into()],
            _ => Vec::new(),
        }
    }

    fn hint(&self) -> Option<String> {
        let code = self.error().and_then(CallError::code);
        let (elsewhere, so_secret) = match self {
            ProvisionError::NotGenerated { module, kind, .. } => {
                (module.when_not_generated(), kind.so_secret())
            }
            ProvisionError::NotStored { module, kind, .. } => (module.when_not_stored(), kind.so_secret()),
            _ => (None, None),
        };
        let rejected = match self {
            ProvisionError::NotGenerated { kind, .. } | ProvisionError::NotStored { kind, .. } => {
                kind.when_rejected().filter(|_| code == Some(RvError::FunctionRejected))
            }
            _ => None,
        };
        if let Some(advice) = self.error().and_then(CallError::cure).or(rejected) {
            return Some(advice.into());
        }
        let hint = match (self, code, elsewhere, so_secret) {
            (_, Some(RvError::DeviceMemory), ..) => {
                "the device is full: countersign list --login shows what can go; remove it with the device's own tool"
            }
            (_, Some(RvError::TokenWriteProtected | RvError::SessionReadOnly), ..) => {
                "the device is write-protected: its own tool, or its administrator, can change that"
            }
            (ProvisionError::NotGenerated { .. }, _, Some(elsewhere), _) => elsewhere,
            (
                ProvisionError::NotGenerated { always_authenticate: true, kind, .. },
                Some(
                    RvError::AttributeTypeInvalid
                    | RvError::AttributeValueInvalid
                    | RvError::TemplateInconsistent,
                ),
                ..,
            ) => kind.requiring_pin_each_time(),
            (
                ProvisionError::NotGenerated { .. } | ProvisionError::NotStored { .. },
                Some(RvError::UserNotLoggedIn | RvError::UserTypeInvalid | RvError::UserPinNotInitialized),
                _,
                Some(secret),
            ) => secret.when_needed,
            (
                ProvisionError::NotGenerated { kind, .. },
                Some(RvError::FunctionNotSupported | RvError::MechanismInvalid),
                ..,
            ) => kind.when_no_generation(),
            (
                ProvisionError::NotGenerated { user: UserType::SecurityOfficer, .. },
                Some(RvError::UserNotLoggedIn),
                ..,
            ) => {
                "the device lets its user generate keys, not its security officer: leave --so-pin-source out"
            }
            (ProvisionError::NotGenerated { .. }, Some(RvError::UserNotLoggedIn), ..) => {
                "the device requires another user to be logged in: --so-pin-source logs in as its security officer"
            }
            (ProvisionError::NotStored { .. }, _, Some(elsewhere), _) => elsewhere,
            (_, Some(RvError::DeviceRemoved | RvError::TokenNotPresent | RvError::SessionCount), ..) => {
                let kind = self.kind().unwrap_or(ModuleKind::Other);
                return self.error().map(|error| after_failure(error, kind).to_owned());
            }
            (ProvisionError::InUse { by_slot: true, .. }, ..) => {
                "choose another --slot, or empty this one: ykman piv keys delete, ykman piv certificates delete"
            }
            (ProvisionError::InUse { what: UniqueAttribute::Id, .. }, ..) => {
                "choose another --id, or leave it out to have a free one taken"
            }
            (ProvisionError::InUse { .. }, ..) => "choose another --label",
            (ProvisionError::NotAsAsked { .. }, ..) => {
                "the device does not follow PKCS#11; generate the key with its own tool"
            }
            (ProvisionError::OtherKey { .. }, ..) => {
                "make sure that the request that the CA signed came from this key: countersign csr --key URI"
            }
            (ProvisionError::HasCertificate { .. }, ..) => {
                "--replace puts the new one in and then removes the old"
            }
            (ProvisionError::NoChain { .. }, ..) => {
                "nothing was changed: import the certificate alone, and keep those of the CAs in a file (--intermediates)"
            }
            (ProvisionError::InPlace { .. }, ..) => {
                "the slot may have been given a new key: --replace overwrites the certificate, if nothing needs it any more"
            }
            (ProvisionError::Worse { .. }, ..) => {
                "nothing was changed: make sure that this is the file that the CA sent last; --force replaces the present one all \
                 the same"
            }
            (ProvisionError::OtherId { .. }, ..) => {
                "the key is found with it all the same; repeat the command to put it under the key's id"
            }
            (ProvisionError::NotRemoved { .. }, ..) => {
                "both are there and the newer counts; remove the old one with the device's own tool"
            }
            _ => "see the device's manual; countersign doctor shows its state",
        };
        Some(hint.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hint_of_not_generated(code: RvError, kind: ModuleKind, module: ModuleKind, user: UserType) -> String {
        let error = CallError::saying("C_GenerateKeyPair", code);
        let device = "officer".to_owned();
        ProvisionError::NotGenerated { device, error, kind, module, user, always_authenticate: false }
            .hint()
            .unwrap()
    }

    #[test]
    fn what_helps_depends_on_the_code_the_module_and_who_is_logged_in() {
        use ModuleKind::{OpenSc, Other, YubiKey};
        use UserType::{SecurityOfficer, User};
        for (code, kind, module, user, hint) in [
            (RvError::DeviceMemory, YubiKey, OpenSc, User, "the device is full"),
            (RvError::FunctionNotSupported, YubiKey, OpenSc, User, "OpenSC generates no keys on PIV cards"),
            (RvError::UserNotLoggedIn, YubiKey, YubiKey, User, "a YubiKey requires its management key"),
            (
                RvError::UserNotLoggedIn,
                Other,
                Other,
                User,
                "the device requires another user to be logged in",
            ),
            (
                RvError::UserNotLoggedIn,
                Other,
                Other,
                SecurityOfficer,
                "the device lets its user generate keys",
            ),
            (
                RvError::MechanismInvalid,
                Other,
                Other,
                User,
                "the device generates no such key through PKCS#11",
            ),
            (RvError::DeviceRemoved, Other, Other, User, "plug the device in again"),
            (RvError::SessionCount, YubiKey, YubiKey, User, "all sessions of the device are in use"),
            (RvError::GeneralError, Other, Other, User, "see the device's manual"),
        ] {
            let said = hint_of_not_generated(code, kind, module, user);
            assert!(said.starts_with(hint), "{code:?}, {kind:?} by {module:?}: {said}");
        }
    }
}
