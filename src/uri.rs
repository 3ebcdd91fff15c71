//! `pkcs11:` URIs as RFC 7512 defines them: how keys, devices and modules are named.
//!
//! Parsed with [`str::parse`], printed with [`Display`](std::fmt::Display), compared with the `matches_*` methods.
//! Nothing here touches a file or a device.
//!
//! Where RFC 7512 leaves a choice, a URI is refused rather than read as something its author may not have meant:
//! a key is selected with it. In particular attribute names are case-sensitive, there are no empty attributes
//! (`;;`, a trailing `;` or `&`), and a standard attribute in the wrong half of the URI is an error.
//!
//! A URI may carry a PIN in `pin-value`. It is kept in a [`PinValue`] and appears in no output: neither `Display` nor
//! `Debug` prints it, no [`UriError`] quotes it, and [`redact()`] removes it from text that was never parsed.

mod advice;
mod attribute;
mod error;
mod matching;
mod parse;
mod percent;
mod print;
mod redact;
#[cfg(test)]
mod tests;

pub use error::UriError;
pub use matching::{Device, Library, Object, Slot, without_padding};
pub use redact::redact;

use secrecy::{ExposeSecret, SecretString};

/// A parsed `pkcs11:` URI (RFC 7512 section 2.3).
///
/// Every value is percent-decoded. `None` is an attribute that is absent and so matches anything; an empty value is an
/// attribute that is present and matches only what is empty. Values are bytes, which need not be UTF-8.
///
/// The default is the URI `pkcs11:`, which matches everything.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Uri {
    /// `library-manufacturer`: `manufacturerID` of `CK_INFO`.
    pub library_manufacturer: Option<Vec<u8>>,
    /// `library-description`: `libraryDescription` of `CK_INFO`.
    pub library_description: Option<Vec<u8>>,
    /// `library-version`: `libraryVersion` of `CK_INFO`, major and minor; a minor version left out is 0.
    pub library_version: Option<(u8, u8)>,
    /// `slot-manufacturer`: `manufacturerID` of `CK_SLOT_INFO`.
    pub slot_manufacturer: Option<Vec<u8>>,
    /// `slot-description`: `slotDescription` of `CK_SLOT_INFO`.
    pub slot_description: Option<Vec<u8>>,
    /// `slot-id`: the `CK_SLOT_ID`; 0 is a slot like any other.
    pub slot_id: Option<u64>,
    /// `token`: `label` of `CK_TOKEN_INFO`.
    pub token: Option<Vec<u8>>,
    /// `manufacturer`: `manufacturerID` of `CK_TOKEN_INFO`.
    pub manufacturer: Option<Vec<u8>>,
    /// `model`: `model` of `CK_TOKEN_INFO`.
    pub model: Option<Vec<u8>>,
    /// `serial`: `serialNumber` of `CK_TOKEN_INFO`, 16 bytes at most.
    pub serial: Option<Vec<u8>>,
    /// `object`: `CKA_LABEL`.
    pub object: Option<Vec<u8>>,
    /// `id`: `CKA_ID`.
    pub id: Option<Vec<u8>>,
    /// `type`: `CKA_CLASS`.
    pub object_type: Option<ObjectType>,
    /// Path attributes that are not known, in order. A URI with any of them matches no library, slot, device or
    /// object, because it asks for something that cannot be checked (RFC 7512 section 2.5); worth a warning.
    pub unknown: Vec<UnknownAttribute>,
    /// `pin-source`: where the PIN is to be read from. Not interpreted here (RFC 7512 section 2.4).
    pub pin_source: Option<Vec<u8>>,
    /// `pin-value`: the PIN itself. Never printed. A raw `&` ends it: one that is part of the PIN is `%26`.
    pub pin_value: Option<PinValue>,
    /// `module-name`: name of the PKCS#11 module without system-specific affixes.
    pub module_name: Option<Vec<u8>>,
    /// `module-path`: path of the PKCS#11 module. Not interpreted here.
    pub module_path: Option<Vec<u8>>,
    /// All other query attributes, in order; a name may be there several times (RFC 7512 section 2.3).
    pub vendor_query: Vec<(String, Vec<u8>)>,
}

/// A path attribute that is not known: vendor-specific, misspelt, or of a later standard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownAttribute {
    /// Its name, as written.
    pub name: String,
    /// Its value, percent-decoded.
    pub value: Vec<u8>,
}

/// Value of the `type` attribute (RFC 7512 section 2.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ObjectType {
    /// `public`: `CKO_PUBLIC_KEY`.
    Public,
    /// `private`: `CKO_PRIVATE_KEY`.
    Private,
    /// `cert`: `CKO_CERTIFICATE`.
    Certificate,
    /// `secret-key`: `CKO_SECRET_KEY`.
    SecretKey,
    /// `data`: `CKO_DATA`.
    Data,
}

impl ObjectType {
    pub(crate) const ALL: [Self; 5] =
        [Self::Public, Self::Private, Self::Certificate, Self::SecretKey, Self::Data];

    /// The value as it stands in a URI.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::Private => "private",
            Self::Certificate => "cert",
            Self::SecretKey => "secret-key",
            Self::Data => "data",
        }
    }
}

/// A PIN from the `pin-value` attribute. Wiped from memory when dropped; `Debug` shows nothing of it.
#[derive(Clone)]
pub struct PinValue(SecretString);

impl PinValue {
    /// Wraps a PIN.
    #[must_use]
    pub fn new(pin: SecretString) -> Self {
        Self(pin)
    }

    /// The PIN, for the login and nothing else.
    #[must_use]
    pub fn expose(&self) -> &SecretString {
        &self.0
    }
}

impl PartialEq for PinValue {
    fn eq(&self, other: &Self) -> bool {
        self.0.expose_secret() == other.0.expose_secret()
    }
}

impl Eq for PinValue {}
