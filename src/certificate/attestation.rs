//! A YubiKey's proof that a key was made in it: a certificate for the key, the statement, signed by a key that Yubico put into
//! the device (<https://docs.yubico.com/yesdk/users-manual/application-piv/attestation.html>).
//!
//! What is above a statement, on devices of firmware 4.3 to 5.7 and in <https://developers.yubico.com/PKI/>:
//! - The device's certificate, of slot F9. It has the firmware's version, and in a device that is certified (FIPS, CSPN)
//!   that it is, but no policy. Its basicConstraints are cA with pathLenConstraint 0; before firmware 5.3 it may have none
//!   (<https://github.com/Yubico/yubikey-manager/issues/522>).
//! - From firmware 5.7.4 on two CAs, each with a pathLenConstraint that fits.
//! - A root. One of them has pathLenConstraint 0 and signed devices' certificates nonetheless
//!   (<https://github.com/go-piv/piv-go/pull/91>).

use der::Decode;
use der::asn1::{ObjectIdentifier, OctetStringRef, Uint};
use num_bigint::BigUint;
use x509_cert::ext::Extension;

use super::chain::links_above;
use super::constraints::Authority;
use super::policy::{FormFactor, PinPolicy, TouchPolicy};
use super::{Certificate, chain_at_any_time};
use crate::error::{Exit, Explain};
use crate::signature::PublicKey;

/// All of Yubico's PIV extensions are below this.
const YUBICO_PIV: &str = "1.3.6.1.4.1.41482.3.";
const FIRMWARE: &str = "3";
const SERIAL: &str = "7";
/// When the key wants the PIN and a touch. Every statement has it, and nothing else does.
const POLICIES: &str = "8";
/// One byte, in a FIPS device with this bit.
const FORM_FACTOR: &str = "9";
const FORM_FACTOR_FIPS: u8 = 0x80;
/// There in a FIPS device, whatever it holds.
const FIPS: &str = "10";

/// What a verified attestation says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attestation {
    /// The firmware's version, `5.7.1`.
    pub firmware: Option<String>,
    /// The device's serial number in decimal digits.
    pub serial: Option<String>,
    /// What it looks like.
    pub form_factor: Option<FormFactor>,
    /// Whether it is a FIPS device; unknown where neither this nor a form factor is said.
    pub fips: Option<bool>,
    /// When the key wants the PIN.
    pub pin_policy: Option<PinPolicy>,
    /// When the key wants a touch.
    pub touch_policy: Option<TouchPolicy>,
    /// The root that it leads to.
    pub root: String,
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
    /// It leads there, but not through certificates that may sign it.
    #[error("the attestation does not count: {signer:?} signed it, and may not, or one above may not")]
    Unfit {
        /// The subject of what signed it.
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
                "only keys that were made in a YubiKey have one, seen through its own module: --module libykcs11.so"
            }
            AttestationError::OtherKey => "make sure that the key was generated on the device, not imported",
            AttestationError::Untrusted { .. } => {
                "the roots are on https://developers.yubico.com/PKI/: put all of them, and the intermediates, into the file"
            }
            AttestationError::Unfit { .. } => {
                "only the device's own attestation key signs one, whose certificate a CA signed; somebody may have forged it"
            }
        };
        Some(hint.into())
    }
}

impl Attestation {
    /// Verifies that one of `certificates`, those on the device, attests `key`, and leads to one of `roots` through others
    /// of them. What it says is then Yubico's word.
    ///
    /// The way is: the statement, the device's certificate, CAs or none, one of `roots`. The last need not be a root: the
    /// CAs of Yubico are not on the device, so they are in the file too.
    ///
    /// Dates do not count: a statement carries those of the key that signed it, which Yubico lets run out.
    ///
    /// # Errors
    /// [`AttestationError`].
    pub fn verify(
        key: &PublicKey,
        certificates: &[Certificate],
        roots: &[Certificate],
    ) -> Result<Self, AttestationError> {
        let statements: Vec<&Certificate> =
            certificates.iter().filter(|certificate| is_statement(certificate)).collect();
        if statements.is_empty() {
            return Err(AttestationError::None);
        }
        let of_key: Vec<&Certificate> =
            statements.into_iter().filter(|statement| statement.certifies(key)).collect();
        let proven = of_key.iter().find_map(|statement| {
            let (device, root) = device_and_root_of(statement, certificates, roots)?;
            Some(Self::read(statement, device, root.subject()))
        });
        proven.ok_or_else(|| why_not(of_key.first().copied(), certificates, roots))
    }

