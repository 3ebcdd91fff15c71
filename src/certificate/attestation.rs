//! A YubiKey's or YubiHSM's proof that a key was generated on it: a certificate for the key, called the
//! statement, signed by a key that Yubico put into the device.
//!
//! The CA certificates above a statement. A YubiHSM's has its device's certificate, an intermediate and a
//! root above it (<https://docs.yubico.com/hardware/oid/oid-product-arc.html>). A YubiKey's, with firmware
//! 4.3 to 5.7 and in <https://developers.yubico.com/PKI/>:
//! - The device's certificate, from slot F9. It holds the firmware's version and, in a certified device
//!   (FIPS, CSPN), that it is one, but no policy. Its basicConstraints are cA with pathLenConstraint 0;
//!   before firmware 5.3 they may be missing (<https://github.com/Yubico/yubikey-manager/issues/522>).
//! - From firmware 5.7.4 on, two CAs, each with a pathLenConstraint that fits.
//! - A root. One of the roots has pathLenConstraint 0 and signed devices' certificates nonetheless
//!   (<https://github.com/go-piv/piv-go/pull/91>).

use super::chain::links_above;
use super::constraints::Authority;
use super::policy::{FormFactor, PinPolicy, TouchPolicy};
use super::statement::Maker;
use super::{Certificate, chain_at_any_time};
use crate::error::{Exit, Explain};
use crate::signature::PublicKey;

/// What a verified attestation says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attestation {
    /// The firmware's version, `5.7.1`.
    pub firmware: Option<String>,
    /// The device's serial number in decimal digits.
    pub serial: Option<String>,
    /// Its size and connector.
    pub form_factor: Option<FormFactor>,
    /// Whether it is a FIPS device; unknown if the attestation states neither this nor a form factor.
    pub fips: Option<bool>,
    /// When the key requires the PIN.
    pub pin_policy: Option<PinPolicy>,
    /// When the key requires a touch.
    pub touch_policy: Option<TouchPolicy>,
    /// The root at which its chain ends.
    pub root: String,
}

/// Why a key is not proven to be on a device.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AttestationError {
    /// There is no such certificate.
    #[error("the device returns no attestation for the key")]
    None,
    /// It is for another key.
    #[error("the attestation is for another key")]
    OtherKey,
    /// It says that the key was elsewhere before.
    #[error("the attestation says that the key was not generated in the device")]
    NotMadeThere,
    /// It says that the key can leave the device.
    #[error("the attestation says that the key can leave the device, encrypted by a wrap key")]
    CanLeave,
    /// Its chain does not end at a trusted root.
    #[error("the attestation does not lead to a trusted root: it ends at {last:?}, issued by {issuer:?}")]
    Untrusted {
        /// The subject of the last certificate.
        last: String,
        /// Its issuer.
        issuer: String,
    },
    /// Its chain ends at a trusted root, but contains a certificate that may not sign the next one.
    #[error(
        "the attestation is not valid: its signer {signer:?}, or a CA above it, is not allowed to sign it"
    )]
    Unfit {
        /// The subject of the signer.
        signer: String,
    },
}

impl Explain for AttestationError {
    fn exit(&self) -> Exit {
        Exit::Key
    }

    fn hint(&self) -> Option<String> {
        let hint = match self {
            AttestationError::None => {
                "only keys that were generated in a YubiKey or a YubiHSM have one: a YubiKey's is seen through its own module \
                 (--module libykcs11.so), a YubiHSM's after yubihsm-shell has stored it on the device as a certificate"
            }
            AttestationError::OtherKey => "make sure that the key was generated on the device, not imported",
            AttestationError::NotMadeThere | AttestationError::CanLeave => {
                "generate a non-exportable key on the device: countersign keygen"
            }
            AttestationError::Untrusted { .. } => {
                "the roots are at https://developers.yubico.com/PKI/: put all of them, and the intermediates, into the file"
            }
            AttestationError::Unfit { .. } => {
                "only the device's own attestation key signs one, whose certificate a CA signed; somebody may have forged it"
            }
        };
        Some(hint.into())
    }
}

