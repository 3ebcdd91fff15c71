//! Generating a key pair on the device.

use cryptoki::error::RvError;
use cryptoki::mechanism::Mechanism as Ckm;
use cryptoki::object::Attribute;

use super::key_spec::{key_as_asked, private_template, public_template, without_denials, without_recovery};
use super::{KeySpec, WritableDevice};
use crate::device::call::CallError;
use crate::device::error::{ProvisionError, UniqueAttribute};
use crate::device::key_facts::{KeyFacts, NameBy};
use crate::device::objects;
use crate::error::Error;
use crate::signature::PublicKey;
use crate::uri::{ObjectType, Uri};

/// The templates of the two halves of a key.
struct Templates {
    public: Vec<Attribute>,
    private: Vec<Attribute>,
}

/// A generated key.
#[derive(Clone, Debug)]
pub struct GeneratedKey {
    /// Its URI.
    pub uri: String,
    /// What the device says about it.
    pub facts: KeyFacts,
    /// Its public key.
    pub public_key: PublicKey,
    /// The attributes that the device does not return.
    pub unsaid: Vec<&'static str>,
    /// Requested names that the device did not store.
    pub not_taken: Vec<NotTaken>,
}

/// A name that a key was given and that the device did not store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotTaken {
    /// Which one.
    pub what: UniqueAttribute,
    /// The requested name.
    pub asked: String,
    /// The name that the device reports instead, if any.
    pub found: Option<String>,
}

impl WritableDevice {
    /// Generates a key pair that cannot leave the device and may only sign, reads it back, and removes it
    /// again if it is not as requested.
    ///
    /// # Errors
    /// [`ProvisionError`].
    pub fn generate(&self, spec: &KeySpec) -> Result<GeneratedKey, Error> {
        let id = self.free_id(spec)?;
        let mut templates =
            Templates { public: public_template(spec, &id), private: private_template(spec, &id) };
        if self.device.kind().misreads_unwrap() {
            templates.private.retain(|attribute| !matches!(attribute, Attribute::Unwrap(_)));
        }
        let mechanism = if spec.kind.curve().is_some() { Ckm::EccKeyPairGen } else { Ckm::RsaPkcsKeyPairGen };
        let generate =
            |Templates { public, private }: &Templates| self.session.generate(&mechanism, public, private);
        // Modules that only have keys that sign and cannot leave refuse to be told so (ykcs11, tpm2-pkcs11).
        // Fewer modules know the attributes for recovery than the others, which they must still be given. The
        // generated key's attributes are read back.
        let mut handles = generate(&templates);
        for milder in [without_recovery, without_denials] {
            let is_about_template = [
                RvError::AttributeTypeInvalid,
                RvError::AttributeValueInvalid,
                RvError::TemplateInconsistent,
                RvError::AttributeReadOnly,
                RvError::GeneralError,
            ];
            let is_refused = |error: &CallError| error.is_one_of(&is_about_template);
            if !handles.as_ref().is_err_and(is_refused) {
                break;
            }
            handles = generate(&Templates {
                public: milder(&templates.public),
                private: milder(&templates.private),
            });
        }
        let device = || self.device.describe();
        let (public_handle, private_handle) = handles.map_err(|error| ProvisionError::NotGenerated {
            device: device(),
            error,
            kind: self.device.kind(),
            module: self.device.module.spec().kind(),
            user: self.user,
            always_authenticate: spec.always_authenticate,
        })?;
        let mut facts = objects::private_key_facts(&self.session, private_handle);
        // According to the standard, EC private keys do not contain their point; and the security officer
        // sees no private key at all.
        if let Some(key) = objects::public_key(&self.session, public_handle) {
            facts.public_key = Some(key);
        }
        let (label, public_id) = objects::label_and_id(&self.session, public_handle);
        let named = |value: &Option<Vec<u8>>| value.as_ref().is_some_and(|value| !value.is_empty());
        facts.label = [facts.label.take(), label].into_iter().find(named).flatten();
        facts.id = [facts.id.take(), public_id].into_iter().find(named).flatten();
        let public_key = key_as_asked(&facts, spec).map_err(|reasons| {
            let removed = [private_handle, public_handle].map(|handle| self.session.destroy(handle).is_ok());
            let removed = removed.iter().all(|removed| *removed);
            ProvisionError::NotAsAsked { device: device(), reasons, removed }
        })?;
        let said = [
            ("CKA_SENSITIVE", facts.sensitive),
            ("CKA_EXTRACTABLE", facts.extractable),
            ("CKA_LOCAL", facts.local),
            ("CKA_ALWAYS_SENSITIVE", facts.always_sensitive),
            ("CKA_NEVER_EXTRACTABLE", facts.never_extractable),
        ];
        let unsaid = said.into_iter().filter(|(_, value)| value.is_none()).map(|(name, _)| name).collect();
        let uri = facts.name_in(self.uri.clone(), ObjectType::Private, NameBy::Id).to_string();
        let not_taken = not_taken(&facts, spec, &id);
        Ok(GeneratedKey { uri, facts, public_key, unsaid, not_taken })
    }

