//! X.509 certificates: reading them, finding the one that belongs to a key, chains, requests for new ones.
//! Pure.

mod alternative_name;
mod attestation;
mod chain;
mod constraints;
mod container;
mod error;
mod fitness;
mod identity;
mod pem;
mod policy;
mod request;
mod statement;
mod subject;

pub use alternative_name::{AlternativeName, AlternativeNameError, AlternativeNames, NameKind};
pub use attestation::{Attestation, AttestationError};
pub use chain::{chain_at_any_time, chain_of};
pub use container::Container;
pub use error::{CertificateError, EncodeError, SubjectError};
pub use fitness::{Downgrade, Flaw};
pub use identity::{attestation_of, identity_of};
pub use pem::{certificates_from_pem, certificates_to_pem};
pub use policy::{FormFactor, PinPolicy, TouchPolicy};
pub use request::{CertificateRequest, ToBeSigned, Validity};
pub use subject::Subject;

use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

use der::asn1::ObjectIdentifier;
use der::{Decode, Encode, Header, Reader, SliceReader};
use num_bigint::BigInt;
use x509_cert::Certificate as X509;
use x509_cert::time::Time;

use crate::signature::{Hash, Payload, PublicKey, Verifier};

/// A parsed certificate.
#[derive(Clone, PartialEq, Eq)]
pub struct Certificate {
    der: Vec<u8>,
    x509: X509,
    public_key: PublicKey,
}

impl Certificate {
    /// Reads a DER certificate (RFC 5280 section 4.1), as CKA_VALUE holds it.
    ///
    /// # Errors
    /// [`CertificateError`] says what is malformed.
    pub fn from_der(der: &[u8]) -> Result<Self, CertificateError> {
        let malformed = |error: der::Error| CertificateError::Der(error.to_string());
        let x509 = X509::from_der(der).map_err(malformed)?;
        let spki = x509.tbs_certificate().subject_public_key_info().to_der().map_err(malformed)?;
        let public_key = PublicKey::from_spki_der(&spki)?;
        Ok(Certificate { der: der.to_owned(), x509, public_key })
    }

    /// The DER that it was read from.
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// The subject in the form of RFC 4514, as `CN=server1-demo,O=Example`.
    pub fn subject(&self) -> String {
        self.x509.tbs_certificate().subject().to_string()
    }

    /// The issuer in the form of RFC 4514.
    pub fn issuer(&self) -> String {
        self.x509.tbs_certificate().issuer().to_string()
    }

    /// The subject in DER, as CKA_SUBJECT holds it.
    ///
    /// # Errors
    /// [`EncodeError`].
    pub fn subject_der(&self) -> Result<Vec<u8>, EncodeError> {
        self.x509.tbs_certificate().subject().to_der().map_err(EncodeError::of("the subject"))
    }

    /// The issuer in DER, as CKA_ISSUER holds it.
    ///
    /// # Errors
    /// [`EncodeError`].
    pub fn issuer_der(&self) -> Result<Vec<u8>, EncodeError> {
        self.x509.tbs_certificate().issuer().to_der().map_err(EncodeError::of("the issuer"))
    }

    /// The serial number as a DER INTEGER, as CKA_SERIAL_NUMBER holds it.
    ///
    /// # Errors
    /// [`EncodeError`].
    pub fn serial_der(&self) -> Result<Vec<u8>, EncodeError> {
        self.x509.tbs_certificate().serial_number().to_der().map_err(EncodeError::of("the serial number"))
    }

    /// The serial number in decimal digits: up to 49 for the 20 bytes that RFC 5280 allows. It forbids negative ones, which
    /// some CAs issue nonetheless.
    pub fn serial_decimal(&self) -> String {
        self.serial().to_string()
    }

    /// The serial number in lower-case hexadecimal.
    pub fn serial_hex(&self) -> String {
        format!("{:x}", self.serial())
    }

    fn serial(&self) -> BigInt {
        BigInt::from_signed_bytes_be(self.x509.tbs_certificate().serial_number().as_bytes())
    }

    /// The subject's CN, if it has one that is text.
    pub fn common_name(&self) -> Option<String> {
        let name = self.x509.tbs_certificate().subject().common_name().ok().flatten()?;
        Some(name.value().into_owned())
    }

    /// The public key that it certifies.
    pub fn public_key(&self) -> &PublicKey {
        &self.public_key
    }

