//! What documents and logs say about a device and a key, under the names of their members.

use serde::Serialize;

use super::{Device, Exportability, SigningKey};

/// A device, as `--json` documents and the audit log name it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DeviceRecord {
    /// CK_TOKEN_INFO's label.
    pub label: String,
    /// CK_TOKEN_INFO's manufacturerID.
    pub manufacturer: String,
    /// CK_TOKEN_INFO's model.
    pub model: String,
    /// CK_TOKEN_INFO's serialNumber.
    pub serial: String,
    /// The path of its module.
    pub module: String,
}

/// A private key, as `--json` documents and the audit log name it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct KeyRecord {
    /// A `pkcs11:` URI that leads to it.
    pub uri: String,
    /// CKA_ID in hexadecimal, if it has one.
    pub id: Option<String>,
    /// Its algorithm and size: `RSA-2048`.
    pub kind: String,
    /// Whether it can leave the device; `None` if the device does not say.
    pub exportable: Option<bool>,
    /// Whether it requires its PIN for each signature; `None` if the device does not say.
    pub always_authenticate: Option<bool>,
    /// SHA-256 of its public key's SubjectPublicKeyInfo, in hexadecimal.
    pub public_key_sha256: String,
}

impl DeviceRecord {
    /// The facts about a device.
    pub fn of(device: &Device) -> Self {
        DeviceRecord {
            label: device.label.clone(),
            manufacturer: device.manufacturer.clone(),
            model: device.model.clone(),
            serial: device.serial.clone(),
            module: device.module_path().display().to_string(),
        }
    }
}

impl KeyRecord {
    /// The facts about a key.
    pub fn of(key: &SigningKey) -> Self {
        let facts = key.facts();
        KeyRecord {
            uri: key.uri().to_owned(),
            id: facts.id.as_ref().map(|id| id.iter().map(|byte| format!("{byte:02x}")).collect()),
            kind: facts.kind(),
            exportable: facts.exportability().can_leave(),
            always_authenticate: facts.always_authenticate,
            public_key_sha256: key.public_key().sha256(),
        }
    }
}

impl Exportability {
    /// True, false, or `None` if the device does not say.
    pub fn can_leave(self) -> Option<bool> {
        match self {
            Exportability::CannotLeave => Some(false),
            Exportability::CanLeave => Some(true),
            Exportability::Unknown => None,
        }
    }
}
