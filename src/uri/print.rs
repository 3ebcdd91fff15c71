//! Prints a URI in one canonical form, newly encoded: the device, the library, the slot, then the object, so
//! that lists of URIs are easy to read.

use std::fmt::{self, Debug, Display, Formatter};

use super::percent::{Component, encode, encode_all};
use super::{ObjectType, PinValue, Uri};

/// Parses back to an equal URI, except for the PIN: `pin-value` is left out. Every byte of `id` is encoded, because it is
/// binary even where it looks like text (RFC 7512 section 2.3).
impl Display for Uri {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        out.write_str("pkcs11:")?;

        let mut path = Attributes { out, component: Component::Path, separator: "" };
        path.text("token", self.token.as_deref())?;
        path.text("manufacturer", self.manufacturer.as_deref())?;
        path.text("serial", self.serial.as_deref())?;
        path.text("model", self.model.as_deref())?;
        path.text("library-manufacturer", self.library_manufacturer.as_deref())?;
        if let Some((major, minor)) = self.library_version {
            write!(path.begin("library-version")?, "{major}.{minor}")?;
        }
        path.text("library-description", self.library_description.as_deref())?;
        path.text("slot-description", self.slot_description.as_deref())?;
        path.text("slot-manufacturer", self.slot_manufacturer.as_deref())?;
        if let Some(slot_id) = self.slot_id {
            write!(path.begin("slot-id")?, "{slot_id}")?;
        }
        path.text("object", self.object.as_deref())?;
        if let Some(id) = &self.id {
            encode_all(path.begin("id")?, id)?;
        }
        if let Some(object_type) = self.object_type {
            write!(path.begin("type")?, "{object_type}")?;
        }
        for attribute in &self.unknown {
            path.text(&attribute.name, Some(&attribute.value))?;
        }

        let mut query = Attributes { out, component: Component::Query, separator: "?" };
        query.text("pin-source", self.pin_source.as_deref())?;
        query.text("module-name", self.module_name.as_deref())?;
        query.text("module-path", self.module_path.as_deref())?;
        for (name, value) in &self.vendor_query {
            query.text(name, Some(value))?;
        }
        Ok(())
    }
}

impl Uri {
    /// The URI for a message: as `Display`, but without the values of unknown attributes. A PIN that was
    /// mistakenly written as `pin=…` is such a value.
    #[must_use]
    pub fn shown(&self) -> String {
        const HIDDEN: &[u8] = b"...";
        let mut shown = self.clone();
        for attribute in &mut shown.unknown {
            attribute.value = HIDDEN.to_vec();
        }
        for (_, value) in &mut shown.vendor_query {
            *value = HIDDEN.to_vec();
        }
        if self.pin_source.as_ref().is_some_and(|source| !source.contains(&b'/')) {
            shown.pin_source = Some(HIDDEN.to_vec());
        }
        shown.to_string()
    }
}

/// As `Display`, so that logging a structure that contains a URI does not reveal the PIN.
impl Debug for Uri {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        Display::fmt(self, out)
    }
}

impl Debug for PinValue {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        out.write_str("PinValue(…)")
    }
}

impl Display for ObjectType {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        out.pad(self.as_str())
    }
}

/// The attributes of one half of the URI while they are written.
struct Attributes<'a, 'b> {
    out: &'a mut Formatter<'b>,
    component: Component,
    /// What goes before the next attribute.
    separator: &'static str,
}

impl<'b> Attributes<'_, 'b> {
    /// Writes everything up to the value.
    fn begin(&mut self, name: &str) -> Result<&mut Formatter<'b>, fmt::Error> {
        write!(self.out, "{}{name}=", self.separator)?;
        self.separator = self.component.separator();
        Ok(self.out)
    }

    fn text(&mut self, name: &str, value: Option<&[u8]>) -> fmt::Result {
        let Some(value) = value else { return Ok(()) };
        let component = self.component;
        encode(self.begin(name)?, value, component)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reprinted(text: &str) -> String {
        text.parse::<Uri>().unwrap().to_string()
    }

    #[test]
    fn a_message_hides_what_may_be_a_misplaced_pin() {
        let uri: Uri =
            "pkcs11:token=t;pin=123456?pin-source=123456&pinvalue=123456&module-name=m".parse().unwrap();
        assert_eq!(uri.shown(), "pkcs11:token=t;pin=...?pin-source=...&module-name=m&pinvalue=...");
        let uri: Uri = "pkcs11:token=t?pin-source=file:/run/pin".parse().unwrap();
        assert_eq!(uri.shown(), uri.to_string());
    }

    #[test]
    fn attributes_are_printed_device_first_and_object_last() {
        assert_eq!(
            reprinted(
                "PKCS11:slot-id=0;x-a=1;id=%0a;type=private;object=k;library-version=3;serial=1;token=t\
                 ?module-name=m&x-b=2&pin-source=file:/p&x-b=1"
            ),
            "pkcs11:token=t;serial=1;library-version=3.0;slot-id=0;object=k;id=%0A;type=private;x-a=1\
             ?pin-source=file:/p&module-name=m&x-b=2&x-b=1"
        );
    }

    #[test]
    fn every_byte_of_an_id_is_encoded() {
        assert_eq!(reprinted("pkcs11:id=aB%00%ff"), "pkcs11:id=%61%42%00%FF");
    }

    #[test]
    fn values_are_encoded_only_where_they_must_be() {
        assert_eq!(
            reprinted("pkcs11:token=Snake%20Oil%2C%20Inc%2e%3b;object=%e1?module-path=%2Fa%20b%26"),
            "pkcs11:token=Snake%20Oil,%20Inc.%3B;object=%E1?module-path=/a%20b%26"
        );
    }

    #[test]
    fn no_printed_value_looks_like_a_pin_or_ends_a_shell_quote() {
        assert_eq!(reprinted("pkcs11:token=pin-value%3Dx'&$!"), "pkcs11:token=pin-value%3Dx%27%26%24%21");
    }

    #[test]
    fn empty_values_stay() {
        assert_eq!(reprinted("pkcs11:object=;id=?pin-source="), "pkcs11:object=;id=?pin-source=");
        assert_eq!(reprinted("pkcs11:?"), "pkcs11:");
    }

    #[test]
    fn the_pin_is_left_out_of_display_and_debug() {
        let uri: Uri = "pkcs11:token=t?pin-value=QXZQ&module-name=m".parse().unwrap();
        assert_eq!(uri.to_string(), "pkcs11:token=t?module-name=m");
        assert_eq!(format!("{uri:?}"), "pkcs11:token=t?module-name=m");
        assert_eq!(format!("{:?}", uri.pin_value), "Some(PinValue(…))");
        assert_eq!(reprinted("pkcs11:?pin-value=QXZQ"), "pkcs11:");
    }
}
