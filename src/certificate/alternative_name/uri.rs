//! Which URIs a certificate can hold: absolute ones, with a host if there is an authority (RFC 5280 section
//! 4.2.1.6).

use std::net::{Ipv4Addr, Ipv6Addr};

use super::check_dns_name;

const SPIFFE: &str = "spiffe";

/// Whether the scheme is SPIFFE's.
pub(super) fn is_spiffe(uri: &str) -> bool {
    uri.split_once(':').is_some_and(|(scheme, _)| scheme.eq_ignore_ascii_case(SPIFFE))
}

/// Why a certificate cannot hold it.
pub(super) fn check(uri: &str) -> Result<(), &'static str> {
    let (scheme, rest) = uri.split_once(':').ok_or("it has no scheme")?;
    let mut of_scheme = scheme.bytes();
    // RFC 3986 section 3.1.
    if !(of_scheme.next().is_some_and(|first| first.is_ascii_alphabetic())
        && of_scheme.all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte)))
    {
        return Err("it has no scheme");
    }
    check_characters(rest)?;
    let (authority, behind) = match rest.strip_prefix("//") {
        Some(rest) => {
            let (authority, behind) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
            (Some(authority), behind)
        }
        None => (None, rest),
    };
    if is_spiffe(uri) {
        return check_spiffe_id(uri, authority.unwrap_or_default(), behind);
    }
    match authority {
        Some(authority) => check_authority(authority),
        None if behind.is_empty() => Err("there is nothing after the scheme"),
        None => Ok(()),
    }?;
    // RFC 3986 section 3: brackets are only for addresses, and a fragment contains no #.
    if behind.contains(['[', ']']) || behind.matches('#').count() > 1 {
        return Err("it has a [, a ] or a second # that is not escaped");
    }
    Ok(())
}

/// RFC 3986 section 2.
fn check_characters(rest: &str) -> Result<(), &'static str> {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~:/?#[]@!$&'()*+,;=%".contains(&byte);
    if !rest.bytes().all(is_allowed) {
        return Err("it has blanks or characters that a URI writes as %XX");
    }
    let is_escape = |digits: &str| digits.bytes().take(2).filter(u8::is_ascii_hexdigit).count() == 2;
    if !rest.split('%').skip(1).all(is_escape) {
        return Err("a % is not followed by two hexadecimal digits");
    }
    Ok(())
}

fn check_authority(authority: &str) -> Result<(), &'static str> {
    let (user, host_and_port) = authority.rsplit_once('@').unwrap_or(("", authority));
    if user.contains(['@', '[', ']']) {
        return Err("what is before the @ has another @ or a bracket");
    }
    let (is_host, port) = match host_and_port.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, port)) => (address.parse::<Ipv6Addr>().is_ok(), port),
        None => {
            let (host, port) = host_and_port.split_at(host_and_port.find(':').unwrap_or(host_and_port.len()));
            (host.parse::<Ipv4Addr>().is_ok() || check_dns_name(host).is_ok(), port)
        }
    };
    if !is_host {
        return Err("its host is neither a DNS name nor an IP address");
    }
    let is_port = port.is_empty() || port.strip_prefix(':').is_some_and(|port| port.parse::<u16>().is_ok());
    if is_port { Ok(()) } else { Err("its port is not a number up to 65535") }
}

/// The SPIFFE ID of a leaf (<https://github.com/spiffe/spiffe/blob/main/standards/SPIFFE-ID.md>, X509-SVID section 3.1).
fn check_spiffe_id(uri: &str, trust_domain: &str, path: &str) -> Result<(), &'static str> {
    let is_in_path = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    let is_in_trust_domain = |byte: u8| is_in_path(byte) && !byte.is_ascii_uppercase();
    if !uri.starts_with("spiffe://") {
        return Err("a SPIFFE ID begins with spiffe:// in lower case");
    }
    if trust_domain.is_empty() || !trust_domain.bytes().all(is_in_trust_domain) || trust_domain.len() > 255 {
        return Err(
            "a SPIFFE trust domain has lower-case letters, digits, dots, hyphens and underscores, and no port",
        );
    }
    if path.is_empty() || path == "/" {
        return Err("the SPIFFE ID of a workload has a path after its trust domain");
    }
    let is_segment = |segment: &str| !matches!(segment, "" | "." | "..") && segment.bytes().all(is_in_path);
    if !path.split('/').skip(1).all(is_segment) || !path.starts_with('/') {
        return Err(
            "the path of a SPIFFE ID has letters, digits, dots, hyphens and underscores between single slashes",
        );
    }
    if uri.len() > 2048 {
        return Err("a SPIFFE ID has at most 2048 bytes");
    }
    Ok(())
}
