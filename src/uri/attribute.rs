//! One attribute of a URI: its name, its position, and what its value means (RFC 7512 section 2.3).

use std::str::FromStr;

use secrecy::SecretString;
use zeroize::Zeroizing;

use super::percent::{Component, Fault, decode};
use super::{ObjectType, PinValue, UriError};

const SERIAL_LENGTH: usize = 16;

pub(super) const PATH_ATTRIBUTES: [&str; 13] = [
    "token",
    "manufacturer",
    "serial",
    "model",
    "library-manufacturer",
    "library-version",
    "library-description",
    "object",
    "type",
    "id",
    "slot-description",
    "slot-manufacturer",
    "slot-id",
];
pub(super) const QUERY_ATTRIBUTES: [&str; 4] = ["pin-source", PIN_VALUE, "module-name", "module-path"];
pub(super) const PIN_VALUE: &str = "pin-value";
pub(super) const PIN_VALUE_EQUALS: &str = "pin-value=";

/// One `name=value`, not yet decoded.
pub(super) struct Attribute<'a> {
    pub(super) name: &'a str,
    raw: &'a str,
    /// Offset of the name in the URI.
    start: usize,
    component: Component,
    /// Whether it is at or after `pin-value=`, so that it may be part of a PIN with a raw `&`.
    secret: bool,
}

impl<'a> Attribute<'a> {
    fn new(text: &'a str, start: usize, component: Component, secret: bool) -> Result<Self, UriError> {
        if text.is_empty() {
            return Err(UriError::EmptyAttribute { position: start + 1 });
        }
        if let Some(at) = find_ignoring_case(text, PIN_VALUE_EQUALS).filter(|&at| at > 0) {
            return Err(UriError::PinWithinAttribute { position: start + at + 1 });
        }
        let (name, raw) = text.split_once('=').map_or((text, None), |(name, raw)| (name, Some(raw)));
        // `pk11-v-attr-nm-char`
        let misfit =
            name.find(|character: char| !character.is_ascii_alphanumeric() && !"-_".contains(character));
        if misfit.is_some() || name.is_empty() {
            return Err(UriError::Name { position: start + misfit.unwrap_or(0) + 1 });
        }
        let raw = raw.ok_or(UriError::MissingEquals { position: start + 1 })?;
        Ok(Self { name, raw, start, component, secret })
    }

    pub(super) fn position(&self) -> usize {
        self.start + 1
    }

    fn value_position(&self) -> usize {
        self.start + self.name.len() + "=".len() + 1
    }

    /// The name for an error message.
    fn shown_name(&self) -> String {
        match standard_name(self.name, &QUERY_ATTRIBUTES) {
            Some(name) => name.to_owned(),
            None if self.secret => "…".to_owned(),
            None => self.name.to_owned(),
        }
    }

    pub(super) fn duplicate(&self) -> UriError {
        UriError::Duplicate { attribute: self.shown_name(), position: self.position() }
    }

    fn decoded(&self) -> Result<Zeroizing<Vec<u8>>, UriError> {
        let attribute = || self.shown_name();
        decode(self.raw, self.component).map_err(|fault| match fault {
            Fault::Percent(at) => {
                UriError::Percent { attribute: attribute(), position: self.value_position() + at }
            }
            Fault::Character(at, character) => UriError::Character {
                attribute: attribute(),
                position: self.value_position() + at,
                character: (!self.secret).then_some(character),
            },
        })
    }

    pub(super) fn bytes(&self) -> Result<Vec<u8>, UriError> {
        Ok(std::mem::take(&mut *self.decoded()?))
    }

    pub(super) fn serial(&self) -> Result<Vec<u8>, UriError> {
        let serial = self.bytes()?;
        if serial.len() > SERIAL_LENGTH {
            return Err(UriError::Serial { position: self.value_position(), length: serial.len() });
        }
        Ok(serial)
    }

    pub(super) fn library_version(&self) -> Result<(u8, u8), UriError> {
        let value = self.bytes()?;
        let mut parts = value.splitn(2, |&byte| byte == b'.');
        let major = parts.next().and_then(decimal);
        let minor = parts.next().map_or(Some(0), decimal);
        major.zip(minor).ok_or(UriError::LibraryVersion { position: self.value_position() })
    }

    pub(super) fn object_type(&self) -> Result<ObjectType, UriError> {
        let value = self.bytes()?;
        ObjectType::ALL
            .into_iter()
            .find(|object_type| object_type.as_str().as_bytes() == value)
            .ok_or(UriError::Type { position: self.value_position() })
    }

    pub(super) fn slot_id(&self) -> Result<u64, UriError> {
        decimal(&self.bytes()?).ok_or(UriError::SlotId { position: self.value_position() })
    }

    pub(super) fn pin(&self) -> Result<PinValue, UriError> {
        let pin = self.decoded()?;
        match std::str::from_utf8(&pin) {
            Ok(pin) => Ok(PinValue::new(SecretString::from(pin))),
            // The cause is dropped: it would tell how much of the PIN is text.
            Err(_) => Err(UriError::PinNotUtf8 { position: self.value_position() }),
        }
    }
}