    /// The requested id, if it and the label are free; without a request, the lowest free id of one byte.
    ///
    /// # Errors
    /// [`ProvisionError::InUse`]; [`super::super::DeviceError`] if the device fails.
    pub fn free_id(&self, spec: &KeySpec) -> Result<Vec<u8>, Error> {
        let everything = Uri::default();
        let mut used: Vec<(KeyFacts, ObjectType)> = Vec::new();
        for key in
            objects::private_keys(&self.session, &everything).map_err(|error| self.device.failure(error))?
        {
            used.push((key.facts, ObjectType::Private));
        }
        for key in
            objects::public_keys(&self.session, &everything).map_err(|error| self.device.failure(error))?
        {
            used.push((key.into(), ObjectType::Public));
        }
        for found in
            objects::certificates(&self.session, &everything).map_err(|error| self.device.failure(error))?
        {
            let facts = KeyFacts { label: found.label, id: found.id, ..KeyFacts::default() };
            used.push((facts, ObjectType::Certificate));
        }
        let in_use =
            |what, value: String, (facts, object_type): &(KeyFacts, ObjectType)| ProvisionError::InUse {
                what,
                value,
                device: self.device.describe(),
                by_slot: spec.by_slot,
                by: facts.name_in(self.uri.clone(), *object_type, NameBy::IdAndLabel).to_string(),
            };
        if let Some(user) =
            used.iter().find(|(facts, _)| facts.label.as_deref() == Some(spec.label.as_bytes()))
        {
            return Err(in_use(UniqueAttribute::Label, format!("{:?}", spec.label), user).into());
        }
        let has = |id: &[u8]| used.iter().find(|(facts, _)| facts.id.as_deref() == Some(id));
        match &spec.id {
            Some(id) => match has(id) {
                Some(user) => {
                    let hex = id.iter().map(|byte| format!("{byte:02x}")).collect();
                    Err(in_use(UniqueAttribute::Id, hex, user).into())
                }
                None => Ok(id.clone()),
            },
            None => {
                Ok((1..=255).map(|id| vec![id]).find(|id| has(id).is_none()).unwrap_or_else(|| vec![1, 0]))
            }
        }
    }
}

/// Judged by what the device reports: ykcs11 gives the keys in its slots labels of its own.
fn not_taken(facts: &KeyFacts, spec: &KeySpec, id: &[u8]) -> Vec<NotTaken> {
    let label = |label: &[u8]| format!("{:?}", String::from_utf8_lossy(label));
    let hex = |id: &[u8]| id.iter().map(|byte| format!("{byte:02x}")).collect();
    let mut not_taken = Vec::new();
    if facts.label.as_deref() != Some(spec.label.as_bytes()) && !spec.label.is_empty() {
        not_taken.push(NotTaken {
            what: UniqueAttribute::Label,
            asked: label(spec.label.as_bytes()),
            found: facts.label.as_deref().map(label),
        });
    }
    if facts.id.as_deref() != Some(id) {
        let found = facts.id.as_deref().map(hex);
        not_taken.push(NotTaken { what: UniqueAttribute::Id, asked: hex(id), found });
    }
    not_taken
}
