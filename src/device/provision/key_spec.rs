//! Which key is to be generated, as PKCS#11 templates, and whether the generated key matches.

use std::str::FromStr;

use cryptoki::object::{Attribute, KeyType};
use cryptoki_sys::CK_ULONG;
use der::asn1::ObjectIdentifier;

use crate::device::key_facts::{Exportability, KeyFacts};
use crate::signature::{KeyNumbers, PublicKey};

/// A named curve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Curve {
    id: ObjectIdentifier,
    /// The same in DER, as CKA_EC_PARAMS holds it.
    params: &'static [u8],
}

const P256: Curve = Curve {
    id: ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7"),
    params: &[0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07],
};
const P384: Curve = Curve {
    id: ObjectIdentifier::new_unwrap("1.3.132.0.34"),
    params: &[0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x22],
};

/// A kind of key that can be generated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyKind {
    /// RSA with a modulus of this many bits.
    Rsa(u32),
    /// EC on P-256.
    P256,
    /// EC on P-384.
    P384,
}

impl KeyKind {
    pub(super) fn curve(self) -> Option<Curve> {
        match self {
            KeyKind::Rsa(_) => None,
            KeyKind::P256 => Some(P256),
            KeyKind::P384 => Some(P384),
        }
    }

    fn is_that_of(self, key: &PublicKey) -> bool {
        match (self, key.numbers()) {
            (KeyKind::Rsa(bits), KeyNumbers::Rsa { .. }) => key.bits() == bits,
            (kind, KeyNumbers::Ec { curve, .. }) => kind.curve().is_some_and(|own| own.id == *curve),
            _ => false,
        }
    }
}

impl FromStr for KeyKind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "rsa:2048" => Ok(KeyKind::Rsa(2048)),
            "rsa:3072" => Ok(KeyKind::Rsa(3072)),
            "rsa:4096" => Ok(KeyKind::Rsa(4096)),
            "ec:p256" => Ok(KeyKind::P256),
            "ec:p384" => Ok(KeyKind::P384),
            _ => Err("possible values: rsa:2048, rsa:3072, rsa:4096, ec:p256, ec:p384".into()),
        }
    }
}

/// A key to be generated.
#[derive(Clone, Debug)]
pub struct KeySpec {
    /// CKA_LABEL.
    pub label: String,
    /// CKA_ID; if none, a free one is chosen.
    pub id: Option<Vec<u8>>,
    /// Its kind.
    pub kind: KeyKind,
    /// Whether it requires its PIN for each signature (CKA_ALWAYS_AUTHENTICATE).
    pub always_authenticate: bool,
    /// Whether the id is a PIV card's slot.
    pub by_slot: bool,
}

pub(super) fn public_template(spec: &KeySpec, id: &[u8]) -> Vec<Attribute> {
    let mut template = vec![
        Attribute::Token(true),
        Attribute::Private(false),
        Attribute::Verify(true),
        Attribute::VerifyRecover(false),
        Attribute::Encrypt(false),
        Attribute::Wrap(false),
        Attribute::Label(spec.label.clone().into_bytes()),
        Attribute::Id(id.to_vec()),
    ];
    match (spec.kind, spec.kind.curve()) {
        (KeyKind::Rsa(bits), _) => template.extend([
            Attribute::KeyType(KeyType::RSA),
            Attribute::ModulusBits(CK_ULONG::from(bits).into()),
            Attribute::PublicExponent(vec![1, 0, 1]),
        ]),
        (_, curve) => {
            template.push(Attribute::KeyType(KeyType::EC));
            template.extend(curve.map(|curve| Attribute::EcParams(curve.params.to_vec())));
        }
    }
    template
}

pub(super) fn private_template(spec: &KeySpec, id: &[u8]) -> Vec<Attribute> {
    let mut template = vec![
        Attribute::Token(true),
        Attribute::Private(true),
        Attribute::Sensitive(true),
        Attribute::Extractable(false),
        Attribute::Sign(true),
        Attribute::SignRecover(false),
        Attribute::Decrypt(false),
        Attribute::Unwrap(false),
        Attribute::Derive(false),
        Attribute::Label(spec.label.clone().into_bytes()),
        Attribute::Id(id.to_vec()),
        Attribute::KeyType(if spec.kind.curve().is_some() { KeyType::EC } else { KeyType::RSA }),
    ];
    if spec.always_authenticate {
        template.push(Attribute::AlwaysAuthenticate(true));
    }
    template
}

