//! Certificates, subjects and requests that cannot be used.

use crate::error::{Exit, Explain};
use crate::signature::PublicKeyError;

/// Why bytes are no usable certificate.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CertificateError {
    /// Malformed DER.
    #[error("the certificate's DER is malformed: {0}")]
    Der(String),
    /// A public key that cannot be used.
    #[error("the certificate's public key: {0}")]
    Key(#[from] PublicKeyError),
    /// No PEM block of a certificate.
    #[error("it holds no certificate (-----BEGIN CERTIFICATE-----)")]
    NoPem,
    /// It is PEM, but of something else.
    #[error("it holds a {found} and no certificate")]
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
                Some("this is the request; what the CA made of it is wanted".into())
            }
            CertificateError::TrustedPem => {
                Some("make a certificate of it: openssl x509 -in FILE -out NEW-FILE".into())
            }
            _ => Some("a certificate is wanted, as PEM or DER: openssl x509 -in FILE -text shows it".into()),
        }
    }
}

/// Something that cannot be written as DER or PEM: only what is larger than 256 MiB.
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
        reason: &'static str,
    },
    /// Nothing.
    #[error("the subject is empty")]
    Empty,
    /// A DNS name that is none.
    #[error("{0:?} is no DNS name")]
    DnsName(String),
}

impl Explain for SubjectError {
    fn exit(&self) -> Exit {
        Exit::Usage
    }

    fn hint(&self) -> Option<String> {
        let hint = match self {
            SubjectError::DnsName(_) => "letters, digits, hyphens and dots, as in server1.example.com",
            _ => {
                "write it as RFC 4514 does, in quotes: 'CN=server1,O=Example,L=Boston,ST=MA,C=US'; \
                 a comma in a value is written \\,"
            }
        };
        Some(hint.into())
    }
}
