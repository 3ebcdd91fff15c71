//! Certificates in PEM (RFC 7468 section 5).

use der::pem::{self, LineEnding};

use super::{Certificate, CertificateError};

const LABEL: &str = "CERTIFICATE";
const BEGIN: &[u8] = b"-----BEGIN ";

/// All certificates of a PEM file, in its order, or the one that a DER file is. What stands between the blocks does not
/// count (RFC 7468 section 2).
///
/// # Errors
/// [`CertificateError`]: no certificate is in it, or one of them is malformed.
pub fn certificates_from_pem(bytes: &[u8]) -> Result<Vec<Certificate>, CertificateError> {
    // DER begins with a SEQUENCE, which no text does.
    if bytes.first() == Some(&0x30) {
        return Ok(vec![Certificate::from_der(bytes)?]);
    }
    let starts: Vec<usize> = (0..bytes.len()).filter(|at| bytes[*at..].starts_with(BEGIN)).collect();
    let mut certificates = Vec::new();
    let mut other = None;
    for (index, start) in starts.iter().enumerate() {
        let end = starts.get(index + 1).copied().unwrap_or(bytes.len());
        let block = until_its_end(&bytes[*start..end]);
        let (label, der) = match pem::decode_vec(block) {
            Ok(decoded) => decoded,
            Err(error) => return Err(CertificateError::Der(format!("its PEM block {}: {error}", index + 1))),
        };
        if label == LABEL {
            certificates.push(Certificate::from_der(&der)?);
        } else {
            other.get_or_insert_with(|| label.to_owned());
        }
    }
    match other {
        _ if !certificates.is_empty() => Ok(certificates),
        Some(found) => Err(CertificateError::OtherPem { found }),
        None => Err(CertificateError::NoPem),
    }
}

/// The certificates in PEM, one behind the other.
pub fn certificates_to_pem<'a>(certificates: impl IntoIterator<Item = &'a Certificate>) -> String {
    certificates
        .into_iter()
        .map(|certificate| pem::encode_string(LABEL, LineEnding::LF, certificate.der()).unwrap_or_default())
        .collect()
}

/// The block without what stands behind its last line, which the decoder does not accept.
fn until_its_end(block: &[u8]) -> &[u8] {
    let Some(end) = block.windows(9).position(|window| window == b"-----END ") else { return block };
    let line =
        block[end..].iter().position(|byte| *byte == b'\n').map_or(block.len(), |length| end + length + 1);
    &block[..line]
}