impl Attestation {
    /// Verifies that one of `certificates`, those on the device, attests `key`, and that others of them lead
    /// from it to one of `roots`. Yubico then vouches for what it says.
    ///
    /// The chain is: the statement, the device's certificate, any number of CAs, one of `roots`. The last one
    /// need not be self-signed: Yubico's CAs are not on the device, so they are in the file of roots too.
    ///
    /// Dates do not count: a statement has those of the key that signed it, which Yubico lets expire.
    ///
    /// # Errors
    /// [`AttestationError`].
    pub fn verify(
        key: &PublicKey,
        certificates: &[Certificate],
        roots: &[Certificate],
    ) -> Result<Self, AttestationError> {
        let statements: Vec<&Certificate> =
            certificates.iter().filter(|certificate| Maker::of_statement(certificate).is_some()).collect();
        if statements.is_empty() {
            return Err(AttestationError::None);
        }
        let of_key: Vec<&Certificate> =
            statements.into_iter().filter(|statement| statement.certifies(key)).collect();
        let proven = of_key.iter().find_map(|statement| {
            let maker = Maker::of_statement(statement)?;
            let (device, root) = device_and_root_of(statement, maker, certificates, roots)?;
            Some(Self::read(statement, device, maker, root.subject()))
        });
        proven.unwrap_or_else(|| Err(why_not(of_key.first().copied(), certificates, roots)))
    }

    fn read(
        statement: &Certificate,
        device: &Certificate,
        maker: Maker,
        root: String,
    ) -> Result<Self, AttestationError> {
        let claims = maker.claims(statement, device);
        if !claims.was_made_there {
            return Err(AttestationError::NotMadeThere);
        }
        if claims.can_leave {
            return Err(AttestationError::CanLeave);
        }
        Ok(Attestation {
            firmware: claims.firmware,
            serial: claims.serial,
            form_factor: claims.form_factor,
            fips: claims.fips,
            pin_policy: claims.pin_policy,
            touch_policy: claims.touch_policy,
            root,
        })
    }
}

/// The certificate of the device that made the statement, and the root at which its chain ends.
fn device_and_root_of<'a>(
    statement: &'a Certificate,
    maker: Maker,
    certificates: &'a [Certificate],
    roots: &'a [Certificate],
) -> Option<(&'a Certificate, &'a Certificate)> {
    let is_root = |certificate: &Certificate| roots.contains(certificate);
    let may_issue = |certificate: &Certificate, level: usize| match level {
        1 => may_be_devices(certificate, maker),
        // A root's limit does not count the device's certificate. (RFC 5280 section 6.1 does not count it at all.)
        _ if is_root(certificate) => certificate.may_issue(level - 2),
        _ => Maker::of_statement(certificate).is_none() && certificate.may_issue(level - 1),
    };
    let links = links_above(statement, roots.iter().chain(certificates), may_issue);
    let end = links.iter().position(|link| link.level > 1 && is_root(link.certificate))?;
    let device = std::iter::successors(Some(end), |at| links[*at].below).last()?;
    Some((links[device].certificate, links[end].certificate))
}

/// Whether it may be a device's own certificate, which signs statements. A statement may not be one, even for
/// a key in a genuine device: the device's owner can make such a key sign anything.
fn may_be_devices(certificate: &Certificate, maker: Maker) -> bool {
    let may_issue = match certificate.authority() {
        // A YubiHSM's always names its device; a YubiKey's may leave that to its constraints.
        Authority::Yes { .. } => maker == Maker::YubiKey || maker.names_device(certificate),
        Authority::NotSaid => maker.names_device(certificate),
        Authority::No | Authority::Malformed => false,
    };
    may_issue
        && Maker::of_statement(certificate).is_none()
        && !certificate.is_self_issued()
        && certificate.allows_signing_certificates()
}

fn why_not(
    statement: Option<&Certificate>,
    certificates: &[Certificate],
    roots: &[Certificate],
) -> AttestationError {
    let Some(statement) = statement else { return AttestationError::OtherKey };
    let pool: Vec<Certificate> = roots.iter().chain(certificates).cloned().collect();
    let chain = chain_at_any_time(statement, &pool);
    match (chain.first(), chain.iter().any(|above| roots.contains(above))) {
        (Some(signer), true) => AttestationError::Unfit { signer: signer.subject() },
        _ => {
            let last = chain.last().unwrap_or(statement);
            AttestationError::Untrusted { last: last.subject(), issuer: last.issuer() }
        }
    }
}
