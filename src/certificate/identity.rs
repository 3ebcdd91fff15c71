//! Which certificate belongs to a key. The public key decides, never a test signature
//! (draft-woodhouse-cert-best-practice), and no other file decides it.

use std::borrow::Borrow;
use std::time::SystemTime;

use super::Certificate;
use crate::signature::PublicKey;

impl Certificate {
    /// Whether it is a certificate for `key`. An equal CKA_ID says less: people mix them up.
    pub fn certifies(&self, key: &PublicKey) -> bool {
        self.public_key() == key
    }
}

/// The certificate among `candidates` that identifies `key` or, while the key is hidden, any key. It is not
/// an attestation; of several, these are preferred in this order: one that is valid now, may sign, is not a
/// CA's, and ends last.
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

/// The certificate among `candidates` with which a YubiKey or YubiHSM attests `key`. Nothing is verified.
pub fn attestation_of<'a>(
    key: &PublicKey,
    candidates: impl IntoIterator<Item = &'a Certificate>,
) -> Option<&'a Certificate> {
    candidates.into_iter().find(|candidate| candidate.is_attestation() && candidate.certifies(key))
}