/// The template without the attributes that exclude signing and verifying with recovery.
pub(super) fn without_recovery(template: &[Attribute]) -> Vec<Attribute> {
    template.iter().filter(|attribute| !is_about_recovery(attribute)).cloned().collect()
}

fn is_about_recovery(attribute: &Attribute) -> bool {
    matches!(attribute, Attribute::SignRecover(_) | Attribute::VerifyRecover(_))
}

/// The template without the attributes that exclude uses of the key: false is the standard's default for most
/// of them.
pub(super) fn without_denials(template: &[Attribute]) -> Vec<Attribute> {
    let is_denial = |attribute: &&Attribute| {
        matches!(
            attribute,
            Attribute::Encrypt(false)
                | Attribute::Wrap(false)
                | Attribute::Decrypt(false)
                | Attribute::Unwrap(false)
                | Attribute::Derive(false)
                | Attribute::Extractable(false)
        ) || is_about_recovery(attribute)
    };
    template.iter().filter(|attribute| !is_denial(attribute)).cloned().collect()
}

/// The public key of the generated key, or what the device says about it and should not.
pub(super) fn key_as_asked(facts: &KeyFacts, spec: &KeySpec) -> Result<PublicKey, Vec<String>> {
    let mut reasons = Vec::new();
    match &facts.public_key {
        Some(key) if spec.kind.is_that_of(key) => {}
        Some(key) => reasons.push(format!("it is {}", key.describe())),
        None => reasons.push("its public key cannot be read".into()),
    }
    if facts.exportability() == Exportability::CanLeave {
        reasons.push("it can leave the device (CKA_EXTRACTABLE, CKA_SENSITIVE)".into());
    }
    let must = [
        ("CKA_SIGN", facts.sign),
        ("CKA_LOCAL", facts.local),
        ("CKA_ALWAYS_SENSITIVE", facts.always_sensitive),
        ("CKA_NEVER_EXTRACTABLE", facts.never_extractable),
    ];
    reasons.extend(
        must.into_iter()
            .filter(|(_, value)| *value == Some(false))
            .map(|(name, _)| format!("{name} is false")),
    );
    if spec.always_authenticate && facts.always_authenticate == Some(false) {
        reasons
            .push("it does not require its PIN for each signature (CKA_ALWAYS_AUTHENTICATE is false)".into());
    }
    match &facts.public_key {
        Some(key) if reasons.is_empty() => Ok(key.clone()),
        _ => Err(reasons),
    }
}

#[cfg(test)]
mod tests {
    use der::Decode;

    use super::*;

    #[test]
    fn the_parameters_of_a_curve_are_its_identifier() {
        for curve in [P256, P384] {
            assert_eq!(ObjectIdentifier::from_der(curve.params), Ok(curve.id));
        }
    }

    #[test]
    fn a_key_is_as_asked_only_with_its_public_key_and_nothing_against_it() {
        let kind = KeyKind::P256;
        let spec = KeySpec { label: "k".into(), id: None, kind, always_authenticate: false, by_slot: false };
        let point = [&[4][..], &[0x11; 64]].concat();
        let key = PublicKey::ec(P256.params, &point).unwrap();
        let facts = KeyFacts { public_key: Some(key.clone()), ..KeyFacts::default() };
        assert_eq!(key_as_asked(&facts, &spec), Ok(key));
        for (facts, reason) in [
            (KeyFacts::default(), "its public key cannot be read"),
            (KeyFacts { extractable: Some(true), ..facts.clone() }, "it can leave the device"),
            (KeyFacts { local: Some(false), ..facts.clone() }, "CKA_LOCAL is false"),
        ] {
            let reasons = key_as_asked(&facts, &spec).unwrap_err();
            assert!(reasons.len() == 1 && reasons[0].starts_with(reason), "{reasons:?}");
        }
        let other = KeySpec { kind: KeyKind::Rsa(2048), ..spec };
        assert_eq!(key_as_asked(&facts, &other), Err(vec!["it is EC P-256".to_owned()]));
    }
}
