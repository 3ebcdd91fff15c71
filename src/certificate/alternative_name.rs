//! Names for subjectAltName (RFC 5280 section 4.2.1.6), as people write them.

mod uri;

use std::net::IpAddr;

use der::asn1::{Ia5String, ObjectIdentifier, Utf8StringRef};
use der::{Any, Encode};
use x509_cert::ext::pkix::name::{GeneralName, OtherName};

use crate::error::{Exit, Explain};

/// Microsoft's userPrincipalName ([MS-WCCE] section 2.2.2.7.7.4), from which Active Directory knows a
/// certificate's owner.
const USER_PRINCIPAL_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.311.20.2.3");

/// The kinds of names that a certificate request can ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameKind {
    /// dNSName.
    Dns,
    /// iPAddress.
    Ip,
    /// rfc822Name.
    Email,
    /// uniformResourceIdentifier.
    Uri,
    /// otherName, a userPrincipalName.
    Upn,
}

/// One name, valid for its kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlternativeName {
    kind: NameKind,
    text: String,
    /// What it is compared by: names that mean the same have one key.
    key: String,
    encoded: GeneralName,
}

/// The names of one certificate, without duplicates.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AlternativeNames(Vec<AlternativeName>);

impl AlternativeName {
    /// Reads a name of this kind.
    ///
    /// # Errors
    /// [`AlternativeNameError::Malformed`] says why a certificate cannot hold it.
    pub fn new(kind: NameKind, text: &str) -> Result<Self, AlternativeNameError> {
        let malformed = |reason| AlternativeNameError::Malformed { kind, text: text.to_owned(), reason };
        let ascii = |make: fn(Ia5String) -> GeneralName| {
            Ia5String::new(text).map(make).map_err(|_| malformed("it is not ASCII"))
        };
        let (key, encoded) = match kind {
            NameKind::Dns => {
                check_dns_pattern(text).map_err(malformed)?;
                (text.to_ascii_lowercase(), ascii(GeneralName::DnsName)?)
            }
            NameKind::Ip => {
                let address = ip_address(text).map_err(malformed)?;
                (address.to_string(), GeneralName::from(address))
            }
            NameKind::Email => {
                let (local, domain) = check_email(text).map_err(malformed)?;
                (format!("{local}@{}", domain.to_ascii_lowercase()), ascii(GeneralName::Rfc822Name)?)
            }
            NameKind::Uri => {
                uri::check(text).map_err(malformed)?;
                (text.to_owned(), ascii(GeneralName::UniformResourceIdentifier)?)
            }
            NameKind::Upn => {
                check_upn(text).map_err(malformed)?;
                let value = Utf8StringRef::new(text).and_then(|text| Any::encode_from(&text));
                let value = value.map_err(|_| malformed("it is too long"))?;
                let name = OtherName { type_id: USER_PRINCIPAL_NAME, value };
                (text.to_lowercase(), GeneralName::OtherName(name))
            }
        };
        // Nothing longer than 256 MiB can be encoded.
        encoded.to_der().map_err(|_| malformed("it is too long"))?;
        Ok(AlternativeName { kind, text: text.to_owned(), key, encoded })
    }

    /// As it was written.
    pub fn text(&self) -> &str {
        &self.text
    }
}

impl AlternativeNames {
    /// Appends a name; false if it is there already.
    ///
    /// # Errors
    /// [`AlternativeNameError::SeveralUris`]: a SPIFFE ID is the only URI of its certificate.
    pub fn add(&mut self, name: AlternativeName) -> Result<bool, AlternativeNameError> {
        let is_same = |other: &AlternativeName| other.kind == name.kind && other.key == name.key;
        if self.0.iter().any(is_same) {
            return Ok(false);
        }
        self.0.push(name);
        let mut uris = self.0.iter().filter(|name| name.kind == NameKind::Uri);
        if let Some(spiffe_id) = uris.clone().find(|name| uri::is_spiffe(&name.text))
            && let Some(other) = uris.find(|name| *name != spiffe_id)
        {
            let (spiffe_id, other) = (spiffe_id.text.clone(), other.text.clone());
            return Err(AlternativeNameError::SeveralUris { spiffe_id, other });
        }
        Ok(true)
    }

    /// Whether there are no names.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// As subjectAltName holds them.
    pub(super) fn encoded(&self) -> Vec<GeneralName> {
        self.0.iter().map(|name| name.encoded.clone()).collect()
    }
}

impl NameKind {
    /// What messages call this kind.
    fn noun(self) -> &'static str {
        match self {
            NameKind::Dns => "DNS name",
            NameKind::Ip => "IP address",
            NameKind::Email => "email address",
            NameKind::Uri => "URI",
            NameKind::Upn => "user principal name",
        }
    }
}

/// A name that a certificate cannot hold.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AlternativeNameError {
    /// It is not a name of this kind.
    #[error("{text:?} is not a valid {}: {reason}", kind.noun())]
    Malformed {
        /// Its kind.
        kind: NameKind,
        /// The name.
        text: String,
        /// Why.
        reason: &'static str,
    },
    /// A SPIFFE ID beside another URI (X509-SVID section 2).
    #[error("the SPIFFE ID {spiffe_id:?} cannot be combined with the URI {other:?}")]
    SeveralUris {
        /// The SPIFFE ID.
        spiffe_id: String,
        /// The other URI.
        other: String,
    },
}

