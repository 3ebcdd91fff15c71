//! Which device is selected. This is decided without a PIN: by the URIs, and by what the devices show to
//! anyone.

mod certified;

pub use certified::NamedCertificate;

use super::call::CallError;
use super::error::{Candidate, DeviceError, KeyError};
use super::key_facts::{KeyFacts, NameBy, Policy};
use super::modules::{Modules, Sight};
use super::objects;
use super::present::Device;
use super::session::Session;
use crate::certificate::Certificate;
use crate::error::Error;
use crate::signature::PublicKey;
use crate::uri::{ObjectType, Uri};

/// Which key is requested.
#[derive(Clone, Debug, Default)]
pub struct KeyRequest {
    /// `--key`, in order: the first one whose device is present counts. If empty, the only suitable key is
    /// used.
    pub uris: Vec<Uri>,
    /// What the key must fulfill if no URI names it.
    pub policy: Policy,
    /// The certificate that decides between several devices.
    pub certificate: Option<NamedCertificate>,
}

/// The selected device, and the URI that named it.
#[derive(Debug)]
pub struct Chosen {
    /// The device.
    pub device: Device,
    /// The URI that led to it; matches everything when none was given.
    pub uri: Uri,
    /// Whether a URI was given.
    pub by_uri: bool,
    /// Earlier URIs, whose devices are not present.
    pub passed_over: Vec<Uri>,
    /// All devices that are present, so that names can distinguish them.
    pub(super) present: Vec<Device>,
    /// What the device shows of the requested key without a PIN.
    shown: Vec<ShownKey>,
    /// If several keys match, only those with one of these public keys count.
    pub(super) certified: Option<Vec<PublicKey>>,
}

/// A certificate on a device.
#[derive(Clone, Debug)]
pub struct StoredCertificate {
    /// CKA_ID.
    pub id: Option<Vec<u8>>,
    /// CKA_LABEL.
    pub label: Option<Vec<u8>>,
    /// CKA_VALUE.
    pub certificate: Certificate,
}

/// Chooses the device.
///
/// # Errors
/// [`DeviceError`] if none that matches is present, [`KeyError`] if several match.
pub fn choose(modules: &Modules, request: &KeyRequest) -> Result<Chosen, Error> {
    for uri in &request.uris {
        if let Some(found @ (ObjectType::Public | ObjectType::SecretKey | ObjectType::Data)) = uri.object_type
        {
            return Err(KeyError::Type { uri: uri.shown(), found }.into());
        }
    }
    let sight = modules.look()?;
    let present = distinct(sight.devices.iter());
    let everything = [Uri::default()];
    let by_uri = !request.uris.is_empty();
    let uris = if by_uri { request.uris.as_slice() } else { everything.as_slice() };
    if !by_uri {
        // An unreadable device may be the one that is meant: the PIN must not go to another one because of
        // that.
        if let Some(unreadable) = sight.unreadable.first() {
            return Err(DeviceError::of_slot(unreadable).into());
        }
    }
    for (index, uri) in uris.iter().enumerate() {
        let fitting = sight.fitting(uri, modules.named);
        if let Some(found) = one_of(fitting, &present, uri, by_uri, request)? {
            let passed_over = uris[..index].to_vec();
            let Fitting { device, keys: shown } = found;
            return Ok(Chosen {
                device,
                uri: uri.clone(),
                by_uri,
                passed_over,
                present,
                shown,
                certified: None,
            });
        }
    }
    Err(absent(modules, &sight, &present, &request.uris).into())
}

/// The one device that matches the device attributes of `uri`, and a URI for it.
///
/// # Errors
/// As [`choose`].
pub(super) fn the_device(modules: &Modules, uri: &Uri) -> Result<(Device, Uri), Error> {
    let sight = modules.look()?;
    let present = distinct(sight.devices.iter());
    let fitting = sight.fitting(uri, modules.named);
    match <[Device; 1]>::try_from(fitting) {
        Ok([device]) => {
            let uri = device.uri(&present);
            Ok((device, uri))
        }
        Err(none) if none.is_empty() => {
            Err(absent(modules, &sight, &present, std::slice::from_ref(uri)).into())
        }
        Err(several) => {
            let candidates = Candidate::devices(several.iter(), &present);
            Err(DeviceError::Many { uri: uri.shown(), candidates }.into())
        }
    }
}

fn absent(modules: &Modules, sight: &Sight, present: &[Device], wanted: &[Uri]) -> DeviceError {
    DeviceError::Absent {
        wanted: wanted.iter().map(Uri::shown).collect(),
        present: present.iter().map(|device| (device.uri(present).to_string(), device.describe())).collect(),
        searched: modules.searched(),
        failed: modules.failure_lines(),
        absence: Box::new(modules.absence(sight, wanted)),
        advice: wanted.iter().flat_map(Uri::advice).collect(),
    }
}

impl Chosen {
    /// The requested key's public key, if the device shows it without a PIN and it is unambiguous: exactly
    /// one key object matches. A certificate's key counts only if the URI names the certificate, which may be
    /// anyone's.
    pub fn public_key(&self) -> Option<&PublicKey> {
        self.facts()?.public_key.as_ref()
    }

