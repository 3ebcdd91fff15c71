//! The requester's certificate, its serial number and its chain, in the form of a request.

use crate::error::{Exit, Explain};
use crate::signature::PublicKey;

/// The most certificates that Roles Anywhere accepts in `X-Amz-X509-Chain`.
pub const MAX_CHAIN: usize = 5;

/// The algorithm of a request's signature. Both use SHA-256, whatever the size of the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// RSASSA-PKCS1-v1_5.
    Rsa,
    /// ECDSA.
    Ecdsa,
}

impl Algorithm {
    /// The algorithm of a certificate's key.
    pub fn of(key: &PublicKey) -> Self {
        if key.is_rsa() { Algorithm::Rsa } else { Algorithm::Ecdsa }
    }

    /// Its name in a request.
    pub fn name(self) -> &'static str {
        match self {
            Algorithm::Rsa => "AWS4-X509-RSA-SHA256",
            Algorithm::Ecdsa => "AWS4-X509-ECDSA-SHA256",
        }
    }
}

/// A certificate with its chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    algorithm: Algorithm,
    serial: String,
    leaf: Vec<u8>,
    chain: Vec<Vec<u8>>,
}

impl Identity {
    /// `serial` is the certificate's serial number in decimal, `leaf` its DER, and `chain` the DER of the
    /// intermediate certificates, the leaf's issuer first, without the leaf; the root is not needed.
    ///
    /// # Errors
    /// [`IdentityError`]: AWS would refuse it.
    pub fn new(
        algorithm: Algorithm,
        serial: &str,
        leaf: Vec<u8>,
        chain: Vec<Vec<u8>>,
    ) -> Result<Self, IdentityError> {
        // RFC 5280 forbids negative serial numbers, which some CAs issue nonetheless: the request contains
        // what the certificate has.
        let digits = serial.strip_prefix('-').filter(|digits| *digits != "0").unwrap_or(serial);
        let is_decimal = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        if !is_decimal || (digits.len() > 1 && digits.starts_with('0')) {
            return Err(IdentityError::Serial);
        }
        if leaf.is_empty() || chain.iter().any(Vec::is_empty) {
            return Err(IdentityError::Empty);
        }
        if chain.len() > MAX_CHAIN {
            return Err(IdentityError::LongChain { found: chain.len() });
        }
        if chain.contains(&leaf) {
            return Err(IdentityError::LeafInChain);
        }
        Ok(Identity { algorithm, serial: serial.to_owned(), leaf, chain })
    }

    /// The algorithm of the signature.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The serial number in decimal.
    pub fn serial(&self) -> &str {
        &self.serial
    }

    /// The certificate's DER.
    pub fn leaf(&self) -> &[u8] {
        &self.leaf
    }

    /// The DER of the intermediates.
    pub fn chain(&self) -> &[Vec<u8>] {
        &self.chain
    }
}

/// Why a certificate and its chain cannot be sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdentityError {
    /// Not a decimal integer.
    #[error("the certificate's serial number is not an integer")]
    Serial,
    /// The certificate is empty.
    #[error("a certificate is empty")]
    Empty,
    /// More than five.
    #[error("there are {found} intermediate certificates; AWS accepts at most {MAX_CHAIN}")]
    LongChain {
        /// How many.
        found: usize,
    },
    /// The certificate is among its own issuers.
    #[error("the certificate itself is among the intermediate certificates")]
    LeafInChain,
}

impl Explain for IdentityError {
    fn exit(&self) -> Exit {
        Exit::Malformed
    }

    fn hint(&self) -> Option<String> {
        let hint = match self {
            IdentityError::Serial | IdentityError::Empty => "have a new certificate issued",
            IdentityError::LongChain { .. } => {
                "leave out the root and whatever is not between the certificate and the trust anchor"
            }
            IdentityError::LeafInChain => "give only the certificates of those who issued it",
        };
        Some(hint.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_aws_would_refuse_is_refused() {
        let identity = |serial: &str, chain: &[&[u8]]| {
            let chain = chain.iter().map(|der| der.to_vec()).collect();
            Identity::new(Algorithm::Rsa, serial, vec![1], chain).map(|_| ())
        };
        assert_eq!(identity("0", &[&[2], &[3], &[4], &[5], &[6]]), Ok(()));
        assert_eq!(identity("-1", &[]), Ok(()));
        for serial in ["", "-", "-0", "--1", "-01", "+1", "01", "0x1", "1 ", "٣"] {
            assert_eq!(identity(serial, &[]), Err(IdentityError::Serial), "{serial:?}");
        }
        assert_eq!(identity("1", &[&[]]), Err(IdentityError::Empty));
        assert_eq!(identity("1", &[[2].as_slice(); 6]), Err(IdentityError::LongChain { found: 6 }));
        assert_eq!(identity("1", &[&[2], &[1]]), Err(IdentityError::LeafInChain));
    }
}
