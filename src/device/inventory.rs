//! All that is there: modules, devices, keys and certificates, each with a URI to paste.

use super::error::DeviceError;
use super::login::{LoginOptions, Notice, log_in};
use super::module::{Device, PinState};
use super::modules::Modules;
use super::objects::{self, KeyFacts};
use crate::certificate::Certificate;
use crate::error::Error;
use crate::pin::PinSource;
use crate::uri::{ObjectType, Uri};

/// What was found.
#[derive(Debug)]
pub struct Inventory {
    /// The modules, in order; those that were skipped at the end.
    pub modules: Vec<ModuleEntry>,
}

/// A module.
#[derive(Debug)]
pub struct ModuleEntry {
    /// p11-kit's name for it, or one made of the file's name.
    pub name: String,
    /// The file.
    pub path: Option<String>,
    /// Why it was skipped.
    pub skipped: Option<String>,
    /// Its devices.
    pub devices: Vec<DeviceEntry>,
}

/// A device.
#[derive(Debug)]
pub struct DeviceEntry {
    /// The device.
    pub device: Device,
    /// A URI that names it.
    pub uri: String,
    /// What it says of its PIN.
    pub pin: PinState,
    /// Private keys, or their public halves while nobody is logged in.
    pub keys: Vec<KeyEntry>,
    /// Certificates.
    pub certificates: Vec<CertificateEntry>,
    /// What could not be read.
    pub fault: Option<String>,
}

/// A key.
#[derive(Debug)]
pub struct KeyEntry {
    /// Its URI, as a private key.
    pub uri: String,
    /// What is known of it.
    pub facts: KeyFacts,
    /// Whether the private key itself was seen.
    pub private_seen: bool,
}

/// A certificate.
#[derive(Debug)]
pub struct CertificateEntry {
    /// Its URI.
    pub uri: String,
    /// CKA_LABEL.
    pub label: Option<Vec<u8>>,
    /// The certificate, or why it cannot be read.
    pub certificate: Result<Certificate, String>,
}

/// Lists what fits `uri`. Without `login` nobody is asked for a PIN.
///
/// # Errors
/// A failed login. A device that cannot be read is listed with its fault.
pub fn inventory(
    modules: &Modules,
    uri: &Uri,
    login: Option<&LoginOptions>,
    notice: &mut dyn FnMut(Notice),
) -> Result<Inventory, Error> {
    let present = modules.devices();
    let mut entries = Vec::new();
    for module in &modules.loaded {
        let mut devices = Vec::new();
        for device in present.iter().filter(|device| std::rc::Rc::ptr_eq(&device.module, module)) {
            if device.matches(uri, modules.named) {
                devices.push(device_entry(device, &present, uri, login, notice)?);
            }
        }
        entries.push(ModuleEntry {
            name: module.spec().display_name(),
            path: Some(module.spec().path.display().to_string()),
            skipped: module.slot_error().map(|error| error.to_string()),
            devices,
        });
    }
    entries.extend(modules.failed.iter().map(|failed| ModuleEntry {
        name: failed.name.clone(),
        path: failed.path.as_ref().map(|path| path.display().to_string()),
        skipped: Some(failed.reason.clone()),
        devices: Vec::new(),
    }));
    Ok(Inventory { modules: entries })
}

fn device_entry(
    device: &Device,
    present: &[Device],
    uri: &Uri,
    login: Option<&LoginOptions>,
    notice: &mut dyn FnMut(Notice),
) -> Result<DeviceEntry, Error> {
    let device_uri = device.uri(present);
    let mut entry = DeviceEntry {
        device: device.clone(),
        uri: device_uri.to_string(),
        pin: device.pin_state(),
        keys: Vec::new(),
        certificates: Vec::new(),
        fault: None,
    };
    let session = match device.open_session() {
        Ok(session) => session,
        Err(error) => {
            entry.fault = Some(error.to_string());
            return Ok(entry);
        }
    };
    if let Some(options) = login {
        let source = match &options.pin_source {
            Some(source) => source.clone(),
            None => PinSource::from_uri(uri)?.unwrap_or(PinSource::Prompt),
        };
        log_in(&session, device, &source, options, notice)?;
        entry.pin = device.pin_state();
    }
    let failed = |error| DeviceError::Call { device: device.describe(), error };
    let wanted = |object_type| uri.object_type.is_none_or(|wanted| wanted == object_type);
    if wanted(ObjectType::Private) {
        for key in objects::private_keys(&session, uri).map_err(failed)? {
            let uri = key.facts.name_in(device_uri.clone(), ObjectType::Private).to_string();
            entry.keys.push(KeyEntry { uri, facts: key.facts, private_seen: true });
        }
    }
    if wanted(ObjectType::Private) || wanted(ObjectType::Public) {
        for key in objects::public_keys(&session, uri).map_err(failed)? {
            let seen = |other: &KeyEntry| other.facts.id == key.id && other.facts.label == key.label;
            if entry.keys.iter().any(seen) {
                continue;
            }
            let facts = KeyFacts { label: key.label, id: key.id, public_key: key.key, ..KeyFacts::default() };
            let uri = facts.name_in(device_uri.clone(), ObjectType::Private).to_string();
            entry.keys.push(KeyEntry { uri, facts, private_seen: false });
        }
    }
    if wanted(ObjectType::Certificate) {
        for found in objects::certificates(&session, uri).map_err(failed)? {
            let named = KeyFacts { label: found.label.clone(), id: found.id, ..KeyFacts::default() };
            entry.certificates.push(CertificateEntry {
                uri: named.name_in(device_uri.clone(), ObjectType::Certificate).to_string(),
                label: found.label,
                certificate: found.certificate.map_err(|error| error.to_string()),
            });
        }
    }
    // Devices give objects in any order; people look for theirs by id.
    entry.keys.sort_by(|a, b| a.facts.id.cmp(&b.facts.id));
    entry.certificates.sort_by(|a, b| a.uri.cmp(&b.uri));
    Ok(entry)
}