    /// If several keys match, only those with one of these public keys count: a certificate chooses its key.
    pub fn prefer(&mut self, public_keys: Vec<PublicKey>) {
        self.certified = Some(public_keys);
    }

    /// Whether the key is one of the preferred ones.
    pub(super) fn is_preferred(&self, facts: &KeyFacts) -> bool {
        let certified = self.certified.as_deref().unwrap_or_default();
        facts.public_key.as_ref().is_some_and(|key| certified.contains(key))
    }

    /// What the device shows of that key.
    pub fn facts(&self) -> Option<&KeyFacts> {
        let by_certificate = self.uri.object_type == Some(ObjectType::Certificate) && self.uri.names_object();
        let counts = |shown: &&ShownKey| by_certificate || shown.source == Source::KeyObject;
        let is_preferred = |shown: &&ShownKey| self.is_preferred(&shown.facts);
        let is_chosen = self.shown.iter().filter(counts).any(|shown| is_preferred(&shown));
        let meant = self.shown.iter().filter(counts).filter(|shown| !is_chosen || is_preferred(shown));
        let mut keys = meant.map(|shown| &shown.facts);
        let first = keys.next().filter(|facts| facts.public_key.is_some())?;
        keys.all(|key| key.public_key == first.public_key).then_some(first)
    }

    /// Whether the device shows, without a PIN, several keys that could be the requested one.
    pub fn shows_several(&self) -> bool {
        self.facts().is_none()
            && self.shown.iter().filter(|shown| shown.source == Source::KeyObject).count() > 1
    }

    /// Checks that the key is suitable, as far as the device shows it. What it hides shows after login.
    ///
    /// # Errors
    /// [`KeyError::Unfit`].
    pub fn check_shown(&self, policy: Policy) -> Result<(), KeyError> {
        let Some(facts) = self.facts() else { return Ok(()) };
        let reasons = facts.unfit_reasons(policy);
        if reasons.is_empty() {
            return Ok(());
        }
        let uri = facts.name_in(self.device_uri(), ObjectType::Private, NameBy::Id).to_string();
        Err(KeyError::Unfit { uri, policy, reasons })
    }

    /// The certificates on the device that are visible to anyone and match `uri`'s id and label. Unreadable
    /// ones are left out.
    ///
    /// # Errors
    /// [`DeviceError`].
    pub fn certificates(&self, uri: &Uri) -> Result<Vec<StoredCertificate>, Error> {
        let session = self.device.open_session().map_err(|error| self.device.failure(error))?;
        stored_certificates(&session, &self.device, uri)
    }

    /// Whether certificates may be visible only after login: the device requires one, and shows nothing at
    /// all before it, like a YubiHSM.
    ///
    /// # Errors
    /// [`DeviceError`].
    pub fn hides_certificates(&self) -> Result<bool, Error> {
        if !self.device.pin_state().login_required {
            return Ok(false);
        }
        let session = self.device.open_session().map_err(|error| self.device.failure(error))?;
        let shows = objects::any(&session).map_err(|error| self.device.failure(error))?;
        Ok(!shows)
    }

    /// A URI that distinguishes the device from the others that are present.
    pub fn device_uri(&self) -> Uri {
        self.device.uri(&self.present)
    }
}

impl Sight {
    /// The devices that match a URI. An uninitialized device matches only if it is named.
    pub(super) fn fitting(&self, uri: &Uri, module_was_named: bool) -> Vec<Device> {
        let fits = |device: &&Device| device.matches(uri, module_was_named);
        let fitting = distinct(self.devices.iter().filter(fits));
        let is_named = uri.token.is_some() || uri.slot_id.is_some();
        if !fitting.is_empty() || !is_named {
            return fitting;
        }
        distinct(self.uninitialised.iter().filter(fits))
    }
}

/// The certificates that a session shows and that match `uri`'s id and label.
pub(super) fn stored_certificates(
    session: &Session,
    device: &Device,
    uri: &Uri,
) -> Result<Vec<StoredCertificate>, Error> {
    let found = objects::certificates(session, uri).map_err(|error| device.failure(error))?;
    let stored = found.into_iter().filter_map(|found| {
        Some(StoredCertificate { id: found.id, label: found.label, certificate: found.certificate.ok()? })
    });
    Ok(stored.collect())
}

/// The devices without those that an earlier module has shown already.
pub(super) fn distinct<'a>(devices: impl Iterator<Item = &'a Device>) -> Vec<Device> {
    let mut distinct: Vec<Device> = Vec::new();
    for device in devices {
        if !distinct.iter().any(|other| device.is_another_view_of(other)) {
            distinct.push(device.clone());
        }
    }
    distinct
}

/// A device and the matching keys on it.
struct Fitting {
    device: Device,
    keys: Vec<ShownKey>,
}

/// A key that a device shows without a PIN.
#[derive(Clone, Debug)]
struct ShownKey {
    facts: KeyFacts,
    source: Source,
}

/// What shows that a key is there. A certificate alone does not say that its private key is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Source {
    KeyObject,
    Certificate,
}

