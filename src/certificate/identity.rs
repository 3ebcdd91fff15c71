//! Which certificate belongs to a key, and which key to a certificate: by CKA_ID and public key, never by a test
//! signature (draft-woodhouse-cert-best-practice).

use std::time::SystemTime;

use super::Certificate;
use crate::signature::PublicKey;

/// How a certificate and a key stand to each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Belongs {
    /// Same CKA_ID, same public key.
    ByIdAndKey,
    /// Same public key, under another CKA_ID.
    ByKey,
    /// Same CKA_ID, and another public key: somebody mixed them up.
    OtherKeySameId,
    /// Nothing to do with each other.
    No,
}

/// How a certificate stands to a key. An empty CKA_ID is none.
pub fn belongs(
    certificate: &Certificate,
    certificate_id: Option<&[u8]>,
    key: &PublicKey,
    key_id: Option<&[u8]>,
) -> Belongs {
    let same_id = certificate_id.is_some_and(|id| !id.is_empty() && Some(id) == key_id);
    match (same_id, certificate.public_key() == key) {
        (true, true) => Belongs::ByIdAndKey,
        (false, true) => Belongs::ByKey,
        (true, false) => Belongs::OtherKeySameId,
        (false, false) => Belongs::No,
    }
}

/// The certificate among those of one key that speaks for it: no attestation; then, in this order, one that is valid now,
/// may sign, is no CA's, and ends last. `candidates` is anything that leads to a certificate.
pub fn identity_of<T>(
    candidates: impl IntoIterator<Item = T>,
    certificate: impl Fn(&T) -> &Certificate,
    now: SystemTime,
) -> Option<T> {
    let rank = |candidate: &T| {
        let certificate = certificate(candidate);
        (
            certificate.is_valid_at(now),
            certificate.digital_signature() != Some(false),
            !certificate.is_ca(),
            certificate.not_after(),
        )
    };
    candidates.into_iter().filter(|candidate| !certificate(candidate).is_attestation()).max_by_key(rank)
}
