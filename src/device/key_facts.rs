//! What is known of a key, what it is fit for, and a URI that names it. Pure.

use crate::certificate::Certificate;
use crate::signature::PublicKey;
use crate::uri::{ObjectType, Uri};

/// Whether a key can leave its device, by the device's own word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exportability {
    /// CKA_EXTRACTABLE is false and CKA_SENSITIVE is not.
    CannotLeave,
    /// CKA_EXTRACTABLE is true, or CKA_SENSITIVE is false.
    CanLeave,
    /// The device does not say.
    Unknown,
}

/// What a signature for CloudHSM needs of a key, and which of it may be waived.
#[derive(Clone, Copy, Debug, Default)]
pub struct Policy {
    /// Accept a key that can leave its device.
    pub allow_exportable: bool,
    /// Accept an RSA key larger than 2048 bits.
    pub allow_key_size: bool,
    /// Accept any kind of key that can sign: it is not for CloudHSM.
    pub any_key: bool,
}

impl Policy {
    /// Any key that can sign, also one that can leave its device. For everything but CloudHSM's files.
    pub const ANY_KEY: Self = Policy { allow_exportable: true, allow_key_size: false, any_key: true };
}

/// What is known of a private key, or of its public half while nobody is logged in.
#[derive(Clone, Debug, Default)]
pub struct KeyFacts {
    /// CKA_LABEL.
    pub label: Option<Vec<u8>>,
    /// CKA_ID.
    pub id: Option<Vec<u8>>,
    /// From the key itself, its public key object, or its certificate.
    pub public_key: Option<PublicKey>,
    /// CKA_SIGN.
    pub sign: Option<bool>,
    /// CKA_SENSITIVE.
    pub sensitive: Option<bool>,
    /// CKA_EXTRACTABLE.
    pub extractable: Option<bool>,
    /// CKA_ALWAYS_SENSITIVE.
    pub always_sensitive: Option<bool>,
    /// CKA_NEVER_EXTRACTABLE.
    pub never_extractable: Option<bool>,
    /// CKA_LOCAL: generated on the device.
    pub local: Option<bool>,
    /// CKA_ALWAYS_AUTHENTICATE: the PIN is needed for each signature.
    pub always_authenticate: Option<bool>,
    /// CKA_ALLOWED_MECHANISMS by their names, where the key is bound to some.
    pub allowed_mechanisms: Option<Vec<String>>,
    /// Whether a signature needs a touch; known of a key that is about to sign, where its module says so.
    pub touch: Option<TouchPolicy>,
}

/// When a key wants the device touched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TouchPolicy {
    /// Never.
    Never,
    /// For each signature.
    Always,
    /// For a signature more than 15 seconds after the last touch.
    Cached,
}

impl KeyFacts {
    /// Whether the key can leave the device.
    pub fn exportability(&self) -> Exportability {
        match (self.extractable, self.sensitive) {
            (Some(true), _) | (_, Some(false)) => Exportability::CanLeave,
            (Some(false), _) => Exportability::CannotLeave,
            (None, _) => Exportability::Unknown,
        }
    }

    /// Whether another one of `keys` has the same id.
    pub(super) fn shares_its_id(&self, keys: &[&KeyFacts]) -> bool {
        keys.iter().filter(|other| other.id == self.id).count() > 1
    }

    /// Whether `certificate` belongs to this key. Not to one whose public key is unknown.
    pub fn is_certified_by(&self, certificate: &Certificate) -> bool {
        self.public_key.as_ref().is_some_and(|key| certificate.certifies(key))
    }

    /// Its kind and size, `RSA-2048`.
    pub fn kind(&self) -> String {
        self.public_key.as_ref().map_or_else(|| "key of unknown kind".into(), PublicKey::describe)
    }

    /// Why the key must not sign CloudHSM's files; empty when it may.
    pub fn unfit_reasons(&self, policy: Policy) -> Vec<String> {
        let mut reasons = Vec::new();
        match &self.public_key {
            Some(_) if policy.any_key => {}
            Some(key) if key.is_rsa() && key.bits() > 2048 && !policy.allow_key_size => {
                reasons.push(format!(
                    "it is {}; AWS asks for RSA-2048 (--allow-key-size accepts it)",
                    key.describe()
                ));
            }
            Some(key) if key.is_rsa() && key.bits() < 2048 => {
                reasons.push(format!("it is {}; CloudHSM accepts RSA-2048", key.describe()));
            }
            Some(key) if key.is_rsa() => {}
            Some(key) => reasons.push(format!("it is {}; CloudHSM accepts RSA-2048", key.describe())),
            None => reasons
                .push("its public key cannot be read from the device, so nothing could be verified".into()),
        }
        if self.sign == Some(false) {
            reasons.push("it may not sign (CKA_SIGN is false)".into());
        }
        if self.exportability() == Exportability::CanLeave && !policy.allow_exportable {
            let attribute = if self.extractable == Some(true) {
                "CKA_EXTRACTABLE is true"
            } else {
                "CKA_SENSITIVE is false"
            };
            reasons.push(format!("it can leave the device ({attribute}; --allow-exportable accepts it)"));
        }
        reasons
    }

    /// A URI that names this key on `device`: by id, and by label too where there is no id or `by_label` says that the
    /// id is not enough.
    pub(super) fn name_in(&self, device: Uri, object_type: ObjectType, by_label: bool) -> Uri {
        let id = self.id.clone().filter(|id| !id.is_empty());
        let label = self.label.clone().filter(|label| id.is_none() || !label.is_empty());
        let object = if id.is_none() || by_label { label } else { None };
        Uri { id, object, object_type: Some(object_type), ..device }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_device_does_not_say_is_unknown_and_not_false() {
        let facts = |extractable, sensitive| {
            KeyFacts { extractable, sensitive, ..KeyFacts::default() }.exportability()
        };
        assert_eq!(facts(None, None), Exportability::Unknown);
        assert_eq!(facts(None, Some(true)), Exportability::Unknown);
        assert_eq!(facts(Some(false), None), Exportability::CannotLeave);
        assert_eq!(facts(Some(false), Some(true)), Exportability::CannotLeave);
        assert_eq!(facts(Some(true), Some(true)), Exportability::CanLeave);
        assert_eq!(facts(Some(false), Some(false)), Exportability::CanLeave);
        assert_eq!(facts(None, Some(false)), Exportability::CanLeave);
    }
}
