//! From a chosen device to the one selected private key: log in, search, decide.

use super::choose::{Chosen, StoredCertificate, stored_certificates};
use super::error::{Candidate, KeyError};
use super::key_facts::{KeyFacts, NameBy, Policy, UnfitReason};
use super::login::{Login, LoginOptions, Notice, log_in};
use super::objects::{self, PrivateKey};
use super::present::Device;
use super::session::Session;
use super::signing_key::SigningKey;
use crate::error::Error;
use crate::signature::PublicKey;
use crate::uri::{ObjectType, Uri};

/// A device with a session in which the user is logged in.
#[derive(Debug)]
pub struct OpenDevice {
    session: Session,
    chosen: Chosen,
    login: Login,
}

impl Chosen {
    /// Logs in to the device. The PIN comes from `options`, otherwise from the key URI, otherwise from the
    /// terminal.
    ///
    /// # Errors
    /// [`super::LoginError`]; [`super::DeviceError`] if no session can be opened.
    pub fn log_in(self, options: &LoginOptions, notice: &mut dyn FnMut(Notice)) -> Result<OpenDevice, Error> {
        let session = self.device.open_session().map_err(|error| self.device.failure(error))?;
        let source = options.source_for(&self.uri)?;
        let login = log_in(&session, &self.device, &source, options, notice)?;
        Ok(OpenDevice { session, chosen: self, login })
    }
}

impl OpenDevice {
    /// The selected private key, ready to sign. With a key URI, exactly one key must match it, suitable or
    /// not; without one, exactly one key must be suitable.
    ///
    /// # Errors
    /// [`KeyError`], with what was found as URIs to paste.
    pub fn signing_key(self, policy: Policy) -> Result<SigningKey, Error> {
        let mut key = self.the_key(policy)?;
        key.facts.touch = objects::touch_policy(&self.session, &key);
        let uri = self.key_uri(&key.facts);
        let device = self.chosen.device.clone();
        let Some(public_key) = key.facts.public_key.clone() else {
            return Err(self.no_public_key(&key.facts, policy));
        };
        let reasons = key.facts.unfit_reasons(policy);
        if !reasons.is_empty() {
            return Err(KeyError::Unfit { uri, policy, reasons }.into());
        }
        SigningKey::new(self.session, device, key, uri, public_key, self.login)
    }

    /// The public key of the selected private key, whatever the key is suitable for.
    ///
    /// # Errors
    /// [`KeyError`], as [`OpenDevice::signing_key`].
    pub fn public_key(&self, policy: Policy) -> Result<PublicKey, Error> {
        let key = self.the_key(policy)?;
        key.facts.public_key.clone().ok_or_else(|| self.no_public_key(&key.facts, policy))
    }

    /// Why the public key of a key is not known.
    fn no_public_key(&self, facts: &KeyFacts, policy: Policy) -> Error {
        let uri = self.key_uri(facts);
        match facts.other_kind {
            Some(_) => KeyError::Unfit { uri, policy, reasons: facts.unfit_reasons(policy) }.into(),
            None => KeyError::NoPublicKey { uri, device: self.chosen.device.describe() }.into(),
        }
    }

    /// The certificates on the device that match `uri`'s id and label, including those that are visible only
    /// after login.
    ///
    /// # Errors
    /// [`super::DeviceError`].
    pub fn certificates(&self, uri: &Uri) -> Result<Vec<StoredCertificate>, Error> {
        stored_certificates(&self.session, &self.chosen.device, uri)
    }

    fn the_key(&self, policy: Policy) -> Result<PrivateKey, Error> {
        let device = &self.chosen.device;
        let mut rejected = Vec::new();
        let found = matching_keys(&self.session, &self.chosen.uri, &mut rejected)
            .map_err(|error| device.failure(error))?;
        let candidates = |keys: &[PrivateKey]| -> Vec<Candidate> {
            let facts: Vec<&KeyFacts> = keys.iter().map(|key| &key.facts).collect();
            Candidate::keys(&facts, &self.chosen.device_uri())
        };
        let uri = || self.chosen.by_uri.then(|| self.chosen.uri.shown());
        if found.is_empty() {
            let all = objects::private_keys(&self.session, &Uri::default())
                .map_err(|error| device.failure(error))?;
            return Err(KeyError::NotFound {
                uri: uri(),
                device: device.describe(),
                kind: device.kind(),
                candidates: candidates(&all),
                rejected,
                advice: self.chosen.uri.advice(),
            }
            .into());
        }
        let (fit, unfit): (Vec<_>, Vec<_>) = if self.chosen.by_uri {
            (without_those_of_the_device_itself(found), Vec::new())
        } else {
            found.into_iter().partition(|key| key.facts.unfit_reasons(policy).is_empty())
        };
        match <[PrivateKey; 1]>::try_from(self.those_preferred(fit)) {
            Ok([key]) => Ok(key),
            Err(none) if none.is_empty() => {
                let mut candidates = candidates(&unfit);
                for (candidate, key) in candidates.iter_mut().zip(&unfit) {
                    candidate.facts = UnfitReason::in_one_line(&key.facts.unfit_reasons(policy));
                }
                Err(KeyError::NoneFit { device: device.describe(), policy, candidates }.into())
            }
            Err(several) => {
                let by_certificate = self.chosen.certified.is_some();
                Err(KeyError::ManyKeys { uri: uri(), candidates: candidates(&several), by_certificate }
                    .into())
            }
        }
    }

