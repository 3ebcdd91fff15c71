//! A YubiKey's proof that a key was made in it: a certificate for the key, signed by a key that Yubico put into the device
//! (<https://docs.yubico.com/yesdk/users-manual/application-piv/attestation.html>).

use der::{Decode, asn1::ObjectIdentifier};
use x509_cert::ext::Extension;

use super::{Certificate, chain_of};
use crate::error::{Exit, Explain};
use crate::signature::PublicKey;

/// All of Yubico's PIV extensions are below this.
const YUBICO_PIV: &str = "1.3.6.1.4.1.41482.3.";

/// What a verified attestation says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attestation {
    /// The firmware's version, `5.7.1`.
    pub firmware: Option<String>,
    /// The device's serial number.
    pub serial: Option<u32>,
    /// When the key wants the PIN.
    pub pin_policy: Option<PinPolicy>,
    /// When the key wants a touch: `never`, `always` or `cached`.
    pub touch_policy: Option<&'static str>,
    /// The root that it leads to.
    pub root: String,
}

/// When a key wants the PIN.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PinPolicy {
    /// Never.
    Never,
    /// Once in a session.
    Once,
    /// For each signature.
    Always,
}

impl PinPolicy {
    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            PinPolicy::Never => "never",
            PinPolicy::Once => "once",
            PinPolicy::Always => "always",
        }
    }
}

/// Why a key is not proven to be on a device.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AttestationError {
    /// There is no such certificate.
    #[error("the device gives no attestation for the key")]
    None,
    /// It is for another key.
    #[error("the attestation is for another key")]
    OtherKey,
    /// It does not lead to a root that is trusted.
    #[error(
        "the attestation does not lead to a root that is trusted: it ends at {last:?}, issued by {issuer:?}"
    )]
    Untrusted {
        /// The subject of the last certificate.
        last: String,
        /// Its issuer.
        issuer: String,
    },
}

impl Explain for AttestationError {
    fn exit(&self) -> Exit {
        Exit::Key
    }

    fn hint(&self) -> Option<String> {
        let hint = match self {
            AttestationError::None => {
                "only keys that were made in a YubiKey have one, seen through its own module: --module libykcs11.so"
            }
            AttestationError::OtherKey => "make sure that the key was generated on the device, not imported",
            AttestationError::Untrusted { .. } => {
                "the roots are on https://developers.yubico.com/PKI/: put all of them into the file"
            }
        };
        Some(hint.into())
    }
}

impl Attestation {
    /// Verifies that one of `certificates`, those on the device, attests `key`, and leads to one of `roots` through others
    /// of them. What it says is then Yubico's word.
    ///
    /// The attestation's own dates do not count: it carries those of the key that signed it, which Yubico lets run out.
    ///
    /// # Errors
    /// [`AttestationError`].
    pub fn verify(
        key: &PublicKey,
        certificates: &[Certificate],
        roots: &[Certificate],
    ) -> Result<Self, AttestationError> {
        let attestations: Vec<&Certificate> =
            certificates.iter().filter(|certificate| certificate.is_attestation()).collect();
        if attestations.is_empty() {
            return Err(AttestationError::None);
        }
        let of_key = attestations.into_iter().find(|certificate| certificate.public_key() == key);
        let statement = of_key.ok_or(AttestationError::OtherKey)?;
        let pool: Vec<Certificate> = certificates.iter().chain(roots).cloned().collect();
        let chain = chain_of(statement, &pool);
        let Some(root) = chain.iter().find(|certificate| roots.contains(certificate)) else {
            let last = chain.last().unwrap_or(statement);
            return Err(AttestationError::Untrusted { last: last.subject(), issuer: last.issuer() });
        };
        // Only the device's own key, which is no CA's for names, may sign the statement; all above must be CAs.
        if chain
            .iter()
            .take_while(|certificate| *certificate != root)
            .skip(1)
            .any(|certificate| !certificate.is_ca())
        {
            return Err(AttestationError::Untrusted {
                last: statement.subject(),
                issuer: statement.issuer(),
            });
        }
        Ok(Self::read(statement, root.subject()))
    }

    fn read(statement: &Certificate, root: String) -> Self {
        let value = |arc: &str| {
            let id = format!("{YUBICO_PIV}{arc}");
            extensions(statement)
                .find(|extension| extension.extn_id.to_string() == id)
                .map(|extension| extension.extn_value.as_bytes())
        };
        let policies = value("8").and_then(|bytes| <[u8; 2]>::try_from(bytes).ok());
        Attestation {
            firmware: value("3")
                .and_then(|bytes| <[u8; 3]>::try_from(bytes).ok())
                .map(|[major, minor, patch]| format!("{major}.{minor}.{patch}")),
            serial: value("7").and_then(|bytes| u32::from_der(bytes).ok()),
            pin_policy: policies.and_then(|[pin, _]| match pin {
                1 => Some(PinPolicy::Never),
                2 => Some(PinPolicy::Once),
                3 => Some(PinPolicy::Always),
                _ => None,
            }),
            touch_policy: policies.and_then(|[_, touch]| match touch {
                1 => Some("never"),
                2 => Some("always"),
                3 => Some("cached"),
                _ => None,
            }),
            root,
        }
    }
}

/// Yubico's extensions of a certificate.
pub(super) fn extensions(certificate: &Certificate) -> impl Iterator<Item = &Extension> {
    let is_yubicos = |id: ObjectIdentifier| id.to_string().starts_with(YUBICO_PIV);
    let extensions = certificate.x509.tbs_certificate().extensions();
    extensions.into_iter().flatten().filter(move |extension| is_yubicos(extension.extn_id))
}
