//! Parses the text of a URI (RFC 7512 section 2.3).

use std::str::FromStr;

use super::attribute::{
    Attribute, PATH_ATTRIBUTES, PIN_VALUE, PIN_VALUE_EQUALS, QUERY_ATTRIBUTES, attributes,
    find_ignoring_case, standard_name,
};
use super::percent::Component;
use super::{UnknownAttribute, Uri, UriError};

const SCHEME: &str = "pkcs11:";

impl FromStr for Uri {
    type Err = UriError;

    fn from_str(text: &str) -> Result<Self, UriError> {
        let rest = match text.split_at_checked(SCHEME.len()) {
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case(SCHEME) => rest,
            _ => return Err(UriError::Scheme),
        };
        if rest.starts_with("//") {
            return Err(UriError::Authority { position: SCHEME.len() + 1 });
        }
        let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
        let query_start = SCHEME.len() + path.len() + 1;

        // This comes before anything else looks at the path, because what that would quote could be the PIN.
        if let Some(at) = find_ignoring_case(path, PIN_VALUE_EQUALS) {
            return Err(UriError::InPath { attribute: PIN_VALUE, position: SCHEME.len() + at + 1 });
        }
        let secret_from =
            find_ignoring_case(query, PIN_VALUE_EQUALS).map_or(usize::MAX, |at| query_start + at);

        let mut uri = Self::default();
        for attribute in attributes(path, SCHEME.len(), Component::Path, usize::MAX) {
            uri.set_path_attribute(&attribute?)?;
        }
        for attribute in attributes(query, query_start, Component::Query, secret_from) {
            uri.set_query_attribute(&attribute?)?;
        }
        Ok(uri)
    }
}

impl Uri {
    fn set_path_attribute(&mut self, attribute: &Attribute<'_>) -> Result<(), UriError> {
        match attribute.name {
            "token" => set(&mut self.token, attribute, Attribute::bytes),
            "manufacturer" => set(&mut self.manufacturer, attribute, Attribute::bytes),
            "serial" => set(&mut self.serial, attribute, Attribute::serial),
            "model" => set(&mut self.model, attribute, Attribute::bytes),
            "library-manufacturer" => set(&mut self.library_manufacturer, attribute, Attribute::bytes),
            "library-version" => set(&mut self.library_version, attribute, Attribute::library_version),
            "library-description" => set(&mut self.library_description, attribute, Attribute::bytes),
            "object" => set(&mut self.object, attribute, Attribute::bytes),
            "type" => set(&mut self.object_type, attribute, Attribute::object_type),
            "id" => set(&mut self.id, attribute, Attribute::bytes),
            "slot-description" => set(&mut self.slot_description, attribute, Attribute::bytes),
            "slot-manufacturer" => set(&mut self.slot_manufacturer, attribute, Attribute::bytes),
            "slot-id" => set(&mut self.slot_id, attribute, Attribute::slot_id),
            name => {
                if let Some(attribute_name) = standard_name(name, &QUERY_ATTRIBUTES) {
                    return Err(UriError::InPath {
                        attribute: attribute_name,
                        position: attribute.position(),
                    });
                }
                if self.unknown.iter().any(|known| known.name == name) {
                    return Err(attribute.duplicate());
                }
                self.unknown.push(UnknownAttribute { name: name.to_owned(), value: attribute.bytes()? });
                Ok(())
            }
        }
    }

    fn set_query_attribute(&mut self, attribute: &Attribute<'_>) -> Result<(), UriError> {
        match attribute.name {
            "pin-source" => set(&mut self.pin_source, attribute, Attribute::bytes)?,
            PIN_VALUE => set(&mut self.pin_value, attribute, Attribute::pin)?,
            "module-name" => set(&mut self.module_name, attribute, Attribute::bytes)?,
            "module-path" => set(&mut self.module_path, attribute, Attribute::bytes)?,
            name => {
                let position = attribute.position();
                if let Some(attribute) = standard_name(name, &QUERY_ATTRIBUTES) {
                    return Err(UriError::Case { attribute, position });
                }
                if let Some(attribute) = standard_name(name, &PATH_ATTRIBUTES) {
                    return Err(UriError::InQuery { attribute, position });
                }
                self.vendor_query.push((name.to_owned(), attribute.bytes()?));
            }
        }
        if self.pin_source.is_some() && self.pin_value.is_some() {
            return Err(UriError::TwoPins { position: attribute.position() });
        }
        Ok(())
    }
}

