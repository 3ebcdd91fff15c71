//! The facts about a key, what it is suitable for, and a URI that names it. Pure.

use crate::certificate::{Certificate, TouchPolicy};
use crate::signature::{PublicKey, Verifier};
use crate::uri::{ObjectType, Uri};

/// Whether a key can leave its device, according to the device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exportability {
    /// CKA_EXTRACTABLE is false and CKA_SENSITIVE is not.
    CannotLeave,
    /// CKA_EXTRACTABLE is true, or CKA_SENSITIVE is false.
    CanLeave,
    /// The device does not say.
    Unknown,
}

/// What CloudHSM requires of a key, and which requirements are waived.
#[derive(Clone, Copy, Debug, Default)]
pub struct Policy {
    /// Accept a key that can leave its device.
    pub allow_exportable: bool,
    /// Accept an RSA key larger than 2048 bits.
    pub allow_key_size: bool,
    /// Accept any kind of key that can sign, because it is not for CloudHSM.
    pub any_key: bool,
}

impl Policy {
    /// Any key that can sign, even one that can leave its device. For everything except CloudHSM's files.
    pub const ANY_KEY: Self = Policy { allow_exportable: true, allow_key_size: false, any_key: true };

    /// What the key is for, after the words "to sign".
    pub(super) fn purpose(self) -> &'static str {
        if self.any_key { "" } else { " CloudHSM's files" }
    }
}

/// What is known about a private key, or about its public half while nobody is logged in.
#[derive(Clone, Debug, Default)]
pub struct KeyFacts {
    /// CKA_LABEL.
    pub label: Option<Vec<u8>>,
    /// CKA_ID.
    pub id: Option<Vec<u8>>,
    /// From the key itself, its public key object, or its certificate.
    pub public_key: Option<PublicKey>,
    /// The kind of a key of a kind that is not supported, such as `Ed25519`.
    pub other_kind: Option<String>,
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
    /// CKA_ALLOWED_MECHANISMS by their names, if the key is bound to some.
    pub allowed_mechanisms: Option<Vec<String>>,
    /// Whether a signature requires a touch. Known only for a key that is about to sign and whose module says
    /// so.
    pub touch: Option<TouchPolicy>,
}

/// Why a key must not sign CloudHSM's files.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnfitReason {
    /// It is larger than RSA-2048. This can be waived.
    #[error("it is {0}; AWS asks for RSA-2048 (--allow-key-size accepts it)")]
    TooLarge(String),
    /// It is of a kind or size that CloudHSM does not accept.
    #[error("it is {0}; CloudHSM accepts RSA-2048")]
    NotAccepted(String),
    /// Its signatures cannot be verified here.
    #[error("it is {0}; EC keys on P-256, P-384 and P-521 and RSA keys of 1024 to 8192 bits are supported")]
    NotSupported(String),
    /// Its public key cannot be read.
    #[error(
        "its public key is not on the device or of an unsupported type, so no signature could be verified"
    )]
    NoPublicKey,
    /// CKA_SIGN is false.
    #[error("it is not allowed to sign (CKA_SIGN is false)")]
    MayNotSign,
    /// It can leave the device: CKA_EXTRACTABLE is true. This can be waived.
    #[error("it can leave the device (CKA_EXTRACTABLE is true; --allow-exportable accepts it)")]
    Extractable,
    /// It can leave the device: CKA_SENSITIVE is false. This can be waived.
    #[error("it can leave the device (CKA_SENSITIVE is false; --allow-exportable accepts it)")]
    NotSensitive,
}

impl UnfitReason {
    /// Whether this prevents any use of the key, not only for CloudHSM's files.
    pub(super) fn keeps_from_any_use(&self) -> bool {
        matches!(self, UnfitReason::NoPublicKey | UnfitReason::MayNotSign)
    }

    /// All reasons in one line.
    pub(super) fn in_one_line(reasons: &[Self]) -> String {
        reasons.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
    }
}

