//! How AWS is reached: the variables and settings that AWS's own programs and curl use.

use std::ffi::OsString;
use std::net::IpAddr;
use std::path::PathBuf;

use ipnet::IpNet;

use super::options::CredentialOptions;
use super::roots::read_bundle;
use crate::error::Error;
use crate::platform::user;
use crate::rolesanywhere::{ClientOptions, Endpoint};

/// Larger than any configuration of AWS's programs.
const MAX_CONFIG_BYTES: u64 = 4 << 20;

/// `AWS_CA_BUNDLE` or the profile's `ca_bundle`, `HTTPS_PROXY` and `NO_PROXY`.
///
/// # Errors
/// The bundle cannot be read, or holds no usable certificate.
pub(super) fn client_options(
    options: &CredentialOptions,
    endpoint: &Endpoint,
) -> Result<ClientOptions, Error> {
    let bundle = variable("AWS_CA_BUNDLE").map(PathBuf::from).or_else(bundle_of_profile);
    let (roots, skipped_roots) = match bundle.map(|path| read_bundle(&path)).transpose()? {
        Some((roots, skipped)) => (Some(roots), skipped),
        None => (None, Vec::new()),
    };
    let text = |names: [&str; 2]| {
        names.iter().find_map(|name| variable(name)).and_then(|value| value.into_string().ok())
    };
    let listed =
        text(["NO_PROXY", "no_proxy"]).is_some_and(|list| is_listed(endpoint.host(), endpoint.port(), &list));
    // To a proxy, this computer is another one; and what is sent to it unencrypted must not leave it.
    let bypassed = listed || endpoint.is_loopback();
    let proxy = text(["HTTPS_PROXY", "https_proxy"]).filter(|_| options.with_proxy && !bypassed);
    Ok(ClientOptions { roots, skipped_roots, proxy, trust_any_server: options.trust_any_server })
}

/// An empty variable counts as not set.
pub(super) fn variable(name: &str) -> Option<OsString> {
    std::env::var_os(name).filter(|value| !value.is_empty())
}

/// `ca_bundle` of the profile that AWS's programs use
/// (<https://docs.aws.amazon.com/sdkref/latest/guide/feature-gen-config.html>).
fn bundle_of_profile() -> Option<PathBuf> {
    let home = || user::home().map(|home| home.join(".aws/config"));
    let file = variable("AWS_CONFIG_FILE").map(PathBuf::from).or_else(home)?;
    let bytes = crate::save::read(&file, MAX_CONFIG_BYTES).ok()?;
    let profile = variable("AWS_PROFILE").and_then(|name| name.into_string().ok());
    let value =
        setting(&String::from_utf8_lossy(&bytes), profile.as_deref().unwrap_or("default"), "ca_bundle")?;
    Some(match (value.strip_prefix("~/"), user::home()) {
        (Some(rest), Some(home)) => home.join(rest),
        _ => PathBuf::from(value),
    })
}

/// A setting of a profile in the text of `~/.aws/config`; anything indented deeper belongs to another
/// setting.
fn setting(text: &str, profile: &str, name: &str) -> Option<String> {
    let mut is_inside = false;
    let mut found = None;
    for line in text.lines() {
        if let Some(section) = line.trim_end().strip_prefix('[').and_then(|rest| rest.split(']').next()) {
            let section = section.trim();
            let named = section.strip_prefix("profile").map(str::trim_start);
            is_inside = named.map_or(section == "default", |named| named.trim_matches('"') == profile)
                && (named.is_some() || profile == "default");
        } else if is_inside && !line.starts_with([' ', '\t', '#', ';']) {
            let pair = line.split_once('=').filter(|(known, _)| known.trim().eq_ignore_ascii_case(name));
            found =
                pair.map(|(_, value)| value.trim().to_owned()).filter(|value| !value.is_empty()).or(found);
        }
    }
    found
}

/// As curl and Go read `NO_PROXY`: names separated by commas, in upper or lower case, each for itself and
/// every name below it, whether it begins with nothing, `.` or `*.`; with a port, only for that port;
/// networks as `10.0.0.0/8`; `*` means everything.
fn is_listed(host: &str, port: u16, list: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']').to_ascii_lowercase();
    let address: Option<IpAddr> = host.parse().ok();
    list.split([',', ' ']).map(str::trim).filter(|entry| !entry.is_empty()).any(|entry| {
        if entry == "*" {
            return true;
        }
        if let Some(address) = address
            && let Ok(network) = entry.parse::<IpNet>()
        {
            return network.contains(&address);
        }
        let (name, wanted) = match (entry.strip_prefix('['), entry.rsplit_once(':')) {
            (Some(rest), _) => match rest.split_once(']') {
                Some((name, rest)) => (name, rest.strip_prefix(':')),
                None => (entry, None),
            },
            (None, Some((name, port))) if !name.contains(':') => (name, Some(port)),
            _ => (entry, None),
        };
        if wanted.is_some_and(|wanted| wanted.parse() != Ok(port)) {
            return false;
        }
        let name = name.trim_start_matches("*.").trim_start_matches('.').to_ascii_lowercase();
        if let Some(address) = address {
            return name.parse() == Ok(address);
        }
        !name.is_empty() && (host == name || host.ends_with(&format!(".{name}")))
    })
}

#[cfg(test)]
mod tests {
    use super::{is_listed, setting};

    #[test]
    fn no_proxy_lists_hosts_as_curl_and_go_read_it() {
        let host = "rolesanywhere.eu-west-1.amazonaws.com";
        for list in [
            "*",
            "amazonaws.com",
            ".amazonaws.com",
            "*.amazonaws.com",
            ".AmazonAWS.com",
            "amazonaws.com:443",
            host,
            "a.example, rolesanywhere.eu-west-1.amazonaws.com",
            "a.example amazonaws.com",
            ",,*,",
        ] {
            assert!(is_listed(host, 443, list), "{list}");
        }
        for list in [
            "",
            ",",
            "azonaws.com",
            "example.com",
            "amazonaws.com.example",
            "eu-west-1",
            "**",
            "amazonaws.com:8443",
            "10.0.0.0/8",
            ".",
            "*.",
        ] {
            assert!(!is_listed(host, 443, list), "{list}");
        }
        for (host, list, listed) in [
            ("10.1.2.3", "10.0.0.0/8", true),
            ("10.1.2.3", "10.1.2.3", true),
            ("10.1.2.3", "10.1.2.3:443", true),
            ("10.1.2.3", "10.1.2.3:80", false),
            ("10.1.2.3", "3", false),
            ("11.1.2.3", "10.0.0.0/8", false),
            ("[fd00::1]", "fd00::/8", true),
            ("[fd00::1]", "fd00::1", true),
            ("[fd00::1]", "[fd00::1]:443", true),
            ("[fd00::1]", "fe80::/10", false),
        ] {
            assert_eq!(is_listed(host, 443, list), listed, "{host} {list}");
        }
    }

    #[test]
    fn a_setting_is_that_of_the_profile() {
        let text = "[default]\nca_bundle = one\ns3 =\n  ca_bundle = nested\n[profile work]\nregion=eu-west-1\nCA_BUNDLE= two \n\
            [sso-session x]\nca_bundle = three\n[profile empty]\nca_bundle =\n";
        let of = |profile| setting(text, profile, "ca_bundle");
        assert_eq!((of("default").as_deref(), of("work").as_deref()), (Some("one"), Some("two")));
        assert_eq!((of("empty"), of("x"), of("other")), (None, None, None));
    }
}
