//! Compares what a URI names with what a module reports (RFC 7512 section 2.5).
//!
//! Values are compared as decoded bytes, case-sensitively. An attribute that is absent matches anything.

use std::path::Path;

use super::{ObjectType, Uri};

/// What a module reports in `CK_INFO`. Trailing blanks of the fields do not count.
#[derive(Debug, Clone, Copy)]
pub struct Library<'a> {
    /// `manufacturerID`.
    pub manufacturer: &'a [u8],
    /// `libraryDescription`.
    pub description: &'a [u8],
    /// `libraryVersion`, major and minor.
    pub version: (u8, u8),
}

/// A slot and its `CK_SLOT_INFO`. Trailing blanks of the fields do not count.
#[derive(Debug, Clone, Copy)]
pub struct Slot<'a> {
    /// The `CK_SLOT_ID`.
    pub id: u64,
    /// `manufacturerID`.
    pub manufacturer: &'a [u8],
    /// `slotDescription`.
    pub description: &'a [u8],
}

/// The `CK_TOKEN_INFO` of a device. Trailing blanks of the fields do not count.
#[derive(Debug, Clone, Copy)]
pub struct Device<'a> {
    /// `label`; the URI calls it `token`.
    pub label: &'a [u8],
    /// `manufacturerID`.
    pub manufacturer: &'a [u8],
    /// `model`.
    pub model: &'a [u8],
    /// `serialNumber`.
    pub serial: &'a [u8],
}

/// An object on a device. Its attributes are not padded and are compared in full.
#[derive(Debug, Clone, Copy)]
pub struct Object<'a> {
    /// `CKA_CLASS`.
    pub object_type: ObjectType,
    /// `CKA_LABEL`; `None` where the object has none, which is not the empty label.
    pub label: Option<&'a [u8]>,
    /// `CKA_ID`; `None` where the object has none, which is not the empty id.
    pub id: Option<&'a [u8]>,
}

impl Uri {
    /// Whether the `library-*` attributes match.
    #[must_use]
    pub fn matches_library(&self, library: &Library<'_>) -> bool {
        self.unknown.is_empty()
            && field(self.library_manufacturer.as_deref(), library.manufacturer)
            && field(self.library_description.as_deref(), library.description)
            && self.library_version.is_none_or(|version| version == library.version)
    }

    /// Whether the `slot-*` attributes match.
    #[must_use]
    pub fn matches_slot(&self, slot: &Slot<'_>) -> bool {
        self.unknown.is_empty()
            && field(self.slot_manufacturer.as_deref(), slot.manufacturer)
            && field(self.slot_description.as_deref(), slot.description)
            && self.slot_id.is_none_or(|id| id == slot.id)
    }

    /// Whether `token`, `manufacturer`, `model` and `serial` match.
    #[must_use]
    pub fn matches_device(&self, device: &Device<'_>) -> bool {
        self.unknown.is_empty()
            && field(self.token.as_deref(), device.label)
            && field(self.manufacturer.as_deref(), device.manufacturer)
            && field(self.model.as_deref(), device.model)
            && field(self.serial.as_deref(), device.serial)
    }

    /// Whether `object`, `id` and `type` match.
    #[must_use]
    pub fn matches_object(&self, object: &Object<'_>) -> bool {
        self.object_type.is_none_or(|object_type| object_type == object.object_type)
            && self.matches_object_name(object.label, object.id)
    }

    /// Whether `object` and `id` match, whatever `type` says: to find the certificate or public key that
    /// belongs to the private key a URI names.
    #[must_use]
    pub fn matches_object_name(&self, label: Option<&[u8]>, id: Option<&[u8]>) -> bool {
        self.unknown.is_empty()
            && self.object.as_deref().is_none_or(|wanted| label == Some(wanted))
            && self.id.as_deref().is_none_or(|wanted| id == Some(wanted))
    }

    /// Whether `module-name` matches a module (RFC 7512 section 2.3).
    ///
    /// It is compared, ignoring the case of ASCII letters, with the name under which p11-kit has the module
    /// configured, with its file name, and with its file name without `lib`; the latter two without `.so`,
    /// `.so.1.2`, `.dll` or `.dylib`.
    #[must_use]
    pub fn matches_module_name(&self, configured_name: Option<&str>, path: &Path) -> bool {
        let Some(wanted) = self.module_name.as_deref() else { return true };
        let file = path.file_name().map_or(&b""[..], |name| name.as_encoded_bytes());
        let stem = without_suffix(file);
        let bare = match stem.split_at_checked(3) {
            Some((prefix, rest)) if prefix.eq_ignore_ascii_case(b"lib") => rest,
            _ => stem,
        };
        let names = [configured_name.map(str::as_bytes), Some(stem), Some(bare)];
        names.into_iter().flatten().any(|name| !name.is_empty() && name.eq_ignore_ascii_case(wanted))
    }