/// The attributes of one half of the URI, which begins at the offset `start`.
pub(super) fn attributes(
    text: &str,
    start: usize,
    component: Component,
    secret_from: usize,
) -> impl Iterator<Item = Result<Attribute<'_>, UriError>> {
    let mut next = start;
    text.split(component.separator()).filter(|_| !text.is_empty()).map(move |part| {
        let start = next;
        next += part.len() + component.separator().len();
        Attribute::new(part, start, component, start >= secret_from)
    })
}

/// `1*DIGIT`: `parse` alone would take a sign.
fn decimal<T: FromStr>(digits: &[u8]) -> Option<T> {
    let digits = std::str::from_utf8(digits).ok()?;
    if digits.bytes().all(|byte| byte.is_ascii_digit()) { digits.parse().ok() } else { None }
}

pub(super) fn standard_name(name: &str, names: &[&'static str]) -> Option<&'static str> {
    names.iter().copied().find(|standard| standard.eq_ignore_ascii_case(name))
}

pub(super) fn find_ignoring_case(text: &str, wanted: &str) -> Option<usize> {
    text.as_bytes().windows(wanted.len()).position(|window| window.eq_ignore_ascii_case(wanted.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::super::Uri;
    use super::*;

    fn uri(text: &str) -> Uri {
        text.parse().unwrap()
    }

    fn error(text: &str) -> UriError {
        text.parse::<Uri>().unwrap_err()
    }

    #[test]
    fn bad_percent_encoding_is_reported_where_it_is() {
        for text in ["pkcs11:token=a%zz", "pkcs11:token=a%4", "pkcs11:token=a%"] {
            assert_eq!(error(text), UriError::Percent { attribute: "token".into(), position: 15 }, "{text}");
        }
    }

    #[test]
    fn only_the_five_types_are_read() {
        for object_type in ObjectType::ALL {
            assert_eq!(uri(&format!("pkcs11:type={object_type}")).object_type, Some(object_type));
        }
        for text in ["pkcs11:type=foo", "pkcs11:type=", "pkcs11:type=Private"] {
            assert_eq!(error(text), UriError::Type { position: 13 }, "{text}");
        }
    }

    #[test]
    fn a_slot_id_is_a_number_and_may_be_zero() {
        assert_eq!(uri("pkcs11:slot-id=0").slot_id, Some(0));
        assert_eq!(uri("pkcs11:slot-id=18446744073709551615").slot_id, Some(u64::MAX));
        for bad in ["", "+1", "-1", "0x1", "1.0", "18446744073709551616"] {
            assert_eq!(error(&format!("pkcs11:slot-id={bad}")), UriError::SlotId { position: 16 }, "{bad}");
        }
    }

    #[test]
    fn a_library_version_is_two_bytes() {
        assert_eq!(uri("pkcs11:library-version=2.40").library_version, Some((2, 40)));
        assert_eq!(uri("pkcs11:library-version=3").library_version, Some((3, 0)));
        for bad in ["", "300.1", "1.300", "1.", ".1", "1.2.3", "+1.2", "1.x"] {
            let text = format!("pkcs11:library-version={bad}");
            assert_eq!(error(&text), UriError::LibraryVersion { position: 24 }, "{bad}");
        }
    }

    #[test]
    fn an_id_is_bytes() {
        assert_eq!(uri("pkcs11:id=%00%ff").id, Some(vec![0, 0xff]));
        assert_eq!(uri("pkcs11:id=").id, Some(vec![]));
    }

    #[test]
    fn a_serial_has_at_most_16_bytes() {
        assert!(uri("pkcs11:serial=0123456789abcde%66").serial.is_some());
        assert_eq!(error("pkcs11:serial=0123456789abcdef0"), UriError::Serial { position: 15, length: 17 });
    }

    #[test]
    fn raw_spaces_fragments_and_slashes_are_refused() {
        for character in [' ', '#', '/', '"'] {
            let expected =
                UriError::Character { attribute: "token".into(), position: 15, character: Some(character) };
            assert_eq!(error(&format!("pkcs11:token=a{character}b")), expected);
        }
        assert_eq!(error("pkcs11:token=a; object=b"), UriError::Name { position: 16 });
        assert_eq!(error("pkcs11:#"), UriError::Name { position: 8 });
    }

    #[test]
    fn attributes_need_a_name_and_an_equals_sign() {
        assert_eq!(error("pkcs11:token"), UriError::MissingEquals { position: 8 });
        assert_eq!(error("pkcs11:=t"), UriError::Name { position: 8 });
        for (text, position) in
            [("pkcs11:;", 8), ("pkcs11:id=;", 12), ("pkcs11:id=;;type=cert", 12), ("pkcs11:?&", 9)]
        {
            assert_eq!(error(text), UriError::EmptyAttribute { position }, "{text}");
        }
    }
}