    /// The first moment at which it is valid.
    pub fn not_before(&self) -> SystemTime {
        UNIX_EPOCH + self.x509.tbs_certificate().validity().not_before.to_unix_duration()
    }

    /// The last moment at which it is valid.
    pub fn not_after(&self) -> SystemTime {
        UNIX_EPOCH + self.x509.tbs_certificate().validity().not_after.to_unix_duration()
    }

    /// Whether `now` is within its validity.
    pub fn is_valid_at(&self, now: SystemTime) -> bool {
        self.not_before() <= now && now <= self.not_after()
    }

    /// The last day of its validity, `YYYY-MM-DD` in UTC.
    pub fn last_day(&self) -> String {
        day(self.x509.tbs_certificate().validity().not_after)
    }

    /// The first day of its validity, `YYYY-MM-DD` in UTC.
    pub fn first_day(&self) -> String {
        day(self.x509.tbs_certificate().validity().not_before)
    }

    /// Whether the subject is empty.
    pub fn has_empty_subject(&self) -> bool {
        self.x509.tbs_certificate().subject().is_empty()
    }

    /// Whether a YubiKey or a YubiHSM wrote it to prove where a key is. It is not an identity, although it
    /// holds the key's public key.
    pub fn is_attestation(&self) -> bool {
        statement::is_yubicos(self)
    }

    /// Whether it is the placeholder that ykcs11 puts into a slot beside a key that it generated: signed by
    /// nobody, and expired at once.
    pub fn is_placeholder(&self) -> bool {
        self.subject().starts_with("CN=YubiKey PIV Slot ")
            && self.is_self_issued()
            && !self.is_signed_by(self)
    }

    /// Whether subject and issuer are the same.
    pub fn is_self_issued(&self) -> bool {
        let tbs = self.x509.tbs_certificate();
        tbs.subject() == tbs.issuer()
    }

    /// The hash of its signature; none for an unsupported algorithm (SHA-1, RSASSA-PSS, Ed25519).
    pub fn signature_hash(&self) -> Option<Hash> {
        signature_hash(self.x509.signature_algorithm().oid)
    }

    /// Whether `issuer` is named as its issuer and signed it (RFC 5280 section 4.1.1.3).
    pub fn is_signed_by(&self, issuer: &Certificate) -> bool {
        self.names_as_issuer(issuer) && self.has_signature_of(issuer)
    }

    fn names_as_issuer(&self, issuer: &Certificate) -> bool {
        self.x509.tbs_certificate().issuer() == issuer.x509.tbs_certificate().subject()
    }

    fn has_signature_of(&self, issuer: &Certificate) -> bool {
        // RFC 5280 section 4.1.1.2. Only the inner one is signed.
        if self.x509.signature_algorithm() != self.x509.tbs_certificate().signature() {
            return false;
        }
        let Some(hash) = self.signature_hash() else { return false };
        let Some(signature) = self.x509.signature().as_bytes() else { return false };
        let Ok(signed) = self.signed_bytes() else { return false };
        let payload = Payload::Message { hash, bytes: signed.to_owned() };
        Verifier::new(&issuer.public_key).is_ok_and(|verifier| verifier.verify(&payload, signature).is_ok())
    }

    /// The tbsCertificate as it was read. Encoded again it may differ, where the issuer wrote out a default
    /// value.
    fn signed_bytes(&self) -> der::Result<&[u8]> {
        let mut reader = SliceReader::new(&self.der)?;
        Header::decode(&mut reader)?;
        reader.tlv_bytes()
    }
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Certificate({}, {:?})", self.subject(), self.public_key)
    }
}

/// The algorithms of RFC 4055 and RFC 5758 that are supported.
fn signature_hash(algorithm: ObjectIdentifier) -> Option<Hash> {
    match algorithm.to_string().as_str() {
        "1.2.840.113549.1.1.11" | "1.2.840.10045.4.3.2" => Some(Hash::Sha256),
        "1.2.840.113549.1.1.12" | "1.2.840.10045.4.3.3" => Some(Hash::Sha384),
        "1.2.840.113549.1.1.13" | "1.2.840.10045.4.3.4" => Some(Hash::Sha512),
        _ => None,
    }
}

fn day(time: Time) -> String {
    let time = time.to_date_time();
    format!("{:04}-{:02}-{:02}", time.year(), time.month(), time.day())
}

#[cfg(test)]
mod tests;