/// Which attributes of an object its URI contains.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NameBy {
    /// CKA_ID.
    Id,
    /// CKA_LABEL too, because the id is not enough, or is not all that was requested.
    IdAndLabel,
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

    /// What distinguishes it from the others in `keys`, which also contains this key.
    pub(super) fn name_among(&self, keys: &[&KeyFacts]) -> NameBy {
        let is_shared = keys.iter().filter(|other| other.id == self.id).count() > 1;
        if is_shared { NameBy::IdAndLabel } else { NameBy::Id }
    }

    /// Whether `certificate` belongs to this key. False if the key's public key is unknown.
    pub fn is_certified_by(&self, certificate: &Certificate) -> bool {
        self.public_key.as_ref().is_some_and(|key| certificate.certifies(key))
    }

    /// Its kind and size, `RSA-2048`.
    pub fn kind(&self) -> String {
        match (&self.public_key, &self.other_kind) {
            (Some(key), _) => key.describe(),
            (None, Some(kind)) => kind.clone(),
            (None, None) => "key of unknown kind".into(),
        }
    }

    /// Why the key must not sign CloudHSM's files; empty if it may.
    pub fn unfit_reasons(&self, policy: Policy) -> Vec<UnfitReason> {
        let of_key = match &self.public_key {
            None => Some(match &self.other_kind {
                Some(kind) if policy.any_key => UnfitReason::NotSupported(kind.clone()),
                Some(kind) => UnfitReason::NotAccepted(kind.clone()),
                None => UnfitReason::NoPublicKey,
            }),
            Some(key) if policy.any_key => {
                Verifier::new(key).is_err().then(|| UnfitReason::NotSupported(key.describe()))
            }
            Some(key) if key.is_rsa() && key.bits() > 2048 => {
                (!policy.allow_key_size).then(|| UnfitReason::TooLarge(key.describe()))
            }
            Some(key) if key.is_rsa() && key.bits() == 2048 => None,
            Some(key) => Some(UnfitReason::NotAccepted(key.describe())),
        };
        let may_not_sign = (self.sign == Some(false)).then_some(UnfitReason::MayNotSign);
        let can_leave = self.exportability() == Exportability::CanLeave && !policy.allow_exportable;
        let can_leave = can_leave.then_some(match self.extractable {
            Some(true) => UnfitReason::Extractable,
            _ => UnfitReason::NotSensitive,
        });
        of_key.into_iter().chain(may_not_sign).chain(can_leave).collect()
    }

    /// A URI that names this key on `device`, with its label if it has no id.
    pub(super) fn name_in(&self, device: Uri, object_type: ObjectType, by: NameBy) -> Uri {
        let id = self.id.clone().filter(|id| !id.is_empty());
        let label = self.label.clone().filter(|label| id.is_none() || !label.is_empty());
        let object = if id.is_none() || by == NameBy::IdAndLabel { label } else { None };
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

    #[test]
    fn a_key_is_named_by_its_label_where_its_id_is_not_enough() {
        let key = |id: &[u8], label: &[u8]| KeyFacts {
            id: Some(id.to_vec()),
            label: Some(label.to_vec()),
            ..KeyFacts::default()
        };
        let (a, b, c, no_id) = (key(&[1], b"a"), key(&[1], b"b"), key(&[2], b"c"), key(&[], b"d"));
        let all = [&a, &b, &c, &no_id];
        let name = |facts: &KeyFacts| {
            facts.name_in(Uri::default(), ObjectType::Private, facts.name_among(&all)).to_string()
        };
        assert_eq!(name(&a), "pkcs11:object=a;id=%01;type=private");
        assert_eq!(name(&b), "pkcs11:object=b;id=%01;type=private");
        assert_eq!(name(&c), "pkcs11:id=%02;type=private");
        assert_eq!(name(&no_id), "pkcs11:object=d;type=private");
    }

    #[test]
    fn a_key_is_unfit_for_each_reason_that_is_not_waived() {
        let rsa = |bytes: usize| PublicKey::rsa(&vec![0xff; bytes], &[1, 0, 1]).unwrap();
        let fit = KeyFacts { public_key: Some(rsa(256)), extractable: Some(false), ..KeyFacts::default() };
        let of = |facts: &KeyFacts| facts.unfit_reasons(Policy::default());
        assert_eq!(of(&fit), []);
        let with = |key| KeyFacts { public_key: Some(key), ..fit.clone() };
        assert_eq!(of(&with(rsa(512))), [UnfitReason::TooLarge("RSA-4096".into())]);
        assert_eq!(of(&with(rsa(128))), [UnfitReason::NotAccepted("RSA-1024".into())]);
        let p256 = [0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
        let ec = with(PublicKey::ec(&p256, &[4; 65]).unwrap());
        assert_eq!(of(&ec), [UnfitReason::NotAccepted("EC P-256".into())]);
        let bad = KeyFacts { sign: Some(false), extractable: Some(true), ..KeyFacts::default() };
        let all = [UnfitReason::NoPublicKey, UnfitReason::MayNotSign, UnfitReason::Extractable];
        assert_eq!(of(&bad), all);
        assert_eq!(of(&KeyFacts { sensitive: Some(false), ..fit.clone() }), [UnfitReason::NotSensitive]);
        // What can be waived is waived, and nothing else.
        assert_eq!(bad.unfit_reasons(Policy::ANY_KEY), all[..2]);
        assert_eq!(with(rsa(256)).unfit_reasons(Policy::ANY_KEY), []);
        // secp256k1.
        let curve = [0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x0a];
        let other_curve = with(PublicKey::ec(&curve, &[4; 65]).unwrap());
        let reasons = [UnfitReason::NotSupported("EC secp256k1".into())];
        assert_eq!(other_curve.unfit_reasons(Policy::ANY_KEY), reasons);
        let waived = Policy { allow_key_size: true, ..Policy::default() };
        assert_eq!(with(rsa(512)).unfit_reasons(waived), []);
        assert_eq!(with(rsa(128)).unfit_reasons(waived).len(), 1);
    }
}
