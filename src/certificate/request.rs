//! What is signed to get a certificate: a request for a CA (PKCS#10, RFC 2986), or a self-signed certificate.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use der::asn1::{BitString, GeneralizedTime, Int, ObjectIdentifier, OctetString, UtcTime};
use der::{Any, Decode, Encode, Sequence};
use spki::{AlgorithmIdentifierOwned, SubjectPublicKeyInfoOwned};
use x509_cert::attr::Attribute;
use x509_cert::ext::Extension;
use x509_cert::ext::pkix::{
    AuthorityKeyIdentifier, BasicConstraints, ExtendedKeyUsage, KeyUsage, KeyUsages, SubjectAltName,
    SubjectKeyIdentifier,
};
use x509_cert::name::Name;
use x509_cert::request::{CertReqInfo, Version};
use x509_cert::time::Time;

use super::{AlternativeNames, EncodeError, Subject, SubjectError, pem};
use crate::error::Error;
use crate::signature::{Hash, KeyNumbers, Payload, PublicKey};

const EXTENSION_REQUEST: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.14");
const SUBJECT_KEY_IDENTIFIER: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.14");
const KEY_USAGE: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.15");
const AUTHORITY_KEY_IDENTIFIER: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.35");
const EXTENDED_KEY_USAGE: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.37");
const SUBJECT_ALT_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.17");
const BASIC_CONSTRAINTS: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.19");
const CLIENT_AUTH: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.2");
/// RFC 5280 section 4.1.2.5: years from here on are written as GeneralizedTime.
const YEAR_2050: Duration = Duration::from_secs(2_524_608_000);

/// What a certificate should say.
#[derive(Clone, Debug)]
pub struct CertificateRequest {
    /// The subject; empty only where there are names.
    pub subject: Subject,
    /// Names for subjectAltName.
    pub names: AlternativeNames,
    /// Whether extendedKeyUsage should have clientAuth.
    pub client_auth: bool,
}

/// How long a self-signed certificate is valid.
#[derive(Clone, Copy, Debug)]
pub struct Validity {
    /// Its first moment.
    pub from: SystemTime,
    /// The number of days from then on.
    pub days: u32,
}

/// A message to be signed; with the signature it becomes a PEM file.
#[derive(Clone, Debug)]
pub struct ToBeSigned {
    label: &'static str,
    body: Vec<u8>,
    algorithm: AlgorithmIdentifierOwned,
    hash: Hash,
}

impl CertificateRequest {
    /// The request for a CA, with keyUsage digitalSignature as an extension request (RFC 2985 section 5.4.2).
    ///
    /// # Errors
    /// [`SubjectError::Empty`], [`EncodeError`].
    pub fn for_ca(&self, key: &PublicKey) -> Result<ToBeSigned, Error> {
        self.check()?;
        let extensions = self.extensions()?;
        let encode = || -> der::Result<Vec<u8>> {
            let mut attribute = Attribute { oid: EXTENSION_REQUEST, values: Default::default() };
            attribute.values.insert(Any::encode_from(&extensions)?)?;
            let mut attributes = x509_cert::attr::Attributes::default();
            attributes.insert(attribute)?;
            let info = CertReqInfo {
                version: Version::V1,
                subject: self.subject.0.clone(),
                public_key: SubjectPublicKeyInfoOwned::from_der(key.spki_der())?,
                attributes,
            };
            info.to_der()
        };
        Ok(ToBeSigned::new("CERTIFICATE REQUEST", encode, key)?)
    }

    /// A certificate that this key itself signs. `serial` is random.
    ///
    /// # Errors
    /// [`SubjectError::EmptyIssuer`], [`EncodeError`].
    pub fn self_signed(
        &self,
        key: &PublicKey,
        validity: Validity,
        serial: [u8; 16],
    ) -> Result<ToBeSigned, Error> {
        self.check_self_signed()?;
        let mut extensions = self.extensions()?;
        let encode = || -> der::Result<Vec<u8>> {
            let constraints = BasicConstraints { ca: false, path_len_constraint: None };
            extensions.push(extension(BASIC_CONSTRAINTS, true, &constraints)?);
            let id = key_identifier(key)?;
            let above = AuthorityKeyIdentifier { key_identifier: Some(id.clone()), ..Default::default() };
            extensions.push(extension(SUBJECT_KEY_IDENTIFIER, false, &SubjectKeyIdentifier(id))?);
            extensions.push(extension(AUTHORITY_KEY_IDENTIFIER, false, &above)?);
            // Positive and not zero.
            let mut positive = serial;
            positive[0] = positive[0] & 0x7f | 0x40;
            let tbs = TbsCertificate {
                version: 2,
                serial: Int::new(&positive)?,
                signature: algorithm(key).0,
                issuer: self.subject.0.clone(),
                validity: validity.encode()?,
                subject: self.subject.0.clone(),
                public_key: SubjectPublicKeyInfoOwned::from_der(key.spki_der())?,
                extensions: extensions.clone(),
            };
            tbs.to_der()
        };
        Ok(ToBeSigned::new("CERTIFICATE", encode, key)?)
    }

    /// Checks that it says whom it is for: by its subject, or by a name.
    ///
    /// # Errors
    /// [`SubjectError::Empty`].
    pub fn check(&self) -> Result<(), SubjectError> {
        if self.subject.is_empty() && self.names.is_empty() { Err(SubjectError::Empty) } else { Ok(()) }
    }

