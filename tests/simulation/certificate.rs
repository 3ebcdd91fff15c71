//! X.509 certificates, as far as those of a simulated device go.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::key::{Algorithm, PrivateKey};
use crate::tlv::tlv;

const COMMON_NAME: &[u8] = &[0x55, 4, 3];
const BASIC_CONSTRAINTS: &[u8] = &[0x55, 29, 19];

/// A name, or the only part of one that matters.
pub struct Certificate<'a> {
    pub subject: &'a str,
    pub issuer: &'a str,
    /// As [`integer`] writes it.
    pub serial: Vec<u8>,
    pub is_authority: bool,
    /// OID and value of each.
    pub extensions: Vec<(Vec<u8>, Vec<u8>)>,
}

impl Certificate<'_> {
    pub fn issue(&self, public_key: &[u8], issuer: &PrivateKey) -> Vec<u8> {
        let validity = [tlv(0x17, b"200101000000Z"), tlv(0x17, b"491231235959Z")].concat();
        let mut extensions = Vec::new();
        if self.is_authority {
            let is_authority = tlv(0x30, &[0x01, 1, 0xff]);
            extensions.extend(extension(BASIC_CONSTRAINTS, &[0x01, 1, 0xff], &is_authority));
        }
        for (oid, value) in &self.extensions {
            extensions.extend(extension(oid, &[], value));
        }
        let body = [
            tlv(0xa0, &[0x02, 1, 2]),
            self.serial.clone(),
            algorithm(issuer),
            name(self.issuer),
            tlv(0x30, &validity),
            name(self.subject),
            public_key.to_vec(),
            if extensions.is_empty() { Vec::new() } else { tlv(0xa3, &tlv(0x30, &extensions)) },
        ];
        let body = tlv(0x30, &body.concat());
        let signature = [&[0], &*issuer.sign(&body)].concat();
        tlv(0x30, &[body, algorithm(issuer), tlv(0x03, &signature)].concat())
    }
}

/// The INTEGER with these bytes.
pub fn integer(number: &[u8]) -> Vec<u8> {
    let mut bytes: Vec<u8> = number.iter().copied().skip_while(|byte| *byte == 0).collect();
    if bytes.first().is_none_or(|first| first & 0x80 != 0) {
        bytes.insert(0, 0);
    }
    tlv(0x02, &bytes)
}

pub fn pem(label: &str, der: &[u8]) -> Vec<u8> {
    let text = STANDARD.encode(der);
    let lines: Vec<&str> = (0..text.len()).step_by(64).map(|at| &text[at..text.len().min(at + 64)]).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n")).into_bytes()
}

fn extension(oid: &[u8], critical: &[u8], value: &[u8]) -> Vec<u8> {
    tlv(0x30, &[&tlv(0x06, oid), critical, &tlv(0x04, value)].concat())
}

fn name(common_name: &str) -> Vec<u8> {
    let attribute = [tlv(0x06, COMMON_NAME), tlv(0x0c, common_name.as_bytes())].concat();
    tlv(0x30, &tlv(0x31, &tlv(0x30, &attribute)))
}

fn algorithm(key: &PrivateKey) -> Vec<u8> {
    let oid_and_parameters: &[u8] = match key.algorithm() {
        // sha256WithRSAEncryption and NULL, ecdsa-with-SHA256, -SHA384 and -SHA512, Ed25519
        Algorithm::Rsa2048 | Algorithm::Rsa3072 | Algorithm::Rsa4096 => {
            b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0b\x05\x00"
        }
        Algorithm::P256 => b"\x06\x08\x2a\x86\x48\xce\x3d\x04\x03\x02",
        Algorithm::P384 => b"\x06\x08\x2a\x86\x48\xce\x3d\x04\x03\x03",
        Algorithm::P521 => b"\x06\x08\x2a\x86\x48\xce\x3d\x04\x03\x04",
        Algorithm::Ed25519 => b"\x06\x03\x2b\x65\x70",
    };
    tlv(0x30, oid_and_parameters)
}
