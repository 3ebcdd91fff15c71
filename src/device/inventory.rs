//! The inventory: modules, devices, keys and certificates, each with a URI to paste.

use std::rc::Rc;
use std::time::Duration;

use super::call::CallError;
use super::cause::Cause;
use super::choose::distinct;
use super::error::{Candidate, DeviceError, KeyError};
use super::key_facts::{KeyFacts, NameBy};
use super::login::{LoginOptions, Notice, log_in};
use super::modules::{Modules, Sight, Unreadable};
use super::objects;
use super::present::Device;
use super::token_info::PinState;
use crate::certificate::Certificate;
use crate::error::Error;
use crate::pin::PinSource;
use crate::uri::{ObjectType, Uri};

/// What was found.
#[derive(Debug)]
pub struct Inventory {
    /// The modules, in order; skipped ones at the end.
    pub modules: Vec<ModuleEntry>,
}

impl Inventory {
    /// The devices of all modules, including uninitialized ones, which most callers cannot use.
    pub fn devices(&self) -> impl Iterator<Item = &DeviceEntry> {
        self.modules.iter().flat_map(|module| &module.devices)
    }

    /// Whether there is no usable device, and nothing that may be one.
    pub fn is_empty(&self) -> bool {
        !self.devices().any(|entry| entry.device.is_initialised)
            && self.modules.iter().all(|module| module.unreadable.is_empty())
    }
}

/// A module.
#[derive(Debug)]
pub struct ModuleEntry {
    /// p11-kit's name for it, or one derived from the file's name.
    pub name: String,
    /// The file.
    pub path: Option<String>,
    /// Why it was skipped.
    pub skipped: Option<String>,
    /// How long it took to load and initialize it.
    pub took: Duration,
    /// Its devices.
    pub devices: Vec<DeviceEntry>,
    /// The cause, if it is known.
    pub cause: Option<Cause>,
    /// Its slots that cannot be read.
    pub unreadable: Vec<UnreadableSlot>,
}

/// An unreadable slot. It may contain a device.
#[derive(Clone, Debug)]
pub struct UnreadableSlot {
    /// Its number.
    pub slot: u64,
    /// The module's answer.
    pub error: CallError,
    /// What that means.
    place: Unreadable,
}

impl From<UnreadableSlot> for Error {
    fn from(slot: UnreadableSlot) -> Self {
        DeviceError::of_slot(&slot.place).into()
    }
}

/// A device.
#[derive(Debug)]
pub struct DeviceEntry {
    /// The device.
    pub device: Device,
    /// A URI that names it.
    pub uri: String,
    /// What it reports about its PIN.
    pub pin: PinState,
    /// Private keys, or their public halves while nobody is logged in.
    pub keys: Vec<KeyEntry>,
    /// Certificates.
    pub certificates: Vec<CertificateEntry>,
    /// Why it could not be read, or not completely.
    pub fault: Option<Error>,
}

/// A key.
#[derive(Debug)]
pub struct KeyEntry {
    /// Its URI, as a private key.
    pub uri: String,
    /// What is known about it.
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
    /// CKA_ID.
    pub id: Option<Vec<u8>>,
    /// The certificate, or why it cannot be read.
    pub certificate: Result<Certificate, String>,
}

/// Lists what matches `uri`. Without `login` nobody is asked for a PIN. With it, a PIN that does not come
/// from a person goes to at most one device. A device that cannot be read or logged in to is listed with its
/// fault and hides no other one.
///
/// # Errors
/// [`KeyError::ManyDevices`] if such a PIN could belong to several devices.
pub fn inventory(
    modules: &Modules,
    uri: &Uri,
    login: Option<&LoginOptions>,
    notice: &mut dyn FnMut(Notice),
) -> Result<Inventory, Error> {
    let sight = modules.look()?;
    let all = &sight.devices;
    let present = distinct(all.iter());
    let mut fitting = sight.fitting(uri, modules.named);
    fitting.extend(uninitialised(&sight, uri, modules.named, &fitting));
    let login = match login {
        Some(options) => Some((options, options.source_for(uri)?)),
        None => None,
    };
    let wants_pin = fitting.iter().filter(|device| device.pin_state().login_required).count();
    if wants_pin > 1 && login.as_ref().is_some_and(|(_, source)| !source.is_person()) {
        let candidates = Candidate::devices(fitting.iter(), &present);
        return Err(KeyError::PinForMany { candidates }.into());
    }

    let mut entries = Vec::new();
    for module in &modules.loaded {
        let of_module = |device: &&Device| Rc::ptr_eq(&device.module, module);
        let path = &module.spec().path;
        let slots = sight.unreadable.iter().filter(|slot| slot.path.as_ref() == Some(path));
        let unreadable = slots.filter_map(|slot| {
            Some(UnreadableSlot { slot: slot.slot?, error: slot.error.clone(), place: slot.clone() })
        });
        let unreadable = unreadable.collect();
        let mut devices = Vec::new();
        for device in fitting.iter().filter(of_module) {
            let mut entry = DeviceEntry {
                device: device.clone(),
                uri: device.uri(&present).to_string(),
                pin: device.pin_state(),
                keys: Vec::new(),
                certificates: Vec::new(),
                fault: None,
            };
            entry.fault = read(&mut entry, &present, uri, login.as_ref(), notice).err();
            entry.pin = device.pin_state();
            devices.push(entry);
        }
        let seen_before = devices.is_empty() && all.iter().any(|device| of_module(&device));
        let shows_others = seen_before && !present.iter().any(|device| of_module(&device));
        entries.push(ModuleEntry {
            name: module.spec().display_name(),
            path: Some(module.spec().path.display().to_string()),
            skipped: match module.slot_error() {
                Some(error) => Some(error.to_string()),
                None => shows_others.then(|| "it shows the devices of a module above once more".into()),
            },
            took: module.took(),
            devices,
            cause: None,
            unreadable,
        });
    }
    entries.extend(modules.failed.iter().map(|failed| ModuleEntry {
        name: failed.name.clone(),
        path: failed.path.as_ref().map(|path| path.display().to_string()),
        skipped: Some(failed.reason.clone()),
        took: Duration::ZERO,
        devices: Vec::new(),
        cause: failed.cause.as_deref().cloned(),
        unreadable: Vec::new(),
    }));
    Ok(Inventory { modules: entries })
}

