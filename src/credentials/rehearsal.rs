//! A dry run: everything that is known before a request is sent.

use serde::Serialize;

/// The report of a rehearsal. Its members are those of the JSON document of `--dry-run`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Rehearsal {
    /// The path of the device's module.
    pub module: String,
    /// The device.
    pub device: String,
    /// A URI that leads to the key.
    pub key: String,
    /// The subject of the certificate.
    pub certificate: String,
    /// Its serial number in decimal.
    pub serial: String,
    /// The last day on which it is valid.
    pub valid_until: String,
    /// The subjects of the certificates above it, from its issuer upward, without the root.
    pub chain: Vec<String>,
    /// The URL that the request would go to.
    pub endpoint: String,
    /// The mechanism of the signature, under its name in the PKCS#11 standard.
    pub mechanism: &'static str,
    /// The length of the signature, which was verified with the public key.
    #[serde(skip)]
    pub signature_bytes: usize,
    /// The canonical request of Signature Version 4.
    pub canonical_request: String,
    /// What was signed.
    pub string_to_sign: String,
}
