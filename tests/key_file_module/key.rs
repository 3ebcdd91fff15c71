//! The key: its attributes, and PKCS #1 v1.5 signatures (RFC 8017 section 8.2.1).

use cryptoki_sys::*;
use der::asn1::UintRef;
use der::{Decode, Sequence};
use num_bigint::BigUint;

const LABEL: &[u8] = b"signing";
const ID: &[u8] = &[1];

/// RFC 8017 appendix A.1.2.
#[derive(Sequence)]
struct RsaPrivateKey<'a> {
    version: u8,
    modulus: UintRef<'a>,
    public_exponent: UintRef<'a>,
    private_exponent: UintRef<'a>,
    prime1: UintRef<'a>,
    prime2: UintRef<'a>,
    exponent1: UintRef<'a>,
    exponent2: UintRef<'a>,
    coefficient: UintRef<'a>,
}

pub struct Key {
    modulus: BigUint,
    public_exponent: BigUint,
    private_exponent: BigUint,
}

impl Key {
    /// That of `KEY_FILE`.
    pub fn of_file() -> Self {
        let path = std::env::var_os("KEY_FILE").expect("KEY_FILE names the key");
        let der = std::fs::read(path).expect("the key can be read");
        let key = RsaPrivateKey::from_der(&der).expect("a private key of PKCS #1");
        let number = |number: UintRef<'_>| BigUint::from_bytes_be(number.as_bytes());
        Key {
            modulus: number(key.modulus),
            public_exponent: number(key.public_exponent),
            private_exponent: number(key.private_exponent),
        }
    }

    fn length(&self) -> usize {
        self.modulus.bits().div_ceil(8) as usize
    }

    /// An attribute in its PKCS#11 form.
    pub fn attribute(&self, kind: CK_ATTRIBUTE_TYPE) -> Option<Vec<u8>> {
        let number = |number: CK_ULONG| number.to_ne_bytes().to_vec();
        Some(match kind {
            CKA_CLASS => number(CKO_PRIVATE_KEY),
            CKA_KEY_TYPE => number(CKK_RSA),
            CKA_LABEL => LABEL.to_vec(),
            CKA_ID => ID.to_vec(),
            CKA_MODULUS => self.modulus.to_bytes_be(),
            CKA_PUBLIC_EXPONENT => self.public_exponent.to_bytes_be(),
            CKA_TOKEN
            | CKA_PRIVATE
            | CKA_SIGN
            | CKA_SENSITIVE
            | CKA_ALWAYS_SENSITIVE
            | CKA_NEVER_EXTRACTABLE
            | CKA_LOCAL => vec![CK_TRUE],
            CKA_EXTRACTABLE | CKA_ALWAYS_AUTHENTICATE | CKA_DECRYPT => vec![CK_FALSE],
            _ => return None,
        })
    }

    pub fn sign(&self, data: &[u8]) -> Vec<u8> {
        let mut padded = vec![0, 1];
        padded.resize(self.length() - data.len() - 1, 0xff);
        padded.push(0);
        padded.extend(data);
        let signature = BigUint::from_bytes_be(&padded).modpow(&self.private_exponent, &self.modulus);
        let bytes = signature.to_bytes_be();
        [vec![0; self.length() - bytes.len()], bytes].concat()
    }
}