    fn read(statement: &Certificate, device: &Certificate, root: String) -> Self {
        let policies = octets(statement, POLICIES, 2).unwrap_or_default();
        let form = octets(statement, FORM_FACTOR, 1).and_then(|bytes| bytes.first().copied());
        let is_fips = [statement, device].iter().any(|says| value(says, FIPS).is_some());
        Attestation {
            firmware: octets(statement, FIRMWARE, 3).map(in_parts),
            serial: value(statement, SERIAL).map(|bytes| {
                Uint::from_der(bytes).map_or_else(
                    |_| in_parts(bytes),
                    |number| BigUint::from_bytes_be(number.as_bytes()).to_string(),
                )
            }),
            form_factor: form.map(|form| FormFactor::from_number(form & !FORM_FACTOR_FIPS)),
            fips: if is_fips { Some(true) } else { form.map(|form| form & FORM_FACTOR_FIPS != 0) },
            pin_policy: policies.first().copied().map(PinPolicy::from_number),
            touch_policy: policies.get(1).copied().map(TouchPolicy::from_number),
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

fn is_statement(certificate: &Certificate) -> bool {
    value(certificate, POLICIES).is_some()
}

/// The certificate of the device that made the statement, and the root that it leads to.
fn device_and_root_of<'a>(
    statement: &'a Certificate,
    certificates: &'a [Certificate],
    roots: &'a [Certificate],
) -> Option<(&'a Certificate, &'a Certificate)> {
    let is_root = |certificate: &Certificate| roots.contains(certificate);
    let may_issue = |certificate: &Certificate, level: usize| match level {
        1 => may_be_devices(certificate),
        // A root's limit does not count the device's certificate. (RFC 5280 section 6.1 does not count it at all.)
        _ if is_root(certificate) => certificate.may_issue(level - 2),
        _ => !is_statement(certificate) && certificate.may_issue(level - 1),
    };
    let links = links_above(statement, roots.iter().chain(certificates), may_issue);
    let end = links.iter().position(|link| link.level > 1 && is_root(link.certificate))?;
    let device = std::iter::successors(Some(end), |at| links[*at].below).last()?;
    Some((links[device].certificate, links[end].certificate))
}

/// Whether it may be a device's own certificate, which signs statements. A statement is none, though a real device's key
/// may be behind it: its owner can make such a key sign anything.
fn may_be_devices(certificate: &Certificate) -> bool {
    let may_issue = match certificate.authority() {
        Authority::Yes { .. } => true,
        Authority::NotSaid => value(certificate, FIRMWARE).is_some(),
        Authority::No | Authority::Malformed => false,
    };
    may_issue
        && !is_statement(certificate)
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

/// The bytes of an extension, which usually has so many: as they are, which is how devices write them, or in an OCTET STRING,
/// which is how it should be (<https://github.com/Yubico/yubico-piv-tool/issues/181>).
fn octets<'a>(certificate: &'a Certificate, arc: &str, usual: usize) -> Option<&'a [u8]> {
    let bytes = value(certificate, arc)?;
    let wrapped = <&OctetStringRef>::from_der(bytes).ok().filter(|_| bytes.len() != usual);
    Some(wrapped.map_or(bytes, OctetStringRef::as_bytes))
}

/// Numbers with dots between.
fn in_parts(bytes: &[u8]) -> String {
    bytes.iter().map(ToString::to_string).collect::<Vec<_>>().join(".")
}

fn value<'a>(certificate: &'a Certificate, arc: &str) -> Option<&'a [u8]> {
    let is_it = |id: ObjectIdentifier| id.to_string().strip_prefix(YUBICO_PIV) == Some(arc);
    let found = extensions(certificate).find(|extension| is_it(extension.extn_id));
    found.map(|extension| extension.extn_value.as_bytes())
}