impl Explain for AlternativeNameError {
    fn exit(&self) -> Exit {
        Exit::Usage
    }

    fn hint(&self) -> Option<String> {
        let hint = match self {
            AlternativeNameError::SeveralUris { .. } => {
                "SPIFFE expects exactly one URI in a certificate: request a certificate for each"
            }
            AlternativeNameError::Malformed { kind, .. } => match kind {
                NameKind::Dns => {
                    "write letters, digits, hyphens and dots: --dns server1.example.com, or --dns '*.example.com'"
                }
                NameKind::Ip => "write one address: --ip 192.0.2.10 or --ip 2001:db8::10",
                NameKind::Email => "write the address alone: --email officer@example.com",
                NameKind::Uri => {
                    "write it in full: --uri spiffe://example.com/server1 or --uri https://example.com/server1"
                }
                NameKind::Upn => "write it as Active Directory does: --upn officer@corp.example.com",
            },
        };
        Some(hint.into())
    }
}

/// A DNS name, perhaps with a wildcard as its first label (RFC 9525 section 6.3).
fn check_dns_pattern(name: &str) -> Result<(), &'static str> {
    check_dns_name(name.strip_prefix("*.").unwrap_or(name)).map_err(|reason| match reason {
        _ if name.parse::<IpAddr>().is_ok() => "it is an IP address, for --ip",
        _ if name.contains("://") => "it is a URI, for --uri",
        _ if name.contains('@') => "it is an email address, for --email",
        _ if name.contains('*') => "a * stands only for the whole first label",
        reason => reason,
    })
}

/// RFC 1123 section 2.1, as RFC 5280 section 4.2.1.6 requires it.
fn check_dns_name(name: &str) -> Result<(), &'static str> {
    if name.is_empty() {
        return Err("it is empty");
    }
    if !name.is_ascii() {
        return Err("its letters outside ASCII are written in their xn-- form");
    }
    if name.len() > 253 {
        return Err("it has more than 253 characters");
    }
    if name.ends_with('.') {
        return Err("the dot at its end is left out in certificates");
    }
    for label in name.split('.') {
        let is_in_name = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        if label.is_empty() {
            return Err("nothing is before or between its dots");
        }
        if label.len() > 63 {
            return Err("a label has more than 63 characters");
        }
        if !label.bytes().all(is_in_name) {
            return Err("it has other characters than letters, digits, hyphens and dots");
        }
        if label.starts_with('-') || label.ends_with('-') {
            return Err("a label begins or ends with a hyphen");
        }
    }
    // Otherwise programs take it for an IP address.
    if name.rsplit('.').next().is_some_and(|last| last.bytes().all(|byte| byte.is_ascii_digit())) {
        return Err("its last label has only digits");
    }
    Ok(())
}

fn ip_address(text: &str) -> Result<IpAddr, &'static str> {
    text.parse().map_err(|_| match text {
        "" => "it is empty",
        _ if text.contains('/') => "a certificate names single addresses, not a network",
        _ if text.contains('%') => "an address with a zone has a meaning on one computer only",
        _ if text.starts_with('[') => "it is written without brackets and port",
        _ => "it is neither IPv4 (four numbers up to 255, without leading zeros) nor IPv6",
    })
}

/// A mailbox as RFC 5280 section 4.2.1.6 defines it: without display name or comment. Returns its two parts.
fn check_email(text: &str) -> Result<(&str, &str), &'static str> {
    let (local, domain) = text.rsplit_once('@').ok_or("it has no @")?;
    if !local.is_ascii() {
        return Err("the part before the @ is not ASCII");
    }
    // RFC 5321 section 4.1.2: a Dot-string. Quoted strings are not in use.
    let is_atom = |atom: &str| {
        !atom.is_empty()
            && atom.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&byte))
    };
    if !local.split('.').all(is_atom) {
        return Err("the part before the @ is not one of an email address");
    }
    // RFC 5321 section 4.5.3.1.
    if local.len() > 64 || text.len() > 254 {
        return Err("it has more than 64 characters before the @, or more than 254 in all");
    }
    check_dns_name(domain).map_err(|_| "the part after the @ is not a domain")?;
    Ok((local, domain))
}

/// `user@domain`, without the characters that Active Directory allows in no name
/// (<https://learn.microsoft.com/windows/win32/adschema/a-userprincipalname>).
fn check_upn(text: &str) -> Result<(), &'static str> {
    let (user, domain) = text.rsplit_once('@').ok_or("it has no @")?;
    let is_refused = |character: char| {
        character.is_control() || character.is_whitespace() || "\"/\\[]:;|=,+*?<>@".contains(character)
    };
    if user.is_empty() || user.contains(is_refused) {
        return Err("the part before the @ is empty, or has characters that no user name has");
    }
    if text.chars().count() > 1024 {
        return Err("it has more than 1024 characters");
    }
    check_dns_name(domain).map_err(|_| "the part after the @ is not a domain")
}
