//! Which device is meant. Decided without a PIN: by the URIs, and by what the devices show to anybody.

use super::call::CallError;
use super::error::{Candidate, DeviceError, KeyError};
use super::module::Device;
use super::modules::Modules;
use super::objects::{self, KeyFacts, Policy};
use crate::error::Error;
use crate::signature::PublicKey;
use crate::uri::{ObjectType, Uri};

/// Which key is wanted.
#[derive(Clone, Debug, Default)]
pub struct KeyRequest {
    /// `--key`, in order: the first one whose device is present counts. Empty: the one fit key that there is.
    pub uris: Vec<Uri>,
    /// What the key must fulfil when no URI names it.
    pub policy: Policy,
}

/// The device that is meant, and the URI that named it.
#[derive(Debug)]
pub struct Chosen {
    /// The device.
    pub device: Device,
    /// The URI that led to it; matches everything when none was given.
    pub uri: Uri,
    /// Whether a URI was given.
    pub by_uri: bool,
    /// All devices that are present: names are made so that they tell these apart.
    pub(super) present: Vec<Device>,
    /// What the device shows of the wanted key without a PIN.
    pub(super) shown: Vec<KeyFacts>,
}

/// Chooses the device.
///
/// # Errors
/// [`DeviceError`] when none that fits is present, [`KeyError`] when several could be meant.
pub fn choose(modules: &Modules, request: &KeyRequest) -> Result<Chosen, Error> {
    let present = modules.devices();
    let everything = [Uri::default()];
    let by_uri = !request.uris.is_empty();
    let uris = if by_uri { request.uris.as_slice() } else { everything.as_slice() };
    for uri in uris {
        let fitting: Vec<&Device> =
            present.iter().filter(|device| device.matches(uri, modules.named)).collect();
        if let Some((device, shown)) = one_of(&fitting, &present, uri, by_uri, request.policy)? {
            return Ok(Chosen { device: device.clone(), uri: uri.clone(), by_uri, present, shown });
        }
    }
    let present =
        present.iter().map(|device| (device.uri(&present).to_string(), device.describe())).collect();
    let wanted = request.uris.iter().map(Uri::to_string).collect();
    Err(DeviceError::Absent {
        wanted,
        present,
        searched: modules.searched(),
        failed: modules.failure_lines(),
    }
    .into())
}

impl Chosen {
    /// The wanted key's public key, where the device shows exactly one without a PIN.
    pub fn public_key(&self) -> Option<&PublicKey> {
        let mut keys: Vec<&PublicKey> =
            self.shown.iter().filter_map(|facts| facts.public_key.as_ref()).collect();
        keys.dedup();
        match keys[..] {
            [key] => Some(key),
            _ => None,
        }
    }

    /// A URI that names the device among those present.
    pub fn device_uri(&self) -> Uri {
        self.device.uri(&self.present)
    }
}

type Shown<'a> = (&'a Device, Vec<KeyFacts>);

fn one_of<'a>(
    fitting: &[&'a Device],
    present: &[Device],
    uri: &Uri,
    by_uri: bool,
    policy: Policy,
) -> Result<Option<Shown<'a>>, Error> {
    let failed = |device: &Device, error: CallError| DeviceError::Call { device: device.describe(), error };
    let mut shown: Vec<Shown<'a>> = Vec::new();
    for &device in fitting {
        match shown_without_pin(device, uri) {
            Ok(mut keys) => {
                if !by_uri {
                    keys.retain(|facts| facts.unfit_reasons(policy).is_empty());
                }
                shown.push((device, keys));
            }
            // With several devices, one that fails must not hide the others.
            Err(error) if fitting.len() == 1 => return Err(failed(device, error).into()),
            Err(_) => {}
        }
    }
    if shown.len() <= 1 {
        return Ok(shown.pop());
    }
    let with_key: Vec<&Shown<'a>> = shown.iter().filter(|(_, keys)| !keys.is_empty()).collect();
    match with_key[..] {
        [] => {
            let devices = shown.iter().map(|(device, _)| device);
            let candidates = devices
                .map(|device| Candidate { uri: device.uri(present).to_string(), facts: device.describe() })
                .collect();
            Err(KeyError::ManyDevices { uri: uri_text(uri, by_uri), candidates }.into())
        }
        [only] => Ok(Some(only.clone())),
        // One device seen through two modules shows one key twice.
        [first, ..] if all_same_key(&with_key) => Ok(Some(first.clone())),
        _ => {
            let candidates = with_key
                .iter()
                .flat_map(|(device, keys)| {
                    keys.iter().map(|facts| Candidate::key(facts, device.uri(present)))
                })
                .collect();
            Err(KeyError::ManyKeys { uri: uri_text(uri, by_uri), candidates }.into())
        }
    }
}

fn all_same_key(shown: &[&Shown<'_>]) -> bool {
    let mut keys = shown.iter().flat_map(|(_, keys)| keys.iter().map(|facts| facts.public_key.as_ref()));
    let first = keys.next().flatten();
    first.is_some() && keys.all(|key| key == first)
}

fn uri_text(uri: &Uri, by_uri: bool) -> Option<String> {
    by_uri.then(|| uri.to_string())
}

/// What a device shows to anybody of the keys that `uri` names: private keys where they are visible, else their public
/// key objects and certificates. One entry a key.
pub(super) fn shown_without_pin(device: &Device, uri: &Uri) -> Result<Vec<KeyFacts>, CallError> {
    let session = device.open_session()?;
    let mut keys: Vec<KeyFacts> = Vec::new();
    let mut add = |facts: KeyFacts| {
        let same = |other: &KeyFacts| match (&other.id, &facts.id) {
            (Some(a), Some(b)) if !a.is_empty() || !b.is_empty() => a == b,
            _ => other.public_key.is_some() && other.public_key == facts.public_key,
        };
        if !keys.iter().any(same) {
            keys.push(facts);
        }
    };
    if uri.object_type != Some(ObjectType::Certificate) {
        for key in objects::private_keys(&session, uri)? {
            add(key.facts);
        }
        for key in objects::public_keys(&session, uri)? {
            add(KeyFacts { label: key.label, id: key.id, public_key: key.key, ..KeyFacts::default() });
        }
    }
    for found in objects::certificates(&session, uri)? {
        let Ok(certificate) = found.certificate else { continue };
        let public_key = Some(certificate.public_key().clone());
        add(KeyFacts { label: found.label, id: found.id, public_key, ..KeyFacts::default() });
    }
    Ok(keys)
}
