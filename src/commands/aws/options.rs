//! The options of `aws_signing_helper`, read into one typed value.

use std::path::PathBuf;

use countersign::certificate_file;
use countersign::error::{Error, Exit, Explain};
use countersign::rolesanywhere::{ClientOptions, CreateSession, Endpoint, Region};
use countersign::uri::Uri;

use super::CertificateSource;
use crate::cli::RolesAnywhere;
use crate::commands::key::parse_uri;

/// What is asked for, of whom, and with which key.
pub(crate) struct Wanted {
    pub(crate) session: CreateSession,
    pub(crate) endpoint: Endpoint,
    pub(crate) region: Region,
    pub(crate) certificate: CertificateSource,
    /// URIs that lead to the key.
    pub(crate) key: Vec<Uri>,
    pub(crate) client: ClientOptions,
}

impl Wanted {
    pub(crate) fn of(options: &RolesAnywhere) -> Result<Self, Error> {
        let session = CreateSession::new(
            required("--role-arn", &options.role_arn)?.parse()?,
            required("--profile-arn", &options.profile_arn)?.parse()?,
            required("--trust-anchor-arn", &options.trust_anchor_arn)?.parse()?,
            options.session_duration,
            options.role_session_name.clone(),
        )?;
        let region = match &options.region {
            Some(text) => text.parse()?,
            None => session.region(),
        };
        let endpoint = match &options.endpoint {
            Some(url) => url.parse()?,
            None => Endpoint::in_region(&region, options.fips || region.is_fips(), options.dualstack),
        };
        let (key, certificate) = key_and_certificate(
            options.private_key.as_deref(),
            options.certificate.as_deref(),
            options.intermediates.as_ref(),
        )?;
        Ok(Wanted {
            client: client_options(options, &endpoint)?,
            session,
            endpoint,
            region,
            certificate,
            key: vec![key],
        })
    }
}

fn required<'a>(name: &'static str, value: &'a Option<String>) -> Result<&'a str, AwsUsage> {
    value.as_deref().ok_or(AwsUsage::Missing(name))
}

/// `--private-key`, or the key that `--certificate` names, and where the certificate is.
pub(crate) fn key_and_certificate(
    private_key: Option<&str>,
    certificate: Option<&str>,
    intermediates: Option<&PathBuf>,
) -> Result<(Uri, CertificateSource), Error> {
    let key_uri = match private_key {
        Some(text) if is_uri(text) => Some(parse_uri(text, "--private-key")?),
        Some(_) => return Err(AwsUsage::KeyInFile.into()),
        None => None,
    };
    let intermediates = intermediates.cloned();
    let (certificate, certificate_uri) = match certificate {
        Some(text) if is_uri(text) => {
            let uri = parse_uri(text, "--certificate")?;
            (CertificateSource::OnDevice { named: Some(Box::new(uri.clone())), intermediates }, Some(uri))
        }
        Some(path) => (CertificateSource::File { path: PathBuf::from(path), intermediates }, None),
        None => (CertificateSource::OnDevice { named: None, intermediates }, None),
    };
    let key = key_uri.or(certificate_uri).ok_or(AwsUsage::NoKey)?;
    Ok((key, certificate))
}

/// Whether it names something on a device, not a file.
pub(crate) fn is_uri(text: &str) -> bool {
    text.to_ascii_lowercase().starts_with("pkcs11:")
}

fn client_options(options: &RolesAnywhere, endpoint: &Endpoint) -> Result<ClientOptions, Error> {
    let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    let roots = match variable("AWS_CA_BUNDLE") {
        Some(path) => Some(certificate_file::read(&PathBuf::from(path))?),
        None => None,
    };
    let text = |names: [&str; 2]| {
        names.iter().find_map(|name| variable(name)).and_then(|value| value.into_string().ok())
    };
    let bypassed = text(["NO_PROXY", "no_proxy"]).is_some_and(|list| is_listed(endpoint.host(), &list));
    let proxy = text(["HTTPS_PROXY", "https_proxy"]).filter(|_| options.with_proxy && !bypassed);
    Ok(ClientOptions { roots, proxy, trust_any_server: options.no_verify_ssl })
}

/// As curl reads NO_PROXY: names with commas between, each for itself and all below it; `*` is all.
fn is_listed(host: &str, list: &str) -> bool {
    list.split(',').map(str::trim).filter(|entry| !entry.is_empty()).any(|entry| {
        let name = entry.trim_start_matches('.');
        entry == "*" || host == name || host.ends_with(&format!(".{name}"))
    })
}

/// Options that cannot be meant.
#[derive(Debug, thiserror::Error)]
enum AwsUsage {
    #[error("--private-key names a file, and keys in files are not used here")]
    KeyInFile,
    #[error("the key is not named")]
    NoKey,
    #[error("{0} is missing")]
    Missing(&'static str),
}

impl Explain for AwsUsage {
    fn exit(&self) -> Exit {
        Exit::Usage
    }

    fn hint(&self) -> Option<String> {
        let hint = match self {
            AwsUsage::KeyInFile => {
                "name a key on a device: --private-key 'pkcs11:…'; countersign list shows what there is"
            }
            AwsUsage::Missing(_) => {
                "it is on the console's page of IAM Roles Anywhere; serve can have it in a file too, by --config"
            }
            AwsUsage::NoKey => {
                "--private-key 'pkcs11:…' names it; it can be left out where --certificate is a pkcs11: URI"
            }
        };
        Some(hint.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_that_no_proxy_is_for_are_known() {
        let host = "rolesanywhere.eu-west-1.amazonaws.com";
        for list in
            ["*", "amazonaws.com", ".amazonaws.com", "a.example, rolesanywhere.eu-west-1.amazonaws.com"]
        {
            assert!(is_listed(host, list), "{list}");
        }
        for list in ["", "azonaws.com", "example.com", "amazonaws.com.example"] {
            assert!(!is_listed(host, list), "{list}");
        }
    }
}