    /// Whether any attribute restricts the device or its slot.
    #[must_use]
    pub fn names_device(&self) -> bool {
        self.token.is_some()
            || self.manufacturer.is_some()
            || self.model.is_some()
            || self.serial.is_some()
            || self.slot_manufacturer.is_some()
            || self.slot_description.is_some()
            || self.slot_id.is_some()
    }

    /// Whether `object` or `id` is present.
    #[must_use]
    pub fn names_object(&self) -> bool {
        self.object.is_some() || self.id.is_some()
    }

    /// Whether `module-name` or `module-path` is present.
    #[must_use]
    pub fn names_module(&self) -> bool {
        self.module_name.is_some() || self.module_path.is_some()
    }
}

/// Compares with a field of fixed width, both without their padding: trailing blanks and NULs in `wanted`
/// cannot be told from padding, and p11tool prints them as `%00`.
fn field(wanted: Option<&[u8]>, field: &[u8]) -> bool {
    wanted.is_none_or(|wanted| without_padding(wanted) == without_padding(field))
}

/// A field of fixed width up to its first NUL, and without the blanks at its end. PKCS#11 pads with blanks; some modules end
/// the text with a NUL, after which anything may follow.
#[must_use]
pub fn without_padding(field: &[u8]) -> &[u8] {
    let mut field = field.split(|byte| *byte == 0).next().unwrap_or_default();
    while let [rest @ .., b' '] = field {
        field = rest;
    }
    field
}

