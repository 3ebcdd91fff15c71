//! The endpoint of Roles Anywhere: from a region, or from a given URL.

mod error;

pub use error::EndpointError;

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use super::region::Region;

/// An HTTP origin. Printed as a URL without a path.
///
/// The URL is parsed here because URL libraries follow the WHATWG standard: they repair what is wrong
/// (backslashes, tabs, hosts such as `0x7f.1`) instead of refusing it, and a request must not be signed for
/// such a host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    https: bool,
    /// As in a URL: in lower case, an IPv6 address in brackets.
    host: String,
    port: u16,
}

/// Which of a region's endpoints.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EndpointVariant {
    /// With validated cryptography. Also used if the region was given as a FIPS pseudo-region.
    pub fips: bool,
    /// With IPv6.
    pub dual_stack: bool,
}

impl Endpoint {
    /// AWS's endpoint in a region
    /// ([AWS](https://docs.aws.amazon.com/general/latest/gr/rolesanywhere.html)).
    pub fn in_region(region: &Region, variant: EndpointVariant) -> Self {
        let partition = region.partition();
        let fips = if variant.fips || region.is_fips() { "-fips" } else { "" };
        let suffix = if variant.dual_stack { partition.dual_stack_suffix } else { partition.suffix };
        Endpoint { https: true, host: format!("rolesanywhere{fips}.{region}.{suffix}"), port: 443 }
    }

    /// Whether the connection uses TLS; if not, the host is this computer.
    pub fn is_https(&self) -> bool {
        self.https
    }

    /// The host, as in a URL.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Whether it is this computer: 127.0.0.0/8, `[::1]`, `localhost`.
    pub fn is_loopback(&self) -> bool {
        Host::parse(&self.host).is_ok_and(|host| host.is_loopback())
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The `Host` header, with the port only if it is not the scheme's default (RFC 9110 section 7.2).
    pub fn host_header(&self) -> String {
        let own = if self.https { 443 } else { 80 };
        if self.port == own { self.host.clone() } else { format!("{}:{}", self.host, self.port) }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", if self.https { "https" } else { "http" }, self.host_header())
    }
}

impl FromStr for Endpoint {
    type Err = EndpointError;

    /// Reads a URL with a scheme, a host and an optional port: `https` to anywhere, `http` only to this
    /// computer (127.0.0.0/8, `[::1]`, `localhost`), since the answer contains credentials.
    ///
    /// # Errors
    /// [`EndpointError`] says what is wrong.
    fn from_str(text: &str) -> Result<Self, EndpointError> {
        let (scheme, rest) = text.split_once("://").ok_or(EndpointError::NoScheme)?;
        let https = match scheme.to_ascii_lowercase().as_str() {
            "https" => true,
            "http" => false,
            _ => return Err(EndpointError::NoScheme),
        };
        if rest.contains('@') {
            return Err(EndpointError::UserInfo);
        }
        if rest.contains(['?', '#']) {
            return Err(EndpointError::Query);
        }
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        if !path.is_empty() {
            return Err(EndpointError::Path);
        }
        let (host, port) = split_port(authority);
        let host = Host::parse(host)?;
        let port = match port {
            None if https => 443,
            None => 80,
            Some(digits) => digits
                .bytes()
                .all(|byte| byte.is_ascii_digit())
                .then(|| digits.parse().ok())
                .flatten()
                .filter(|port| *port != 0)
                .ok_or(EndpointError::Port)?,
        };
        if !https && !host.is_loopback() {
            return Err(EndpointError::NotEncrypted { host: host.to_string() });
        }
        Ok(Endpoint { https, host: host.to_string(), port })
    }
}

/// Splits at the colon after the host, not at one within the brackets of an IPv6 address.
fn split_port(authority: &str) -> (&str, Option<&str>) {
    match authority.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, Some(port)),
        _ => (authority, None),
    }
}

enum Host {
    Name(String),
    V4(Ipv4Addr),
    V6(Ipv6Addr),
}

impl Host {
    fn parse(text: &str) -> Result<Self, EndpointError> {
        let wrong = || EndpointError::Host { text: text.chars().take(80).collect() };
        if let Some(inner) = text.strip_prefix('[') {
            let address = inner.strip_suffix(']').and_then(|address| address.parse().ok());
            return address.map(Host::V6).ok_or_else(wrong);
        }
        if let Ok(address) = text.parse() {
            return Ok(Host::V4(address));
        }
        let is_label = |label: &str| {
            (1..=63).contains(&label.len())
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
        };
        // Some programs read `2130706433` and `0x7f.1` as addresses; then it is unclear which host is meant.
        let last = text.rsplit('.').next().unwrap_or_default();
        let is_number = last.bytes().all(|byte| byte.is_ascii_digit()) || last.starts_with("0x");
        if text.len() > 253 || is_number || !text.split('.').all(is_label) {
            return Err(wrong());
        }
        Ok(Host::Name(text.to_ascii_lowercase()))
    }

    fn is_loopback(&self) -> bool {
        match self {
            Host::Name(name) => name == "localhost",
            Host::V4(address) => address.is_loopback(),
            Host::V6(address) => address.is_loopback(),
        }
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Host::Name(name) => f.write_str(name),
            Host::V4(address) => address.fmt(f),
            Host::V6(address) => write!(f, "[{address}]"),
        }
    }
}

#[cfg(test)]
mod tests;
