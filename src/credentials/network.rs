//! How AWS is reached, by the variables that AWS's own programs and curl know.

use std::ffi::OsString;
use std::path::PathBuf;

use crate::certificate_file;
use crate::error::Error;
use crate::rolesanywhere::{ClientOptions, Endpoint};

use super::options::CredentialOptions;

/// `AWS_CA_BUNDLE`, `HTTPS_PROXY` and `NO_PROXY`.
///
/// # Errors
/// The file that `AWS_CA_BUNDLE` names cannot be read, or holds no certificate.
pub(super) fn client_options(
    options: &CredentialOptions,
    endpoint: &Endpoint,
) -> Result<ClientOptions, Error> {
    let roots = match variable("AWS_CA_BUNDLE") {
        Some(path) => Some(certificate_file::read(&PathBuf::from(path))?),
        None => None,
    };
    let text = |names: [&str; 2]| {
        names.iter().find_map(|name| variable(name)).and_then(|value| value.into_string().ok())
    };
    let listed = text(["NO_PROXY", "no_proxy"]).is_some_and(|list| is_listed(endpoint.host(), &list));
    // For a proxy this computer is another one; and what goes to it in the clear must not leave.
    let bypassed = listed || endpoint.is_loopback();
    let proxy = text(["HTTPS_PROXY", "https_proxy"]).filter(|_| options.with_proxy && !bypassed);
    Ok(ClientOptions { roots, proxy, trust_any_server: options.trust_any_server })
}

/// An empty variable counts as not set.
fn variable(name: &str) -> Option<OsString> {
    std::env::var_os(name).filter(|value| !value.is_empty())
}

/// As curl reads `NO_PROXY`: names separated by commas, each for itself and every name below it; `*` is every name.
fn is_listed(host: &str, list: &str) -> bool {
    list.split(',').map(str::trim).filter(|entry| !entry.is_empty()).any(|entry| {
        let name = entry.trim_start_matches('.');
        entry == "*" || host == name || host.ends_with(&format!(".{name}"))
    })
}

#[cfg(test)]
mod tests {
    use super::is_listed;

    #[test]
    fn no_proxy_lists_hosts_as_curl_reads_it() {
        let host = "rolesanywhere.eu-west-1.amazonaws.com";
        for list in [
            "*",
            "amazonaws.com",
            ".amazonaws.com",
            host,
            "a.example, rolesanywhere.eu-west-1.amazonaws.com",
            ",,*,",
        ] {
            assert!(is_listed(host, list), "{list}");
        }
        for list in ["", ",", "azonaws.com", "example.com", "amazonaws.com.example", "eu-west-1", "**"] {
            assert!(!is_listed(host, list), "{list}");
        }
    }
}
