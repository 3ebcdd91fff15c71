//! Reading keys and certificates from a device. An attribute that a module does not return is unknown, never
//! false.

use cryptoki::object::{Attribute, AttributeType, KeyType, ObjectClass, ObjectHandle};

use super::call::CallError;
use super::key_facts::KeyFacts;
use super::session::Session;
use crate::certificate::{Certificate, CertificateError, TouchPolicy};
use crate::signature::{PublicKey, PublicKeyError};
use crate::uri::{self, ObjectType, Uri};

/// A private key with its handle. The handle is valid as long as the session.
#[derive(Clone, Debug)]
pub(super) struct PrivateKey {
    pub(super) handle: ObjectHandle,
    pub(super) facts: KeyFacts,
}

/// A public key object.
#[derive(Clone, Debug)]
pub(super) struct PublicKeyObject {
    pub(super) label: Option<Vec<u8>>,
    pub(super) id: Option<Vec<u8>>,
    pub(super) key: Option<PublicKey>,
    /// As [`KeyFacts::other_kind`].
    pub(super) other_kind: Option<String>,
}

/// What a key's public half says about it.
impl From<PublicKeyObject> for KeyFacts {
    fn from(object: PublicKeyObject) -> Self {
        let PublicKeyObject { label, id, key: public_key, other_kind } = object;
        KeyFacts { label, id, public_key, other_kind, ..KeyFacts::default() }
    }
}

/// A certificate object. One that cannot be parsed is kept, so that it hides nothing else.
#[derive(Clone, Debug)]
pub(super) struct CertificateObject {
    pub(super) handle: ObjectHandle,
    pub(super) label: Option<Vec<u8>>,
    pub(super) id: Option<Vec<u8>>,
    pub(super) certificate: Result<Certificate, CertificateError>,
}

/// The private keys that are visible in the session and whose id and label match `uri`. Missing public keys
/// are taken from public key objects and certificates with the same id or, without an id, from the only one
/// with the same label.
pub(super) fn private_keys(session: &Session, uri: &Uri) -> Result<Vec<PrivateKey>, CallError> {
    let mut keys = Vec::new();
    for handle in find(session, ObjectClass::PRIVATE_KEY, uri)? {
        let facts = private_key_facts(session, handle);
        if fits(uri, ObjectType::Private, facts.label.as_deref(), facts.id.as_deref()) {
            keys.push(PrivateKey { handle, facts });
        }
    }
    // Some modules change the order of objects from run to run.
    keys.sort_by(|a, b| (&a.facts.id, &a.facts.label).cmp(&(&b.facts.id, &b.facts.label)));
    for at in 0..keys.len() {
        let facts = &keys[at].facts;
        let (id, label) = (facts.id.clone().unwrap_or_default(), facts.label.clone().unwrap_or_default());
        let shares_label = |other: &PrivateKey| other.facts.label.as_ref() == Some(&label);
        let public_key = if facts.public_key.is_some() {
            continue;
        } else if !id.is_empty() {
            let of_id = Uri { id: Some(id), ..Uri::default() };
            let public_key = public_key_of(session, &of_id, false)?;
            if public_key.is_none() && facts.other_kind.is_none() {
                keys[at].facts.other_kind = other_kind_certified(session, &of_id)?;
            }
            public_key
        } else if !label.is_empty() && keys.iter().filter(|other| shares_label(other)).count() == 1 {
            public_key_of(session, &Uri { object: Some(label), ..Uri::default() }, true)?
        } else {
            None
        };
        keys[at].facts.public_key = public_key;
    }
    Ok(keys)
}

/// The public key of the public key object, or otherwise the certificate, that `name` names; if `only`, there
/// must be just one.
fn public_key_of(session: &Session, name: &Uri, only: bool) -> Result<Option<PublicKey>, CallError> {
    let the_one = |mut found: Vec<PublicKey>| {
        found.dedup();
        (!only || found.len() == 1).then(|| found.into_iter().next()).flatten()
    };
    let objects = public_keys(session, name)?.into_iter().filter_map(|public| public.key).collect::<Vec<_>>();
    if !objects.is_empty() {
        return Ok(the_one(objects));
    }
    let certified = certificates(session, name)?.into_iter().filter_map(|found| found.certificate.ok());
    Ok(the_one(certified.map(|certificate| certificate.public_key().clone()).collect()))
}

