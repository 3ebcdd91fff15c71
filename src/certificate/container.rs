//! Files that hold certificates in another form, with the command that extracts them.

use std::fmt;

/// The OID of PKCS#7 signed data, 1.2.840.113549.1.7.2, in DER.
const SIGNED_DATA: [u8; 11] = [0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x02];

/// A form that is recognized but not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Container {
    /// PKCS#7 in PEM.
    Pkcs7Pem,
    /// PKCS#7 in DER (RFC 2315).
    Pkcs7Der,
    /// PKCS#12 (RFC 7292).
    Pkcs12,
    /// What `aws acm-pca get-certificate` and `aws acm get-certificate` print.
    AwsJson,
}

impl Container {
    pub(super) fn of(bytes: &[u8]) -> Option<Self> {
        let text = bytes.trim_ascii_start();
        match bytes {
            [0x30, 0x80..=0x84, ..] => {
                // PFX begins with its version, 3; ContentInfo with its type.
                let content = &bytes[bytes.len().min(2 + usize::from(bytes[1] & 0x0f))..];
                match content {
                    [0x02, 0x01, 0x03, 0x30, ..] => Some(Container::Pkcs12),
                    content if content.starts_with(&SIGNED_DATA) => Some(Container::Pkcs7Der),
                    _ => None,
                }
            }
            _ if text.starts_with(b"{") && contains(text, b"\"Certificate\"") => Some(Container::AwsJson),
            _ => None,
        }
    }

    /// The command that writes the certificates of FILE in PEM.
    pub fn cure(self) -> &'static str {
        match self {
            Container::Pkcs7Pem => "openssl pkcs7 -print_certs -in FILE -out certificates.pem",
            Container::Pkcs7Der => "openssl pkcs7 -inform DER -print_certs -in FILE -out certificates.pem",
            Container::Pkcs12 => "openssl pkcs12 -nokeys -in FILE -out certificates.pem",
            Container::AwsJson => "jq -r '.Certificate, .CertificateChain // empty' FILE > certificates.pem",
        }
    }
}

impl fmt::Display for Container {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Container::Pkcs7Pem | Container::Pkcs7Der => "PKCS#7",
            Container::Pkcs12 => "PKCS#12",
            Container::AwsJson => "the JSON of AWS's get-certificate",
        })
    }
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}
