//! Certificates in PEM (RFC 7468 section 5).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use der::pem::{self, LineEnding};

use super::{Certificate, CertificateError, EncodeError};

const LABEL: &str = "CERTIFICATE";
/// OpenSSL's own: a certificate, and behind it what it is trusted for.
const TRUSTED: &str = "TRUSTED CERTIFICATE";
const BEGIN: &str = "-----BEGIN ";
const DASHES: &str = "-----";

/// All certificates of a PEM file, in its order, or the one that a DER file is. What stands between the blocks does not
/// count (RFC 7468 section 2), and neither does how long the lines are.
///
/// # Errors
/// [`CertificateError`]: no certificate is in it, or one of them is malformed.
pub fn certificates_from_pem(bytes: &[u8]) -> Result<Vec<Certificate>, CertificateError> {
    // A SEQUENCE whose length takes more than a byte, which no text begins with.
    if matches!(bytes, [0x30, 0x81..=0x84, ..]) {
        return Ok(vec![Certificate::from_der(bytes)?]);
    }
    // What is no text may stand between the blocks too.
    let text = String::from_utf8_lossy(bytes);
    let mut certificates = Vec::new();
    let mut other = None;
    for (index, block) in text.split(BEGIN).skip(1).enumerate() {
        let malformed =
            |reason: &str| CertificateError::Der(format!("its PEM block {}: {reason}", index + 1));
        let (label, rest) = block.split_once(DASHES).ok_or_else(|| malformed("its first line has no end"))?;
        match label {
            LABEL => {
                let der = content(label, rest).ok_or_else(|| malformed("no base64 up to its last line"))?;
                certificates.push(Certificate::from_der(&der)?);
            }
            TRUSTED => return Err(CertificateError::TrustedPem),
            _ => {
                other.get_or_insert_with(|| label.to_owned());
            }
        }
    }
    match other {
        _ if !certificates.is_empty() => Ok(certificates),
        Some(found) => Err(CertificateError::OtherPem { found }),
        None => Err(CertificateError::NoPem),
    }
}

/// The certificates in PEM, one behind the other.
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

/// What a block holds, from behind its first line on.
fn content(label: &str, block: &str) -> Option<Vec<u8>> {
    let (base64, end) = block.split_once(DASHES)?;
    end.strip_prefix("END ")?.strip_prefix(label)?.strip_prefix(DASHES)?;
    let base64: String = base64.split_ascii_whitespace().collect();
    STANDARD.decode(base64).ok()
}
