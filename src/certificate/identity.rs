//! Which certificate belongs to a key: by the public key, never by a test signature
//! (draft-woodhouse-cert-best-practice). This is the only place that decides it.

use std::borrow::Borrow;
use std::time::SystemTime;

use super::Certificate;
use crate::signature::PublicKey;

impl Certificate {
    /// Whether it is a certificate of `key`. A CKA_ID in common says less: people mix them up.
    pub fn certifies(&self, key: &PublicKey) -> bool {
        self.public_key() == key
    }
}

/// The certificate among `candidates` that speaks for `key`, or, while the key is hidden, for the key of any: no
/// attestation; then, in this order, one that is valid now, may sign, is not a CA's, and ends last.
pub fn identity_of<T: Borrow<Certificate>>(
    key: Option<&PublicKey>,
    candidates: impl IntoIterator<Item = T>,
    now: SystemTime,
) -> Option<T> {
    let speaks_for_key = |candidate: &T| {
        let certificate: &Certificate = candidate.borrow();
        key.is_none_or(|key| certificate.certifies(key)) && !certificate.is_attestation()
    };
    let rank = |candidate: &T| {
        let certificate: &Certificate = candidate.borrow();
        (
            certificate.is_valid_at(now),
            certificate.digital_signature() != Some(false),
            !certificate.is_ca(),
            certificate.not_after(),
        )
    };
    candidates.into_iter().filter(speaks_for_key).max_by_key(rank)
}

/// The certificate among `candidates` by which a YubiKey or YubiHSM attests `key`, as it is: nothing is verified.
pub fn attestation_of<'a>(
    key: &PublicKey,
    candidates: impl IntoIterator<Item = &'a Certificate>,
) -> Option<&'a Certificate> {
    candidates.into_iter().find(|candidate| candidate.is_attestation() && candidate.certifies(key))
}
