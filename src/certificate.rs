//! X.509 certificates as far as a signer needs them: whose key it is, whose name, until when. Pure.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use der::{Decode, Encode};
use x509_cert::Certificate as X509;

use crate::signature::{PublicKey, PublicKeyError};

/// A parsed certificate.
#[derive(Clone, Debug)]
pub struct Certificate {
    der: Vec<u8>,
    subject: String,
    not_after: Duration,
    public_key: PublicKey,
}

/// Why bytes are no usable certificate.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CertificateError {
    /// Malformed DER.
    #[error("the certificate's DER is malformed: {0}")]
    Der(String),
    /// A public key that cannot be used.
    #[error("the certificate's public key: {0}")]
    Key(#[from] PublicKeyError),
}

impl Certificate {
    /// Reads a DER certificate (RFC 5280 section 4.1), as CKA_VALUE holds it.
    ///
    /// # Errors
    /// [`CertificateError`] says what is malformed.
    pub fn from_der(der: &[u8]) -> Result<Self, CertificateError> {
        let malformed = |error: der::Error| CertificateError::Der(error.to_string());
        let x509 = X509::from_der(der).map_err(malformed)?;
        let tbs = x509.tbs_certificate();
        let spki = tbs.subject_public_key_info().to_der().map_err(malformed)?;
        Ok(Certificate {
            der: der.to_owned(),
            subject: tbs.subject().to_string(),
            not_after: tbs.validity().not_after.to_unix_duration(),
            public_key: PublicKey::from_spki_der(&spki)?,
        })
    }

    /// The DER that it was read from.
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// The subject in the form of RFC 4514, as `CN=server1-demo,O=Example`.
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// The public key that it certifies.
    pub fn public_key(&self) -> &PublicKey {
        &self.public_key
    }

    /// The last moment at which it is valid.
    pub fn not_after(&self) -> SystemTime {
        UNIX_EPOCH + self.not_after
    }

    /// The day on which it ends, `YYYY-MM-DD` in UTC.
    pub fn last_day(&self) -> String {
        der::DateTime::from_unix_duration(self.not_after)
            .map(|time| format!("{:04}-{:02}-{:02}", time.year(), time.month(), time.day()))
            .unwrap_or_default()
    }
}