/// A file name up to its `.so`, `.so.1.2`, `.dll` or `.dylib`, or all of it.
fn without_suffix(file: &[u8]) -> &[u8] {
    (0..file.len())
        .find(|&at| {
            let suffix = file[at..].to_ascii_lowercase();
            suffix == b".dll"
                || suffix == b".dylib"
                || suffix.strip_prefix(b".so").is_some_and(|version| {
                    version.is_empty()
                        || version.starts_with(b".")
                            && version.iter().all(|&byte| byte == b'.' || byte.is_ascii_digit())
                })
        })
        .map_or(file, |at| &file[..at])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uri(text: &str) -> Uri {
        text.parse().unwrap()
    }

    const LIBRARY: Library<'_> =
        Library { manufacturer: b"SoftHSM  ", description: b"Implementation of PKCS11 ", version: (2, 6) };
    const SLOT: Slot<'_> = Slot { id: 0, manufacturer: b"Yubico    ", description: b"Reader 0  " };
    const DEVICE: Device<'_> = Device {
        label: b"YubiKey PIV #1  ",
        manufacturer: b"Yubico (www.yubico.com) ",
        model: b"YubiKey YK5",
        serial: b"1 ",
    };
    const OBJECT: Object<'_> =
        Object { object_type: ObjectType::Private, label: Some(b"k "), id: Some(b"\0\xff") };

    #[test]
    fn the_bare_scheme_matches_everything_and_names_nothing() {
        let all = uri("pkcs11:");
        assert!(all.matches_library(&LIBRARY) && all.matches_slot(&SLOT) && all.matches_device(&DEVICE));
        assert!(all.matches_object(&OBJECT) && all.matches_module_name(None, Path::new("")));
        assert!(!all.names_device() && !all.names_object() && !all.names_module());
    }

    #[test]
    fn padding_of_information_fields_does_not_count() {
        assert!(uri("pkcs11:token=YubiKey%20PIV%20%231").matches_device(&DEVICE));
        assert!(uri("pkcs11:token=YubiKey%20PIV%20%231%20").matches_device(&DEVICE));
        assert!(uri("pkcs11:serial=1;model=YubiKey%20YK5").matches_device(&DEVICE));
        assert!(uri("pkcs11:library-manufacturer=SoftHSM;library-version=2.6").matches_library(&LIBRARY));
        assert!(uri("pkcs11:slot-manufacturer=Yubico;slot-description=Reader%200").matches_slot(&SLOT));
        assert!(uri("pkcs11:serial=").matches_device(&Device { serial: b"    ", ..DEVICE }));
    }

    #[test]
    fn what_is_behind_a_nul_does_not_count_on_either_side() {
        let device = Device { label: b"officer\0\0\xffrest", model: b"TPM \0", ..DEVICE };
        assert!(uri("pkcs11:token=officer").matches_device(&device));
        assert!(uri("pkcs11:token=officer%00%00").matches_device(&device));
        assert!(uri("pkcs11:token=officer;model=TPM%00%00").matches_device(&device));
        assert!(!uri("pkcs11:token=office").matches_device(&device));
        assert!(!uri("pkcs11:token=%00officer").matches_device(&device));
        assert!(uri("pkcs11:serial=1%00").matches_device(&DEVICE));
    }

    #[test]
    fn one_attribute_that_differs_is_enough_not_to_match() {
        assert!(!uri("pkcs11:token=yubikey%20piv%20%231").matches_device(&DEVICE));
        assert!(!uri("pkcs11:token=YubiKey%20PIV%20%231;serial=2").matches_device(&DEVICE));
        assert!(!uri("pkcs11:serial=").matches_device(&DEVICE));
        assert!(!uri("pkcs11:manufacturer=Yubico").matches_device(&DEVICE));
        assert!(!uri("pkcs11:model=YK5").matches_device(&DEVICE));
        assert!(!uri("pkcs11:library-version=2.5").matches_library(&LIBRARY));
        assert!(!uri("pkcs11:library-description=x").matches_library(&LIBRARY));
        assert!(!uri("pkcs11:slot-id=1").matches_slot(&SLOT));
    }

    #[test]
    fn slot_zero_is_a_slot() {
        assert!(uri("pkcs11:slot-id=0").matches_slot(&SLOT));
        assert!(!uri("pkcs11:slot-id=0").matches_slot(&Slot { id: 1, ..SLOT }));
        assert!(uri("pkcs11:slot-id=0").names_device());
    }

    #[test]
    fn object_attributes_are_compared_whole() {
        assert!(uri("pkcs11:object=k%20;id=%00%ff;type=private").matches_object(&OBJECT));
        assert!(!uri("pkcs11:object=k").matches_object(&OBJECT));
        assert!(!uri("pkcs11:id=%00").matches_object(&OBJECT));
        assert!(!uri("pkcs11:type=cert").matches_object(&OBJECT));
        assert!(uri("pkcs11:id=%00%ff;type=cert").matches_object_name(OBJECT.label, OBJECT.id));
    }

    #[test]
    fn an_empty_object_matches_the_empty_label_alone() {
        let empty = uri("pkcs11:object=");
        assert!(empty.names_object());
        assert!(empty.matches_object_name(Some(b""), None));
        assert!(!empty.matches_object_name(Some(b"k"), None));
        assert!(!empty.matches_object_name(None, None));
    }

    #[test]
    fn values_that_are_not_utf_8_are_compared_as_bytes() {
        assert!(uri("pkcs11:token=%ff%fe").matches_device(&Device { label: b"\xff\xfe  ", ..DEVICE }));
        assert!(!uri("pkcs11:token=%ff%fe").matches_device(&Device { label: b"\xff\xfd", ..DEVICE }));
    }

    #[test]
    fn an_unknown_attribute_matches_nothing() {
        let unknown = uri("pkcs11:tokne=YubiKey");
        assert!(!unknown.matches_library(&LIBRARY) && !unknown.matches_slot(&SLOT));
        assert!(!unknown.matches_device(&DEVICE) && !unknown.matches_object(&OBJECT));
        assert!(!unknown.matches_object_name(OBJECT.label, OBJECT.id));
    }

    #[test]
    fn a_module_is_named_without_affixes_and_in_any_case() {
        for (name, file) in [
            ("softhsm2", "/usr/lib/softhsm/libsofthsm2.so"),
            ("libsofthsm2", "/usr/lib/softhsm/libsofthsm2.so"),
            ("SoftHSM2", "libsofthsm2.so"),
            ("ykcs11", "libykcs11.so.2.5.2"),
            ("opensc-pkcs11", "opensc-pkcs11.so"),
            ("opensc-pkcs11", "OpenSC-PKCS11.DLL"),
            ("ykcs11.2", "libykcs11.2.dylib"),
        ] {
            let uri = uri(&format!("pkcs11:?module-name={name}"));
            assert!(uri.matches_module_name(None, Path::new(file)), "{name} {file}");
        }
    }

    #[test]
    fn a_module_is_named_as_p11_kit_has_it_configured() {
        let named = uri("pkcs11:?module-name=yubikey");
        assert!(named.matches_module_name(Some("YubiKey"), Path::new("/usr/lib/libykcs11.so")));
        assert!(!named.matches_module_name(Some("softhsm2"), Path::new("/usr/lib/libykcs11.so")));
        assert!(uri("pkcs11:?module-name=ykcs11").matches_module_name(Some("y"), Path::new("libykcs11.so")));
    }

    #[test]
    fn neither_part_of_a_name_nor_an_empty_name_names_a_module() {
        for name in ["", "soft", "softhsm2.so", "softhsm2%00"] {
            let uri = uri(&format!("pkcs11:?module-name={name}"));
            assert!(!uri.matches_module_name(Some(""), Path::new("/lib/libsofthsm2.so")), "{name}");
            assert!(!uri.matches_module_name(None, Path::new("/lib/lib.so")), "{name}");
        }
    }
}