/// Sets the field of an attribute that may occur only once.
fn set<'a, T>(
    field: &mut Option<T>,
    attribute: &Attribute<'a>,
    value: fn(&Attribute<'a>) -> Result<T, UriError>,
) -> Result<(), UriError> {
    if field.is_some() {
        return Err(attribute.duplicate());
    }
    *field = Some(value(attribute)?);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uri(text: &str) -> Uri {
        text.parse().unwrap()
    }

    fn error(text: &str) -> UriError {
        text.parse::<Uri>().unwrap_err()
    }

    #[test]
    fn the_scheme_is_read_in_any_case() {
        assert_eq!(uri("PKCS11:token=t"), uri("pkcs11:token=t"));
        for text in ["", "pkcs11", "pkcs12:", " pkcs11:", "token=t", "éééé"] {
            assert_eq!(error(text), UriError::Scheme, "{text}");
        }
    }

    #[test]
    fn the_scheme_alone_is_a_uri() {
        assert_eq!(uri("pkcs11:"), Uri::default());
        assert_eq!(uri("pkcs11:?"), Uri::default());
    }

    #[test]
    fn no_path_attribute_may_be_there_twice() {
        for (text, attribute, position) in [
            ("pkcs11:id=%01;id=%01", "id", 15),
            ("pkcs11:type=cert;type=bad", "type", 18),
            ("pkcs11:x-a=1;x-a=2", "x-a", 14),
        ] {
            assert_eq!(error(text), UriError::Duplicate { attribute: attribute.into(), position }, "{text}");
        }
    }

    #[test]
    fn a_standard_query_attribute_may_not_be_there_twice() {
        for name in QUERY_ATTRIBUTES {
            let text = format!("pkcs11:?{name}=a&{name}=b");
            let position = 12 + name.len();
            assert_eq!(error(&text), UriError::Duplicate { attribute: name.into(), position });
        }
    }

    #[test]
    fn vendor_query_attributes_keep_all_their_values() {
        let expected = [("x-a", "1"), ("other", ""), ("x-a", "2")].map(|(n, v)| (n.to_owned(), v.into()));
        assert_eq!(uri("pkcs11:?x-a=1&other=&x-a=2").vendor_query, expected);
    }

    #[test]
    fn an_unknown_path_attribute_is_kept() {
        let expected = UnknownAttribute { name: "Token".into(), value: b"a b".to_vec() };
        assert_eq!(uri("pkcs11:Token=a%20b").unknown, [expected]);
    }

    #[test]
    fn an_attribute_in_the_wrong_half_is_refused() {
        let attribute = "module-path";
        assert_eq!(error("pkcs11:module-path=/m"), UriError::InPath { attribute, position: 8 });
        let attribute = "object";
        assert_eq!(error("pkcs11:?object=k"), UriError::InQuery { attribute, position: 9 });
    }

    #[test]
    fn a_standard_query_attribute_in_upper_case_is_refused() {
        assert_eq!(error("pkcs11:?Module-Name=m"), UriError::Case { attribute: "module-name", position: 9 });
    }

    #[test]
    fn two_ways_to_the_pin_are_refused() {
        assert_eq!(error("pkcs11:?pin-source=a&pin-value=b"), UriError::TwoPins { position: 22 });
        assert_eq!(error("pkcs11:?pin-value=b&pin-source=a"), UriError::TwoPins { position: 21 });
    }
}
