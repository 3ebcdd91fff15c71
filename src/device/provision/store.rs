//! Storing a certificate for its key.

use std::time::SystemTime;

use cryptoki::error::RvError;
use cryptoki::object::{Attribute, CertificateType, ObjectClass, ObjectHandle};

use super::WritableDevice;
use crate::certificate::{self, Certificate, Flaw};
use crate::device::call::CallError;
use crate::device::error::ProvisionError;
use crate::device::key_facts::{KeyFacts, NameBy};
use crate::device::objects::{self, CertificateObject};
use crate::error::Error;
use crate::signature::Hash;
use crate::uri::{ObjectType, Uri};

/// How a certificate is imported.
#[derive(Clone, Copy, Debug, Default)]
pub struct ImportOptions {
    /// The key's other certificates are removed once the new one is stored.
    pub replace: bool,
    /// The certificates above it are stored as well.
    pub with_chain: bool,
    /// Others are replaced even if they are better.
    pub force: bool,
}

/// What became of a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImportedCertificate {
    /// Its URI.
    pub uri: String,
    /// Why it is unsuitable.
    pub flaws: Vec<Flaw>,
    /// Whether it was there already.
    pub was_there: bool,
    /// The subjects of the older certificates of the key that it replaced.
    pub replaced: Vec<String>,
    /// The subjects of the certificates of other keys whose place it took.
    pub overwritten: Vec<String>,
    /// The certificates above it that were stored as well.
    pub chain: Vec<Certificate>,
}

impl WritableDevice {
    /// Stores the certificate among `certificates` that belongs to the key.
    ///
    /// # Errors
    /// [`ProvisionError`]; [`super::super::DeviceError`] if the device fails.
    pub fn import_certificate(
        &self,
        key: &KeyFacts,
        certificates: &[Certificate],
        options: ImportOptions,
    ) -> Result<ImportedCertificate, Error> {
        let key_uri = key.name_in(self.uri.clone(), ObjectType::Private, NameBy::Id).to_string();
        let now = SystemTime::now();
        let identity = |key| certificate::identity_of(Some(key), certificates, now);
        let Some(leaf) = key.public_key.as_ref().and_then(identity) else {
            let found = certificates
                .iter()
                .map(|found| format!("{}:  {:?}", found.subject(), found.public_key()))
                .collect();
            let own = key.public_key.as_ref().map_or_else(|| "unknown".into(), |key| format!("{key:?}"));
            return Err(ProvisionError::OtherKey { uri: key_uri, key: own, found }.into());
        };
        let there = objects::certificates(&self.session, &Uri::default())
            .map_err(|error| self.device.failure(error))?;
        let is_leaf = |found: &&CertificateObject| is_of(found, |certificate| certificate == leaf);
        let is_older = |found: &&CertificateObject| {
            is_of(found, |certificate| {
                certificate != leaf && key.is_certified_by(certificate) && !certificate.is_attestation()
            })
        };
        let older: Vec<&CertificateObject> = there.iter().filter(is_older).collect();
        let is_real = |found: &&&CertificateObject| is_of(found, |certificate| !certificate.is_placeholder());
        if older.iter().filter(is_real).count() > 0 && !options.replace {
            let there = older.iter().map(|found| self.describe(found)).collect();
            return Err(ProvisionError::HasCertificate { device: self.device.describe(), there }.into());
        }
        let id = key.id.clone().unwrap_or_default();
        // The device would overwrite these without asking.
        let is_in_place = |found: &&CertificateObject| {
            self.device.kind().has_one_certificate_an_id()
                && found.id.as_deref() == Some(&id)
                && !is_leaf(found)
                && !is_older(found)
                && found.certificate.as_ref().map_or(true, |certificate| !certificate.is_placeholder())
        };
        let in_place: Vec<&CertificateObject> = there.iter().filter(is_in_place).collect();
        if !in_place.is_empty() && !options.replace {
            let there = in_place.iter().map(|found| self.describe(found)).collect();
            return Err(ProvisionError::InPlace { device: self.device.describe(), there }.into());
        }
        if options.with_chain && self.device.kind().has_one_certificate_an_id() {
            return Err(ProvisionError::NoChain { device: self.device.describe() }.into());
        }
        if !options.force {
            older.iter().filter(is_real).try_for_each(|present| self.check_not_worse(leaf, present, now))?;
        }
        let was_there = there.iter().any(|found| is_leaf(&found) && found.id.as_deref() == Some(&id));
        let label = key.label.clone().filter(|label| !label.is_empty());
        let label = label.unwrap_or_else(|| leaf.subject().into_bytes());
        if !was_there {
            let of_same_id: Vec<_> = older.iter().filter(|old| old.id.as_deref() == Some(&id)).collect();
            match self.create(leaf, &label, Some(&id))? {
                Err(error) if error.is(RvError::AttributeValueInvalid) && !of_same_id.is_empty() => {
                    self.store_in_place_of(&of_same_id, leaf, (&label, &id), error)?;
                }
                created => drop(created.map_err(|error| self.not_stored(error))?),
            }
        }
        let mut stored = ImportedCertificate {
            uri: key.name_in(self.uri.clone(), ObjectType::Certificate, NameBy::Id).to_string(),
            flaws: leaf.flaws(now),
            was_there,
            replaced: Vec::new(),
            overwritten: Vec::new(),
            chain: Vec::new(),
        };
        if options.with_chain {
            for issuer in certificate::chain_of(leaf, certificates, now) {
                if !there.iter().any(|found| is_of(&found, |certificate| *certificate == issuer)) {
                    let id = Hash::Sha256.digest(issuer.public_key().spki_der())[..20].to_vec();
                    let label = issuer.subject().into_bytes();
                    // A YubiHSM 2 has ids of two bytes, and chooses one itself.
                    let created = match self.create(&issuer, &label, Some(&id))? {
                        Err(error) if error.is(RvError::AttributeValueInvalid) => {
                            self.create(&issuer, &label, None)?
                        }
                        created => created,
                    };
                    created.map_err(|error| self.not_stored(error))?;
                }
                stored.chain.push(issuer);
            }
        }
        // Read again: if a slot holds only one certificate, the new one has taken the old one's place.
        let now_there = objects::certificates(&self.session, &Uri::default())
            .map_err(|error| self.device.failure(error))?;
        if !now_there.iter().any(|found| is_leaf(&found)) {
            let error =
                CallError::unusable("C_CreateObject", "the certificate is not there afterwards".into());
            return Err(self.not_stored(error).into());
        }
        let has_id = |found: &&CertificateObject| is_leaf(found) && found.id.as_deref() == Some(&id);
        // Copies that were stored under another id, and left there by a run that was killed.
        let may_have_copies = options.replace && now_there.iter().any(|found| has_id(&found));
        let is_copy = |found: &&CertificateObject| may_have_copies && is_leaf(found) && !has_id(found);
        for old in now_there.iter().filter(|found| is_older(found) || is_copy(found)) {
            self.remove(old.handle)?;
        }
        let subjects = |gone: &[&CertificateObject]| {
            gone.iter().filter_map(|old| Some(old.certificate.as_ref().ok()?.subject())).collect()
        };
        (stored.replaced, stored.overwritten) = (subjects(&older), subjects(&in_place));
        Ok(stored)
    }

