//! What Yubico's devices write into the certificates by which they attest keys: extensions below an arc of Yubico's for each
//! kind of device.
//!
//! - A YubiKey's PIV application (<https://docs.yubico.com/yesdk/users-manual/application-piv/attestation.html>), for keys
//!   that were made in it and no others.
//! - A YubiHSM 2 (<https://docs.yubico.com/hardware/oid/oid-product-arc.html>), for imported keys too, and for those that can
//!   leave it under a wrap key: the statement says so.

use der::Decode;
use der::asn1::{BitStringRef, ObjectIdentifier, OctetStringRef};
use x509_cert::ext::Extension;

use super::Certificate;
use super::policy::{PinPolicy, TouchPolicy};

/// Which kind of device attests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Maker {
    YubiKey,
    YubiHsm,
}

/// The arc of a kind of device, and the numbers of its extensions below it.
struct Arcs {
    prefix: &'static str,
    firmware: &'static str,
    serial: &'static str,
    /// Every statement has it, and nothing else does.
    mark: &'static str,
}

/// The mark says when the key wants the PIN and a touch.
const YUBIKEY: Arcs = Arcs { prefix: "1.3.6.1.4.1.41482.3.", firmware: "3", serial: "7", mark: "8" };
/// The mark is the key's origin.
const YUBIHSM: Arcs = Arcs { prefix: "1.3.6.1.4.1.41482.4.", firmware: "1", serial: "2", mark: "3" };
const HSM_CAPABILITIES: &str = "5";

/// A key that was made in the device, and has not been elsewhere since.
const GENERATED: u8 = 1;
/// The capability `exportable-under-wrap`.
const EXPORTABLE: u64 = 1 << 0x10;

/// What a statement says of its key.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Claims {
    pub(super) firmware: Option<String>,
    pub(super) serial: Option<u32>,
    pub(super) pin_policy: Option<PinPolicy>,
    pub(super) touch_policy: Option<TouchPolicy>,
    /// Whether the key was made in the device.
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

    /// Whose statement the certificate is, if it is one.
    pub(super) fn of_statement(certificate: &Certificate) -> Option<Self> {
        Maker::ALL.into_iter().find(|maker| value(certificate, *maker, maker.arcs().mark).is_some())
    }

    /// Whether the certificate says which firmware and, for a YubiHSM, which device it is.
    pub(super) fn names_device(self, certificate: &Certificate) -> bool {
        let has = |number| value(certificate, self, number).is_some();
        has(self.arcs().firmware) && (self == Maker::YubiKey || has(self.arcs().serial))
    }

    /// What a statement says.
    pub(super) fn claims(self, statement: &Certificate) -> Claims {
        let arcs = self.arcs();
        let claims = Claims {
            firmware: octets(statement, self, arcs.firmware)
                .map(|[major, minor, patch]| format!("{major}.{minor}.{patch}")),
            serial: value(statement, self, arcs.serial).and_then(|bytes| u32::from_der(bytes).ok()),
            ..Claims::default()
        };
        match self {
            Maker::YubiKey => {
                let policies = octets(statement, self, arcs.mark);
                Claims {
                    pin_policy: policies.and_then(|[pin, _]| PinPolicy::from_number(pin)),
                    touch_policy: policies.and_then(|[_, touch]| TouchPolicy::from_number(touch)),
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

/// The bytes of an extension of so many: as they are, which is how YubiKeys write them, or in an OCTET STRING, which is how
/// it should be (<https://github.com/Yubico/yubico-piv-tool/issues/181>).
fn octets<const LENGTH: usize>(
    certificate: &Certificate,
    maker: Maker,
    number: &str,
) -> Option<[u8; LENGTH]> {
    let bytes = value(certificate, maker, number)?;
    let wrapped = || <&OctetStringRef>::from_der(bytes).ok()?.as_bytes().try_into().ok();
    bytes.try_into().ok().or_else(wrapped)
}

/// A YubiHSM's BIT STRING of so many whole bytes.
fn bits<const LENGTH: usize>(certificate: &Certificate, number: &str) -> Option<[u8; LENGTH]> {
    BitStringRef::from_der(value(certificate, Maker::YubiHsm, number)?).ok()?.as_bytes()?.try_into().ok()
}

fn value<'a>(certificate: &'a Certificate, maker: Maker, number: &str) -> Option<&'a [u8]> {
    let is_it = |id: ObjectIdentifier| id.to_string().strip_prefix(maker.arcs().prefix) == Some(number);
    let found = extensions(certificate).find(|extension| is_it(extension.extn_id));
    found.map(|extension| extension.extn_value.as_bytes())
}