    /// The same for a self-signed certificate: its subject is also its issuer, which must not be empty (RFC
    /// 5280 section 4.1.2.4).
    ///
    /// # Errors
    /// [`SubjectError::Empty`], [`SubjectError::EmptyIssuer`].
    pub fn check_self_signed(&self) -> Result<(), SubjectError> {
        self.check()?;
        if self.subject.is_empty() { Err(SubjectError::EmptyIssuer) } else { Ok(()) }
    }

    fn extensions(&self) -> Result<Vec<Extension>, EncodeError> {
        let encode = || -> der::Result<Vec<Extension>> {
            let usage = KeyUsage(KeyUsages::DigitalSignature.into());
            let mut extensions = vec![extension(KEY_USAGE, true, &usage)?];
            if self.client_auth {
                extensions.push(extension(EXTENDED_KEY_USAGE, false, &ExtendedKeyUsage(vec![CLIENT_AUTH]))?);
            }
            if !self.names.is_empty() {
                // RFC 5280 section 4.2.1.6.
                let is_critical = self.subject.is_empty();
                let names = SubjectAltName(self.names.encoded());
                extensions.push(extension(SUBJECT_ALT_NAME, is_critical, &names)?);
            }
            Ok(extensions)
        };
        encode().map_err(EncodeError::of("the extensions"))
    }
}

impl ToBeSigned {
    fn new(
        label: &'static str,
        encode: impl FnOnce() -> der::Result<Vec<u8>>,
        key: &PublicKey,
    ) -> Result<Self, EncodeError> {
        let (algorithm, hash) = algorithm(key);
        let body = encode().map_err(EncodeError::of(label))?;
        Ok(ToBeSigned { label, body, algorithm, hash })
    }

    /// What is to be signed.
    pub fn payload(&self) -> Payload {
        Payload::Message { hash: self.hash, bytes: self.body.clone() }
    }

    /// The DER with its signature, which must be one over [`ToBeSigned::payload`].
    ///
    /// # Errors
    /// [`EncodeError`].
    pub fn der(&self, signature: &[u8]) -> Result<Vec<u8>, EncodeError> {
        let encode = || -> der::Result<Vec<u8>> {
            let body = Any::from_der(&self.body)?;
            let signature = BitString::from_bytes(signature)?;
            Signed { body, algorithm: self.algorithm.clone(), signature }.to_der()
        };
        encode().map_err(EncodeError::of(self.label))
    }

    /// The same in PEM.
    ///
    /// # Errors
    /// [`EncodeError`].
    pub fn pem(&self, signature: &[u8]) -> Result<String, EncodeError> {
        pem::block(self.label, &self.der(signature)?)
    }
}

impl Validity {
    fn encode(self) -> der::Result<Any> {
        #[derive(Sequence)]
        struct Period {
            from: Time,
            until: Time,
        }
        let moment = |time: SystemTime| -> der::Result<Time> {
            let time = time.duration_since(UNIX_EPOCH).unwrap_or_default();
            Ok(if time < YEAR_2050 {
                Time::UtcTime(UtcTime::from_unix_duration(time)?)
            } else {
                Time::GeneralTime(GeneralizedTime::from_unix_duration(time)?)
            })
        };
        let until = self.from + Duration::from_secs(u64::from(self.days) * 86_400);
        Any::encode_from(&Period { from: moment(self.from)?, until: moment(until)? })
    }
}

/// RFC 5280 section 4.1.2.
#[derive(Sequence)]
struct TbsCertificate {
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT")]
    version: u8,
    serial: Int,
    signature: AlgorithmIdentifierOwned,
    issuer: Name,
    validity: Any,
    subject: Name,
    public_key: SubjectPublicKeyInfoOwned,
    #[asn1(context_specific = "3", tag_mode = "EXPLICIT")]
    extensions: Vec<Extension>,
}

/// RFC 2986 section 4.2, and RFC 5280 section 4.1.
#[derive(Sequence)]
struct Signed {
    body: Any,
    algorithm: AlgorithmIdentifierOwned,
    signature: BitString,
}

fn extension(id: ObjectIdentifier, critical: bool, value: &impl Encode) -> der::Result<Extension> {
    Ok(Extension { extn_id: id, critical, extn_value: OctetString::new(value.to_der()?)? })
}

/// How certificates name the key: 160 bits of its SHA-256 (RFC 7093 section 2, method 1).
fn key_identifier(key: &PublicKey) -> der::Result<OctetString> {
    let spki = SubjectPublicKeyInfoOwned::from_der(key.spki_der())?;
    OctetString::new(&Hash::Sha256.digest(spki.subject_public_key.raw_bytes())[..20])
}

/// The signature algorithm that fits the key (RFC 4055 section 5, RFC 5758 section 3.2).
fn algorithm(key: &PublicKey) -> (AlgorithmIdentifierOwned, Hash) {
    let (oid, hash) = match key.numbers() {
        KeyNumbers::Rsa { .. } => ("1.2.840.113549.1.1.11", Hash::Sha256),
        KeyNumbers::Ec { .. } if key.bits() <= 256 => ("1.2.840.10045.4.3.2", Hash::Sha256),
        KeyNumbers::Ec { .. } if key.bits() <= 384 => ("1.2.840.10045.4.3.3", Hash::Sha384),
        KeyNumbers::Ec { .. } => ("1.2.840.10045.4.3.4", Hash::Sha512),
    };
    let parameters = key.is_rsa().then(Any::null);
    (AlgorithmIdentifierOwned { oid: ObjectIdentifier::new_unwrap(oid), parameters }, hash)
}