    /// Checks that `new` is not worse than what it would replace.
    fn check_not_worse(
        &self,
        new: &Certificate,
        present: &CertificateObject,
        now: SystemTime,
    ) -> Result<(), ProvisionError> {
        let worse = present.certificate.as_ref().map(|present| new.worse_than(present, now));
        match worse {
            Ok(reasons) if !reasons.is_empty() => Err(ProvisionError::Worse {
                device: self.device.describe(),
                new: in_words(new),
                present: self.describe(present),
                reasons,
            }),
            _ => Ok(()),
        }
    }

    /// Stores a certificate on a device where each object has an id of its own, and another object has this
    /// one: a YubiHSM 2 then returns CKR_ATTRIBUTE_VALUE_INVALID. The new certificate is first stored under
    /// an id that the device chooses, so that the key is never without a certificate. It counts there too:
    /// the public key shows what belongs to a key.
    fn store_in_place_of(
        &self,
        present: &[&&CertificateObject],
        new: &Certificate,
        (label, id): (&[u8], &[u8]),
        refused: CallError,
    ) -> Result<(), Error> {
        let beside = self.create(new, label, None)?.map_err(|_| self.not_stored(refused))?;
        for old in present {
            self.remove(old.handle)?;
        }
        self.create(new, label, Some(id))?
            .map_err(|error| ProvisionError::OtherId { device: self.device.describe(), error })?;
        Ok(self.remove(beside)?)
    }

    fn remove(&self, object: ObjectHandle) -> Result<(), ProvisionError> {
        let removed = self.session.destroy(object);
        removed.map_err(|error| ProvisionError::NotRemoved { device: self.device.describe(), error })
    }

    /// Creates a certificate object; without an id the device chooses one, or leaves it empty.
    fn create(
        &self,
        certificate: &Certificate,
        label: &[u8],
        id: Option<&[u8]>,
    ) -> Result<Result<ObjectHandle, CallError>, Error> {
        let mut template = vec![
            Attribute::Class(ObjectClass::CERTIFICATE),
            Attribute::CertificateType(CertificateType::X_509),
            Attribute::Token(true),
            Attribute::Private(false),
            Attribute::Label(label.to_vec()),
            Attribute::Subject(certificate.subject_der()?),
            Attribute::Issuer(certificate.issuer_der()?),
            Attribute::SerialNumber(certificate.serial_der()?),
            Attribute::Value(certificate.der().to_vec()),
        ];
        template.extend(id.map(|id| Attribute::Id(id.to_vec())));
        Ok(self.session.create(&template))
    }

    fn not_stored(&self, error: CallError) -> ProvisionError {
        ProvisionError::NotStored {
            device: self.device.describe(),
            error,
            kind: self.device.kind(),
            module: self.device.module.spec().kind(),
        }
    }

    fn describe(&self, found: &CertificateObject) -> String {
        let facts = KeyFacts { label: found.label.clone(), id: found.id.clone(), ..KeyFacts::default() };
        let uri = facts.name_in(self.uri.clone(), ObjectType::Certificate, NameBy::Id);
        match &found.certificate {
            Ok(certificate) => format!("{uri}  {}", in_words(certificate)),
            Err(error) => format!("{uri}  {error}"),
        }
    }
}

fn in_words(certificate: &Certificate) -> String {
    format!("{}, until {}", certificate.subject(), certificate.last_day())
}

fn is_of(found: &&CertificateObject, fits: impl FnOnce(&Certificate) -> bool) -> bool {
    found.certificate.as_ref().is_ok_and(fits)
}
