//! Certificates in PEM (RFC 7468 section 5).

use der::pem::{self, LineEnding};

use super::{Certificate, CertificateError, Container, EncodeError};
use crate::pem::{blocks, text as pem_text};

const LABEL: &str = "CERTIFICATE";
/// The old label, which openssl still reads.
const OLD_LABEL: &str = "X509 CERTIFICATE";
/// OpenSSL's own form: a certificate, followed by what it is trusted for.
const TRUSTED: &str = "TRUSTED CERTIFICATE";

/// All certificates of a PEM file in their order, or the one in a DER file. Text between the blocks does not
/// count (RFC 7468 section 2), and neither does the length of the lines.
///
/// # Errors
/// [`CertificateError`]: no certificate is in it, or one of them is malformed.
pub fn certificates_from_pem(bytes: &[u8]) -> Result<Vec<Certificate>, CertificateError> {
    let text = pem_text(bytes);
    if let Some(container) = Container::of(bytes).or_else(|| Container::of(text.as_bytes())) {
        return Err(CertificateError::Container(container));
    }
    // A SEQUENCE whose length takes more than one byte. No text begins like that.
    if matches!(bytes, [0x30, 0x81..=0x84, ..]) {
        return Ok(vec![Certificate::from_der(bytes)?]);
    }
    let mut certificates = Vec::new();
    let mut other = None;
    for (index, block) in blocks(&text).enumerate() {
        let malformed =
            |reason: &str| CertificateError::Der(format!("its PEM block {}: {reason}", index + 1));
        match block.label.ok_or_else(|| malformed("its first line has no end"))? {
            LABEL | OLD_LABEL => {
                let der = block.der.ok_or_else(|| malformed("no base64 up to its last line"))?;
                certificates.push(Certificate::from_der(&der)?);
            }
            TRUSTED => return Err(CertificateError::TrustedPem),
            label => {
                other.get_or_insert_with(|| label.to_owned());
            }
        }
    }
    match other {
        _ if !certificates.is_empty() => Ok(certificates),
        Some(found) if found == "PKCS7" || found == "CMS" => {
            Err(CertificateError::Container(Container::Pkcs7Pem))
        }
        Some(found) => Err(CertificateError::OtherPem { found }),
        None => Err(CertificateError::NoPem),
    }
}

/// The certificates in PEM, one after the other.
///
/// # Errors
/// [`EncodeError`].
pub fn certificates_to_pem<'a>(
    certificates: impl IntoIterator<Item = &'a Certificate>,
) -> Result<String, EncodeError> {
    let encode = |certificate: &Certificate| block(LABEL, certificate.der());
    certificates.into_iter().map(encode).collect()
}

/// DER in PEM.
pub(super) fn block(label: &'static str, der: &[u8]) -> Result<String, EncodeError> {
    let encoded = pem::encode_string(label, LineEnding::LF, der);
    encoded.map_err(|error| EncodeError { what: label, reason: error.to_string() })
}