fn one_of(
    fitting: Vec<Device>,
    present: &[Device],
    uri: &Uri,
    by_uri: bool,
    request: &KeyRequest,
) -> Result<Option<Fitting>, Error> {
    let mut shown: Vec<Fitting> = Vec::new();
    let mut failure = None;
    for device in fitting {
        match shown_without_pin(&device, uri) {
            Ok(mut keys) => {
                if !by_uri {
                    keys.retain(|key| key.facts.unfit_reasons(request.policy).is_empty());
                }
                shown.push(Fitting { device, keys });
            }
            Err(error) => {
                failure.get_or_insert(device.failure(error));
            }
        }
    }
    // If a device fails, the choice, and the PIN, must not fall to another one.
    if let Some(failure) = failure {
        return Err(failure.into());
    }
    let can_hold_key = |device: &Fitting| !device.keys.is_empty() || device.device.pin_state().login_required;
    if shown.iter().any(can_hold_key) {
        shown.retain(can_hold_key);
    }
    drop_second_views(&mut shown);
    if shown.len() > 1
        && let Some(certificate) = &request.certificate
    {
        certified::keep_holders(&mut shown, uri, certificate)?;
    }
    if shown.len() <= 1 {
        return Ok(shown.pop());
    }
    let uri_text = by_uri.then(|| uri.shown());
    let with_key = shown.iter().filter(|device| !device.keys.is_empty()).count();
    let hides_keys = |device: &Fitting| device.keys.is_empty() && device.device.pin_state().login_required;
    match with_key {
        // Without a URI, visible keys decide.
        1 if !by_uri || !shown.iter().any(hides_keys) => {
            shown.retain(|device| !device.keys.is_empty());
            Ok(shown.pop())
        }
        0 | 1 => {
            let candidates = Candidate::devices(shown.iter().map(|fitting| &fitting.device), present);
            Err(KeyError::ManyDevices { uri: uri_text, candidates }.into())
        }
        _ => {
            let candidates = shown.iter().flat_map(|Fitting { device, keys }| {
                let facts: Vec<&KeyFacts> = keys.iter().map(|key| &key.facts).collect();
                Candidate::keys(&facts, &device.uri(present))
            });
            let candidates = candidates.collect();
            Err(KeyError::ManyKeys { uri: uri_text, candidates, by_certificate: false }.into())
        }
    }
}

/// Drops a device that shows only the keys of an earlier one in another module: one card through two
/// middlewares, which label it differently.
fn drop_second_views(shown: &mut Vec<Fitting>) {
    let mut index = 0;
    while index < shown.len() {
        let (earlier, rest) = shown.split_at(index);
        let is_second = |first: &Fitting| {
            let known = |key: &ShownKey| {
                key.facts.public_key.is_some()
                    && first.keys.iter().any(|other| other.facts.public_key == key.facts.public_key)
            };
            first.device.is_of_another_module(&rest[0].device)
                && !rest[0].keys.is_empty()
                && rest[0].keys.iter().all(known)
        };
        if earlier.iter().any(is_second) {
            shown.remove(index);
        } else {
            index += 1;
        }
    }
}

/// What a device shows to anyone of the keys that `uri` names: private keys if they are visible, otherwise,
/// if a login may reveal them, their public key objects; certificates if the URI names an object. There is
/// one entry for each key.
fn shown_without_pin(device: &Device, uri: &Uri) -> Result<Vec<ShownKey>, CallError> {
    let session = device.open_session()?;
    let mut keys: Vec<ShownKey> = Vec::new();
    let is_hidden = |facts: &KeyFacts| !uri.names_object() && device.is_own_key(facts.id.as_deref());
    let mut add = |facts: KeyFacts, source| {
        if is_hidden(&facts) {
            return;
        }
        let same = |other: &ShownKey| match (&other.facts.public_key, &facts.public_key) {
            (Some(a), Some(b)) => a == b,
            _ => other.facts.id == facts.id && facts.id.as_ref().is_some_and(|id| !id.is_empty()),
        };
        if !keys.iter().any(same) {
            keys.push(ShownKey { facts, source });
        }
    };
    let of_certificates = uri.object_type == Some(ObjectType::Certificate);
    // A device that requires no login hides nothing: a public key or a certificate alone, as in a store of CA
    // certificates, is not a key that signs.
    let may_hide = device.pin_state().login_required;
    if !of_certificates {
        for key in objects::private_keys(&session, uri)? {
            add(key.facts, Source::KeyObject);
        }
        if may_hide {
            for key in objects::public_keys(&session, uri)? {
                add(key.into(), Source::KeyObject);
            }
        }
    }
    if of_certificates || (may_hide && uri.names_object()) {
        for found in objects::certificates(&session, uri)? {
            let Ok(certificate) = found.certificate else { continue };
            let public_key = Some(certificate.public_key().clone());
            let facts = KeyFacts { label: found.label, id: found.id, public_key, ..KeyFacts::default() };
            add(facts, Source::Certificate);
        }
    }
    match session.loss() {
        Some(error) => Err(error),
        None => Ok(keys),
    }
}
