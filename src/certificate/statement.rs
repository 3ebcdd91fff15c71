//! The statements with which Yubico's devices attest keys: certificates with extensions, which have an arc of
//! Yubico's for each kind of device.
//!
//! - A YubiKey's PIV application
//!   (<https://docs.yubico.com/yesdk/users-manual/application-piv/attestation.html>) attests only keys that
//!   were generated in it.
//! - A YubiHSM 2 (<https://docs.yubico.com/hardware/oid/oid-product-arc.html>) also attests imported keys and
//!   those that can leave it under a wrap key: the statement says so.

use der::Decode;
use der::asn1::{BitStringRef, ObjectIdentifier, OctetStringRef, Uint};
use num_bigint::BigUint;
use x509_cert::ext::Extension;

use super::Certificate;
use super::policy::{FormFactor, PinPolicy, TouchPolicy};

/// Which kind of device attests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Maker {
    YubiKey,
    YubiHsm,
}

/// The arc of a kind of device, and the numbers of the extensions below it.
struct Arcs {
    prefix: &'static str,
    firmware: &'static str,
    serial: &'static str,
    /// The extension that every statement has, and nothing else.
    mark: &'static str,
}

/// The mark says when the key requires the PIN and a touch.
const YUBIKEY: Arcs = Arcs { prefix: "1.3.6.1.4.1.41482.3.", firmware: "3", serial: "7", mark: "8" };
/// The mark is the key's origin.
const YUBIHSM: Arcs = Arcs { prefix: "1.3.6.1.4.1.41482.4.", firmware: "1", serial: "2", mark: "3" };
/// A YubiKey's form factor: one byte, with this bit set in a FIPS device.
const FORM_FACTOR: &str = "9";
const FORM_FACTOR_FIPS: u8 = 0x80;
/// A FIPS YubiKey has this extension, whatever its content.
const FIPS: &str = "10";
const HSM_CAPABILITIES: &str = "5";

/// A key that was generated in the device and has not been elsewhere since.
const GENERATED: u8 = 1;
/// The capability `exportable-under-wrap`.
const EXPORTABLE: u64 = 1 << 0x10;

/// What a statement says about its key.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Claims {
    pub(super) firmware: Option<String>,
    /// In decimal digits.
    pub(super) serial: Option<String>,
    pub(super) form_factor: Option<FormFactor>,
    /// Unknown if the statement has neither this nor a form factor.
    pub(super) fips: Option<bool>,
    pub(super) pin_policy: Option<PinPolicy>,
    pub(super) touch_policy: Option<TouchPolicy>,
    /// Whether the key was generated in the device.
    pub(super) was_made_there: bool,
    /// Whether it can leave it.
    pub(super) can_leave: bool,
}

impl Maker {
    const ALL: [Self; 2] = [Maker::YubiKey, Maker::YubiHsm];

    fn arcs(self) -> &'static Arcs {
        match self {
            Maker::YubiKey => &YUBIKEY,
            Maker::YubiHsm => &YUBIHSM,
        }
    }

    /// Which kind of device made the statement, if the certificate is one.
    pub(super) fn of_statement(certificate: &Certificate) -> Option<Self> {
        Maker::ALL.into_iter().find(|maker| value(certificate, *maker, maker.arcs().mark).is_some())
    }

    /// Whether the certificate says which firmware and, for a YubiHSM, which device it is.
    pub(super) fn names_device(self, certificate: &Certificate) -> bool {
        let has = |number| value(certificate, self, number).is_some();
        has(self.arcs().firmware) && (self == Maker::YubiKey || has(self.arcs().serial))
    }

    /// What a statement says that `device`, the certificate above it, signed.
    pub(super) fn claims(self, statement: &Certificate, device: &Certificate) -> Claims {
        let arcs = self.arcs();
        let claims = Claims {
            firmware: octets(statement, self, arcs.firmware, 3).map(in_parts),
            serial: value(statement, self, arcs.serial).map(|bytes| {
                Uint::from_der(bytes).map_or_else(
                    |_| in_parts(bytes),
                    |number| BigUint::from_bytes_be(number.as_bytes()).to_string(),
                )
            }),
            ..Claims::default()
        };
        match self {
            Maker::YubiKey => {
                let policies = octets(statement, self, arcs.mark, 2).unwrap_or_default();
                let form = octets(statement, self, FORM_FACTOR, 1).and_then(|bytes| bytes.first().copied());
                let is_fips = [statement, device].iter().any(|says| value(says, self, FIPS).is_some());
                Claims {
                    form_factor: form.map(|form| FormFactor::from_number(form & !FORM_FACTOR_FIPS)),
                    fips: if is_fips { Some(true) } else { form.map(|form| form & FORM_FACTOR_FIPS != 0) },
                    pin_policy: policies.first().copied().map(PinPolicy::from_number),
                    touch_policy: policies.get(1).copied().map(TouchPolicy::from_number),
                    was_made_there: true,
                    ..claims
                }
            }
            // What cannot be read proves nothing.
            Maker::YubiHsm => Claims {
                was_made_there: bits(statement, arcs.mark) == Some([GENERATED]),
                can_leave: bits(statement, HSM_CAPABILITIES)
                    .is_none_or(|capabilities| u64::from_be_bytes(capabilities) & EXPORTABLE != 0),
                ..claims
            },
        }
    }
}

/// Whether a certificate has any of Yubico's extensions.
pub(super) fn is_yubicos(certificate: &Certificate) -> bool {
    let is_below = |id: &str| Maker::ALL.iter().any(|maker| id.starts_with(maker.arcs().prefix));
    extensions(certificate).any(|extension| is_below(&extension.extn_id.to_string()))
}

fn extensions(certificate: &Certificate) -> impl Iterator<Item = &Extension> {
    certificate.x509.tbs_certificate().extensions().into_iter().flatten()
}

/// The content of an extension that usually has `usual` bytes: bare, as YubiKeys write them, or in an OCTET
/// STRING, as they should (<https://github.com/Yubico/yubico-piv-tool/issues/181>).
fn octets<'a>(certificate: &'a Certificate, maker: Maker, number: &str, usual: usize) -> Option<&'a [u8]> {
    let bytes = value(certificate, maker, number)?;
    let wrapped = <&OctetStringRef>::from_der(bytes).ok().filter(|_| bytes.len() != usual);
    Some(wrapped.map_or(bytes, OctetStringRef::as_bytes))
}

/// The bytes as numbers with dots between them.
fn in_parts(bytes: &[u8]) -> String {
    bytes.iter().map(ToString::to_string).collect::<Vec<_>>().join(".")
}

/// A YubiHSM's BIT STRING of this many whole bytes.
fn bits<const LENGTH: usize>(certificate: &Certificate, number: &str) -> Option<[u8; LENGTH]> {
    BitStringRef::from_der(value(certificate, Maker::YubiHsm, number)?).ok()?.as_bytes()?.try_into().ok()
}

fn value<'a>(certificate: &'a Certificate, maker: Maker, number: &str) -> Option<&'a [u8]> {
    let is_it = |id: ObjectIdentifier| id.to_string().strip_prefix(maker.arcs().prefix) == Some(number);
    let found = extensions(certificate).find(|extension| is_it(extension.extn_id));
    found.map(|extension| extension.extn_value.as_bytes())
}
