//! Which hosts a request may name: this service only, so that no web page gets an answer that a name server
//! has led here.

use std::net::{IpAddr, SocketAddr};

use hyper::http::request::Parts;
use hyper::http::uri::Authority;

/// The addresses of the real services, EC2's and the containers', which some programs name wherever they
/// connect to.
const LINK_LOCAL: [&str; 2] = ["169.254.169.254", "169.254.170.2"];

/// The hosts of this service. The port does not count: with a forwarded port, clients name another one.
#[derive(Debug)]
pub(super) struct Hosts {
    address: IpAddr,
    /// Names that the user allows.
    allowed: Vec<String>,
}

impl Hosts {
    pub(super) fn new(address: SocketAddr, allowed: Vec<String>) -> Self {
        let allowed = allowed.iter().map(|host| name_of(host).to_owned()).collect();
        Hosts { address: address.ip(), allowed }
    }

    /// Checks that the request names only this service's hosts.
    ///
    /// # Errors
    /// The first host that is not, or nothing if the request names none or several.
    pub(super) fn check(&self, request: &Parts) -> Result<(), String> {
        if request.headers.get_all("host").iter().count() != 1 {
            return Err(String::new());
        }
        let host = header(request, "host").unwrap_or_default();
        // A target in absolute form takes precedence over the header (RFC 9112 section 3.2.2).
        for host in request.uri.authority().map(Authority::as_str).into_iter().chain([host]) {
            if !self.is_own(name_of(host)) {
                return Err(host.to_owned());
            }
        }
        Ok(())
    }

    fn is_own(&self, name: &str) -> bool {
        if self.allowed.iter().any(|allowed| name.eq_ignore_ascii_case(allowed)) {
            return true;
        }
        match name.parse::<IpAddr>() {
            Ok(address) => {
                address.is_loopback()
                    || address == self.address
                    || LINK_LOCAL.contains(&name)
                    || self.address.is_unspecified()
            }
            Err(_) => name.eq_ignore_ascii_case("localhost"),
        }
    }
}

/// A header, unless it is not text.
pub(super) fn header<'a>(request: &'a Parts, name: &str) -> Option<&'a str> {
    request.headers.get(name)?.to_str().ok()
}

/// A host without its port and without the brackets of an IPv6 address.
fn name_of(host: &str) -> &str {
    if let Some(rest) = host.strip_prefix('[') {
        let (address, port) = rest.split_once(']').unwrap_or((rest, "?"));
        return if port.is_empty() || is_port(port.strip_prefix(':')) { address } else { host };
    }
    match host.split_once(':') {
        Some((name, port)) if is_port(Some(port)) => name,
        _ => host,
    }
}

fn is_port(text: Option<&str>) -> bool {
    text.is_some_and(|text| text.parse::<u16>().is_ok())
}

#[cfg(test)]
mod tests {
    use super::{Hosts, name_of};

    #[test]
    fn a_host_is_known_with_any_port_and_by_the_names_that_are_allowed() {
        let allowed = ["creds.ns.svc", "host.docker.internal:9911"].map(str::to_owned).to_vec();
        let hosts = Hosts::new("192.0.2.1:9911".parse().unwrap(), allowed);
        for host in [
            "192.0.2.1",
            "192.0.2.1:80",
            "127.0.0.1:9912",
            "[::1]",
            "[::1]:9911",
            "LOCALHOST:1",
            "169.254.169.254",
            "169.254.170.2",
            "Creds.NS.svc:9911",
            "host.docker.internal",
        ] {
            assert!(hosts.is_own(name_of(host)), "{host}");
        }
        for host in [
            "",
            "evil.example",
            "192.0.2.2",
            "creds.ns.svc.evil.example",
            "[::1",
            "localhost:",
            "localhost:x",
            "[::1]x",
        ] {
            assert!(!hosts.is_own(name_of(host)), "{host}");
        }
    }
}