/// The uninitialized devices that match and are not listed already. A module's free slot is listed only if
/// the module has nothing else.
fn uninitialised(sight: &Sight, uri: &Uri, module_was_named: bool, listed: &[Device]) -> Vec<Device> {
    let fits = |device: &&Device| {
        let is_free_slot = device.kind().has_free_slot()
            && sight.devices.iter().any(|other| !other.is_of_another_module(device));
        device.matches(uri, module_was_named) && !is_free_slot && !listed.iter().any(|other| other.is(device))
    };
    sight.uninitialised.iter().filter(fits).cloned().collect()
}

/// Fills the entry; what was read before a fault stays in it.
fn read(
    entry: &mut DeviceEntry,
    present: &[Device],
    uri: &Uri,
    login: Option<&(&LoginOptions, PinSource)>,
    notice: &mut dyn FnMut(Notice),
) -> Result<(), Error> {
    let device = entry.device.clone();
    let session = match device.open_session() {
        // Most modules open no session; then nothing can be read, which is not a fault.
        Err(_) if !device.is_initialised => return Ok(()),
        session => session.map_err(|error| device.failure(error))?,
    };
    if let Some((options, source)) = login.filter(|_| device.is_initialised || uri.token.is_some()) {
        log_in(&session, &device, source, options, notice)?;
    }
    let wanted = |object_type| uri.object_type.is_none_or(|wanted| wanted == object_type);
    if wanted(ObjectType::Private) {
        for key in objects::private_keys(&session, uri).map_err(|error| device.failure(error))? {
            entry.keys.push(KeyEntry { uri: String::new(), facts: key.facts, private_seen: true });
        }
    }
    if wanted(ObjectType::Private) || wanted(ObjectType::Public) {
        for key in objects::public_keys(&session, uri).map_err(|error| device.failure(error))? {
            // On some devices the public half of a visible private key has another label. Halves of a kind that is not
            // supported cannot be compared.
            let seen = |other: &KeyEntry| {
                other.facts.id == key.id
                    && (other.facts.label == key.label || other.facts.public_key == key.key)
            };
            if !entry.keys.iter().any(seen) {
                entry.keys.push(KeyEntry { uri: String::new(), facts: key.into(), private_seen: false });
            }
        }
    }
    // Devices return objects in any order; people look for theirs by id.
    entry.keys.sort_by(|a, b| a.facts.id.cmp(&b.facts.id));
    let all: Vec<KeyFacts> = entry.keys.iter().map(|key| key.facts.clone()).collect();
    let all: Vec<&KeyFacts> = all.iter().collect();
    for key in &mut entry.keys {
        let by = key.facts.name_among(&all);
        key.uri = key.facts.name_in(device.uri(present), ObjectType::Private, by).to_string();
    }
    if wanted(ObjectType::Certificate) {
        for found in objects::certificates(&session, uri).map_err(|error| device.failure(error))? {
            let named = KeyFacts { label: found.label.clone(), id: found.id.clone(), ..KeyFacts::default() };
            entry.certificates.push(CertificateEntry {
                uri: named.name_in(device.uri(present), ObjectType::Certificate, NameBy::Id).to_string(),
                label: found.label,
                id: found.id,
                certificate: found.certificate.map_err(|error| error.to_string()),
            });
        }
    }
    entry.certificates.sort_by(|a, b| a.uri.cmp(&b.uri));
    Ok(())
}
