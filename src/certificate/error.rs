//! Certificates, subjects and requests that cannot be used.

use super::Container;
use crate::error::{Exit, Explain};
use crate::signature::PublicKeyError;

/// Why bytes are not a usable certificate.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CertificateError {
    /// Malformed DER.
    #[error("the certificate's DER is malformed: {0}")]
    Der(String),
    /// A public key that cannot be used.
    #[error("the certificate's public key: {0}")]
    Key(#[from] PublicKeyError),
    /// Certificates in another form.
    #[error("it is {0}, not a certificate in PEM or DER")]
    Container(Container),
    /// No PEM block of a certificate.
    #[error("it holds no certificate (-----BEGIN CERTIFICATE-----)")]
    NoPem,
    /// It is PEM, but of something else.
    #[error("it holds a {found}, not a certificate")]
    OtherPem {
        /// The PEM label, as `CERTIFICATE REQUEST`.
        found: String,
    },
    /// It is PEM of OpenSSL's own kind.
    #[error("it holds a TRUSTED CERTIFICATE, which only OpenSSL reads")]
    TrustedPem,
}

impl Explain for CertificateError {
    fn exit(&self) -> Exit {
        Exit::Malformed
    }

    fn hint(&self) -> Option<String> {
        match self {
            CertificateError::OtherPem { found } if found.contains("REQUEST") => {
                Some("this is the request; give the certificate that the CA issued for it".into())
            }
            CertificateError::Container(container) => {
                Some(format!("take them out of it: {}", container.cure()))
            }
            CertificateError::TrustedPem => Some("convert it: openssl x509 -in FILE -out NEW-FILE".into()),
            _ => Some("a certificate as PEM or DER is required: openssl x509 -in FILE -text shows it".into()),
        }
    }
}

/// Something that cannot be written as DER or PEM, because it is larger than 256 MiB.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what} cannot be encoded: {reason}")]
pub struct EncodeError {
    /// What it is.
    pub what: &'static str,
    /// Why.
    pub reason: String,
}

impl EncodeError {
    pub(super) fn of(what: &'static str) -> impl Fn(der::Error) -> Self {
        move |error| EncodeError { what, reason: error.to_string() }
    }
}

impl Explain for EncodeError {
    fn exit(&self) -> Exit {
        Exit::Other
    }
}

/// A subject that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SubjectError {
    /// One part does not parse.
    #[error("{part:?} in the subject {subject:?} cannot be read")]
    Part {
        /// The whole subject.
        subject: String,
        /// The part.
        part: String,
    },
    /// An attribute's value is not what X.509 allows for it.
    #[error("{part:?} in the subject {subject:?}: {reason}")]
    Value {
        /// The whole subject.
        subject: String,
        /// The part.
        part: String,
        /// Why.
        reason: String,
    },
    /// An attribute that is not known here.
    #[error("{attribute:?} in the subject {subject:?} is not a known attribute")]
    Unknown {
        /// The whole subject.
        subject: String,
        /// The attribute.
        attribute: String,
    },
    /// An empty subject, and no other name either.
    #[error("the subject is empty")]
    Empty,
    /// An empty subject in a self-signed certificate.
    #[error("the subject is empty, and the issuer of a self-signed certificate is its subject")]
    EmptyIssuer,
}

impl Explain for SubjectError {
    fn exit(&self) -> Exit {
        Exit::Usage
    }

    fn hint(&self) -> Option<String> {
        let hint = match self {
            SubjectError::Unknown { .. } => {
                "known are CN, O, OU, L, ST, C, STREET, DC, UID, serialNumber, title and emailAddress; any other is written by \
                 its OID, as in 2.5.4.12=Officer"
            }
            SubjectError::Empty => {
                "write it as RFC 4514 does, in quotes: 'CN=server1,O=Example,C=US'; only with --dns, --ip, --email, --uri or \
                 --upn it can be left out"
            }
            SubjectError::EmptyIssuer => "name it: --subject CN=server1",
            _ => {
                "write it as RFC 4514 does, in quotes: 'CN=server1,O=Example,L=Boston,ST=MA,C=US'; \
                 a comma in a value is written \\,"
            }
        };
        Some(hint.into())
    }
}