    /// Of several keys, those that a certificate chooses, if there are any.
    fn those_preferred(&self, keys: Vec<PrivateKey>) -> Vec<PrivateKey> {
        if keys.len() < 2 || !keys.iter().any(|key| self.chosen.is_preferred(&key.facts)) {
            return keys;
        }
        keys.into_iter().filter(|key| self.chosen.is_preferred(&key.facts)).collect()
    }

    fn key_uri(&self, facts: &KeyFacts) -> String {
        // A requested label may be what distinguishes two keys with one id.
        let by = if self.chosen.uri.object.is_some() { NameBy::IdAndLabel } else { NameBy::Id };
        facts.name_in(self.chosen.device_uri(), ObjectType::Private, by).to_string()
    }
}

/// The one key that `uri` names, for preparing the device: found by its public half if the private one is
/// hidden, as it is from the security officer.
pub(super) fn key_to_prepare(
    session: &Session,
    device: &Device,
    device_uri: &Uri,
    uri: &Uri,
) -> Result<KeyFacts, Error> {
    let mut rejected = Vec::new();
    let mut found: Vec<KeyFacts> = without_those_of_the_device_itself(
        matching_keys(session, uri, &mut rejected).map_err(|error| device.failure(error))?,
    )
    .into_iter()
    .map(|key| key.facts)
    .collect();
    if found.is_empty() {
        let public = objects::public_keys(session, uri).map_err(|error| device.failure(error))?;
        found = public.into_iter().map(KeyFacts::from).collect();
    }
    let candidates = |keys: &[KeyFacts]| Candidate::keys(&keys.iter().collect::<Vec<_>>(), device_uri);
    match <[KeyFacts; 1]>::try_from(found) {
        Ok([facts]) => Ok(facts),
        Err(none) if none.is_empty() => {
            let all =
                objects::private_keys(session, &Uri::default()).map_err(|error| device.failure(error))?;
            let all: Vec<KeyFacts> = all.into_iter().map(|key| key.facts).collect();
            Err(KeyError::NotFound {
                uri: Some(uri.shown()),
                device: device.describe(),
                kind: device.kind(),
                candidates: candidates(&all),
                rejected,
                advice: uri.advice(),
            }
            .into())
        }
        Err(several) => {
            let candidates = candidates(&several);
            Err(KeyError::ManyKeys { uri: Some(uri.shown()), candidates, by_certificate: false }.into())
        }
    }
}

/// People mean a key that signs: if there is one, keys that may not sign are dropped, such as a YubiKey's
/// attestation key.
fn without_those_of_the_device_itself(keys: Vec<PrivateKey>) -> Vec<PrivateKey> {
    if keys.iter().all(|key| key.facts.sign == Some(false)) {
        return keys;
    }
    keys.into_iter().filter(|key| key.facts.sign != Some(false)).collect()
}

/// The private keys that a URI leads to. A certificate's URI leads to the key with the same CKA_ID and public
/// key or, if no id matches, to the key with the same public key. A URI without a type is read as a private
/// key's first.
fn matching_keys(
    session: &Session,
    uri: &Uri,
    rejected: &mut Vec<String>,
) -> Result<Vec<PrivateKey>, super::CallError> {
    if uri.object_type != Some(ObjectType::Certificate) {
        let keys = objects::private_keys(session, uri)?;
        if !keys.is_empty() || uri.object_type.is_some() || !uri.names_object() {
            return Ok(keys);
        }
    }
    let mut keys: Vec<PrivateKey> = Vec::new();
    for found in objects::certificates(session, uri)? {
        let certificate = match found.certificate {
            Ok(certificate) => certificate,
            Err(error) => {
                let label = String::from_utf8_lossy(&found.label.unwrap_or_default()).into_owned();
                rejected.push(format!("the certificate {label:?} does not count: {error}"));
                continue;
            }
        };
        let fits = |key: &PrivateKey| key.facts.is_certified_by(&certificate);
        let mut of_certificate = Vec::new();
        if let Some(id) = found.id.filter(|id| !id.is_empty()) {
            let same_id = objects::private_keys(session, &Uri { id: Some(id.clone()), ..Uri::default() })?;
            if !same_id.is_empty() && !same_id.iter().any(fits) {
                rejected.push(format!(
                    "the certificate {:?} and the private key with its id %{} are of different keys",
                    certificate.subject(),
                    id.iter().map(|byte| format!("{byte:02X}")).collect::<Vec<_>>().join("%")
                ));
            }
            of_certificate.extend(same_id.into_iter().filter(fits));
        }
        if of_certificate.is_empty() {
            let all = objects::private_keys(session, &Uri::default())?;
            of_certificate.extend(all.into_iter().filter(fits));
        }
        if of_certificate.is_empty() {
            rejected.push(format!("the certificate {:?} has no private key here", certificate.subject()));
        }
        for key in of_certificate {
            // A renewed certificate leads to the same key as the old one beside it.
            if !keys.iter().any(|other| other.handle == key.handle) {
                keys.push(key);
            }
        }
    }
    Ok(keys)
}