/// The kind of key that the certificate named by `name` is for, if it is not supported.
fn other_kind_certified(session: &Session, name: &Uri) -> Result<Option<String>, CallError> {
    Ok(certificates(session, name)?.into_iter().find_map(|found| match found.certificate {
        Err(CertificateError::Key(PublicKeyError::Algorithm(name))) => Some(name),
        _ => None,
    }))
}

/// The public key objects whose id and label match `uri`.
pub(super) fn public_keys(session: &Session, uri: &Uri) -> Result<Vec<PublicKeyObject>, CallError> {
    let mut keys = Vec::new();
    for handle in find(session, ObjectClass::PUBLIC_KEY, uri)? {
        let (label, id) = label_and_id(session, handle);
        if fits(uri, ObjectType::Public, label.as_deref(), id.as_deref()) {
            let (key, other_kind) = (public_key(session, handle), other_kind(session, handle));
            keys.push(PublicKeyObject { label, id, key, other_kind });
        }
    }
    keys.sort_by(|a, b| (&a.id, &a.label).cmp(&(&b.id, &b.label)));
    Ok(keys)
}

/// The X.509 certificates whose id and label match `uri`.
pub(super) fn certificates(session: &Session, uri: &Uri) -> Result<Vec<CertificateObject>, CallError> {
    certificates_of(session, &find(session, ObjectClass::CERTIFICATE, uri)?, uri)
}

/// Includes certificates that the module creates on demand: ykcs11 shows a YubiKey's attestations as session
/// objects.
pub(super) fn certificates_and_attestations(session: &Session) -> Result<Vec<CertificateObject>, CallError> {
    let handles = session.find(&[Attribute::Class(ObjectClass::CERTIFICATE)])?;
    certificates_of(session, &handles, &Uri::default())
}

/// Whether the session shows any key or certificate.
pub(super) fn any(session: &Session) -> Result<bool, CallError> {
    for class in [ObjectClass::CERTIFICATE, ObjectClass::PUBLIC_KEY, ObjectClass::PRIVATE_KEY] {
        if !find(session, class, &Uri::default())?.is_empty() {
            return Ok(true);
        }
    }
    Ok(false)
}

fn certificates_of(
    session: &Session,
    handles: &[ObjectHandle],
    uri: &Uri,
) -> Result<Vec<CertificateObject>, CallError> {
    let mut certificates = Vec::new();
    for handle in handles.iter().copied() {
        let (label, id) = label_and_id(session, handle);
        if !fits(uri, ObjectType::Certificate, label.as_deref(), id.as_deref()) {
            continue;
        }
        let value = session.attributes(handle, &[AttributeType::Value]).into_iter().find_map(|attribute| {
            match attribute {
                Attribute::Value(der) => Some(der),
                _ => None,
            }
        });
        let certificate = Certificate::from_der(&value.unwrap_or_default());
        certificates.push(CertificateObject { handle, label, id, certificate });
    }
    Ok(certificates)
}

/// Searches for the exact class, id and label, since some modules (CloudHSM's) are slow at any wider search.
/// The search ends before any attribute is read: modules allow one search at a time.
fn find(session: &Session, class: ObjectClass, uri: &Uri) -> Result<Vec<ObjectHandle>, CallError> {
    let mut template = vec![Attribute::Class(class), Attribute::Token(true)];
    template.extend(uri.id.clone().map(Attribute::Id));
    template.extend(uri.object.clone().map(Attribute::Label));
    session.find(&template)
}

/// The caller has decided on the type. Id and label are compared again because modules differ in how they
/// match an empty attribute.
fn fits(uri: &Uri, object_type: ObjectType, label: Option<&[u8]>, id: Option<&[u8]>) -> bool {
    let untyped = Uri { object_type: None, ..uri.clone() };
    untyped.matches_object(&uri::Object { object_type, label, id })
}

/// CKA_LABEL and CKA_ID, if the module returns them.
pub(super) fn label_and_id(session: &Session, handle: ObjectHandle) -> (Option<Vec<u8>>, Option<Vec<u8>>) {
    let (mut label, mut id) = (None, None);
    for attribute in session.attributes(handle, &[AttributeType::Label, AttributeType::Id]) {
        match attribute {
            Attribute::Label(value) => label = Some(value),
            Attribute::Id(value) => id = Some(value),
            _ => {}
        }
    }
    (label, id)
}

