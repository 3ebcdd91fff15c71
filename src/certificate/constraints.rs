//! What a certificate's extensions allow its key to do. Malformed and repeated extensions never allow more.

use der::asn1::ObjectIdentifier;
use x509_cert::ext::pkix::{BasicConstraints, KeyUsage, KeyUsages};

use super::Certificate;

const BASIC_CONSTRAINTS: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.19");
const KEY_USAGE: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.15");

/// basicConstraints (RFC 5280 section 4.2.1.9).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Authority {
    /// The certificate has none.
    NotSaid,
    /// cA is false.
    No,
    /// cA is true: it may issue certificates, with at most this many CAs below it.
    Yes { most_below: Option<u8> },
    /// They are malformed.
    Malformed,
}

impl Certificate {
    /// Whether it is a CA's: basicConstraints' cA (RFC 5280 section 4.2.1.9). True for malformed ones too,
    /// because the callers look for certificates that are not a CA's.
    pub fn is_ca(&self) -> bool {
        matches!(self.authority(), Authority::Yes { .. } | Authority::Malformed)
    }

    /// Whether keyUsage has digitalSignature (RFC 5280 section 4.2.1.3); none if there is no keyUsage, which
    /// allows everything. A malformed one has nothing.
    pub fn digital_signature(&self) -> Option<bool> {
        self.has_usage(KeyUsages::DigitalSignature)
    }

    /// Whether it may issue certificates, with this many CAs below it.
    pub(super) fn may_issue(&self, below: usize) -> bool {
        let Authority::Yes { most_below } = self.authority() else { return false };
        most_below.is_none_or(|most| below <= usize::from(most)) && self.allows_signing_certificates()
    }

    /// Whether keyUsage allows it and every critical extension is understood.
    pub(super) fn allows_signing_certificates(&self) -> bool {
        let extensions = self.x509.tbs_certificate().extensions().into_iter().flatten();
        let is_understood = |id| id == BASIC_CONSTRAINTS || id == KEY_USAGE;
        self.has_usage(KeyUsages::KeyCertSign) != Some(false)
            && extensions
                .filter(|extension| extension.critical)
                .all(|extension| is_understood(extension.extn_id))
    }

    pub(super) fn authority(&self) -> Authority {
        match self.x509.tbs_certificate().get_extension::<BasicConstraints>() {
            Ok(None) => Authority::NotSaid,
            Ok(Some((_, BasicConstraints { ca: false, .. }))) => Authority::No,
            Ok(Some((_, BasicConstraints { path_len_constraint, .. }))) => {
                Authority::Yes { most_below: path_len_constraint }
            }
            Err(_) => Authority::Malformed,
        }
    }

    fn has_usage(&self, usage: KeyUsages) -> Option<bool> {
        match self.x509.tbs_certificate().get_extension::<KeyUsage>() {
            Ok(found) => found.map(|(_, usages)| usages.0.contains(usage)),
            Err(_) => Some(false),
        }
    }
}