pub(super) fn private_key_facts(session: &Session, handle: ObjectHandle) -> KeyFacts {
    let (label, id) = label_and_id(session, handle);
    let (public_key, other_kind) = (public_key(session, handle), other_kind(session, handle));
    let mut facts = KeyFacts { label, id, public_key, other_kind, ..KeyFacts::default() };
    let wanted = [
        AttributeType::Sign,
        AttributeType::Sensitive,
        AttributeType::Extractable,
        AttributeType::AlwaysSensitive,
        AttributeType::NeverExtractable,
        AttributeType::Local,
        AttributeType::AlwaysAuthenticate,
    ];
    for attribute in session.attributes(handle, &wanted) {
        match attribute {
            Attribute::Sign(value) => facts.sign = Some(value),
            Attribute::Sensitive(value) => facts.sensitive = Some(value),
            Attribute::Extractable(value) => facts.extractable = Some(value),
            Attribute::AlwaysSensitive(value) => facts.always_sensitive = Some(value),
            Attribute::NeverExtractable(value) => facts.never_extractable = Some(value),
            Attribute::Local(value) => facts.local = Some(value),
            Attribute::AlwaysAuthenticate(value) => facts.always_authenticate = Some(value),
            _ => {}
        }
    }
    // Requested separately: some modules refuse the whole call because of it.
    if let Some(Attribute::AllowedMechanisms(mechanisms)) =
        session.attributes(handle, &[AttributeType::AllowedMechanisms]).into_iter().next()
    {
        let names: Vec<String> = mechanisms.iter().map(ToString::to_string).collect();
        facts.allowed_mechanisms = Some(names).filter(|names| !names.is_empty());
    }
    facts
}

/// The public half from the object itself: the standard puts it into RSA private keys, and some modules into
/// EC ones.
pub(super) fn public_key(session: &Session, handle: ObjectHandle) -> Option<PublicKey> {
    let key_type = session.attributes(handle, &[AttributeType::KeyType]);
    let wanted = match key_type.first() {
        Some(Attribute::KeyType(KeyType::RSA)) => [AttributeType::Modulus, AttributeType::PublicExponent],
        Some(Attribute::KeyType(KeyType::EC)) => [AttributeType::EcParams, AttributeType::EcPoint],
        _ => return None,
    };
    let values: Vec<Vec<u8>> = session
        .attributes(handle, &wanted)
        .into_iter()
        .filter_map(|attribute| match attribute {
            Attribute::Modulus(value)
            | Attribute::PublicExponent(value)
            | Attribute::EcParams(value)
            | Attribute::EcPoint(value) => Some(value),
            _ => None,
        })
        .collect();
    let [first, second] = values.try_into().ok()?;
    if first.is_empty() || second.is_empty() {
        return None;
    }
    match key_type.first() {
        Some(Attribute::KeyType(KeyType::RSA)) => PublicKey::rsa(&first, &second).ok(),
        _ => PublicKey::ec(&first, &second).ok(),
    }
}

/// The kind of a key that is neither an RSA nor an EC key, by CKA_KEY_TYPE.
fn other_kind(session: &Session, handle: ObjectHandle) -> Option<String> {
    match session.attributes(handle, &[AttributeType::KeyType]).first() {
        Some(Attribute::KeyType(KeyType::RSA | KeyType::EC)) | None => None,
        Some(Attribute::KeyType(KeyType::EC_EDWARDS)) => {
            let parameters = session.attributes(handle, &[AttributeType::EcParams]);
            let is_25519 = |parameters: &[u8]| {
                // The curve's name (PKCS#11 v3.0 section 2.3.10), or the OID of RFC 8410.
                parameters.ends_with(b"edwards25519") || parameters.ends_with(&[0x2b, 0x65, 0x70])
            };
            Some(match parameters.first() {
                Some(Attribute::EcParams(parameters)) if is_25519(parameters) => "Ed25519".into(),
                _ => "a key on an Edwards curve".into(),
            })
        }
        Some(Attribute::KeyType(other)) => Some(other.to_string()),
        Some(_) => None,
    }
}

/// The touch policy of a YubiKey's key, from ykcs11's vendor attribute (since 2.3.0).
pub(super) fn touch_policy(session: &Session, key: &PrivateKey) -> Option<TouchPolicy> {
    const CKA_YUBICO_TOUCH_POLICY: AttributeType = AttributeType::VendorDefined(0xD955_4201);
    match session.attributes(key.handle, &[CKA_YUBICO_TOUCH_POLICY]).first() {
        Some(Attribute::VendorDefined((_, value))) => match value.as_slice() {
            [number] => Some(TouchPolicy::from_number(*number)),
            _ => None,
        },
        _ => None,
    }
}
