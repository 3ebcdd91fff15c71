//! What AWS is asked for: parsed, and complete.

use std::path::PathBuf;

use super::certificate::CertificateSource;
use super::network::client_options;
use super::options::CredentialOptions;
use crate::error::{Error, Exit, Explain};
use crate::rolesanywhere::{ClientOptions, CreateSession, Endpoint, EndpointError, EndpointVariant, Region};
use crate::uri::{Uri, UriError};

/// Which credentials, from whom, and with which key.
#[derive(Clone, Debug)]
pub struct CredentialRequest {
    /// Role, profile, trust anchor, duration and name of the session.
    pub session: CreateSession,
    /// Where the request goes.
    pub endpoint: Endpoint,
    /// The region that it is signed for.
    pub region: Region,
    /// Where the certificate is.
    pub certificate: CertificateSource,
    /// The URI that leads to the key.
    pub key: Uri,
    /// How the endpoint is reached.
    pub client: ClientOptions,
}

impl CredentialRequest {
    /// Parses the options. Reads the file that `AWS_CA_BUNDLE` names.
    ///
    /// # Errors
    /// [`RequestError`] if an option is missing or does not name a key on a device; or what is wrong with an
    /// ARN, the region, the endpoint, the duration, the session's name or the bundle.
    pub fn parse(options: &CredentialOptions) -> Result<Self, Error> {
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
            Some(url) => url.parse().map_err(|error: EndpointError| match options.endpoint_variable {
                Some(name) => Error::from(error).with_consequence(format!("The endpoint comes from {name}.")),
                None => error.into(),
            })?,
            None => {
                let variant = EndpointVariant { fips: options.fips, dual_stack: options.dualstack };
                Endpoint::in_region(&region, variant)
            }
        };
        let (key, certificate) = key_and_certificate(
            options.private_key.as_deref(),
            options.certificate.as_deref(),
            options.intermediates.as_ref(),
        )?;
        let client = client_options(options, &endpoint)?;
        Ok(CredentialRequest { session, endpoint, region, certificate, key, client })
    }
}

/// The URI that leads to the key (`--private-key`, otherwise the one in `--certificate`), and where the
/// certificate is.
///
/// # Errors
/// [`RequestError::KeyInFile`], [`RequestError::NoKey`], [`RequestError::Uri`].
pub fn key_and_certificate(
    private_key: Option<&str>,
    certificate: Option<&str>,
    intermediates: Option<&PathBuf>,
) -> Result<(Uri, CertificateSource), RequestError> {
    let key_uri = match private_key {
        Some(text) if is_uri(text) => Some(parse_uri(text, "--private-key")?),
        Some(text) if text.to_ascii_lowercase().starts_with("handle:") => {
            return Err(RequestError::TpmHandle);
        }
        Some(_) => return Err(RequestError::KeyInFile),
        None => None,
    };
    let intermediates = intermediates.cloned();
    let is_certificate_given = certificate.is_some();
    let (certificate, certificate_uri) = match certificate {
        Some(text) if is_uri(text) => {
            let uri = parse_uri(text, "--certificate")?;
            (CertificateSource::OnDevice { named: Some(Box::new(uri.clone())), intermediates }, Some(uri))
        }
        Some(path) => (CertificateSource::File { path: PathBuf::from(path), intermediates }, None),
        None => (CertificateSource::OnDevice { named: None, intermediates }, None),
    };
    let key = match (key_uri, certificate_uri) {
        (Some(key), Some(certificate)) => with_pin_of(key, certificate),
        (Some(key), None) => key,
        (None, Some(certificate)) => certificate,
        // The certificate leads to the key, on the device that is present.
        (None, None) if is_certificate_given => Uri::default(),
        (None, None) => return Err(RequestError::NoKey),
    };
    Ok((key, certificate))
}

/// If a key URI says nothing about the PIN, adds what the certificate's URI says.
fn with_pin_of(key: Uri, certificate: Uri) -> Uri {
    if key.pin_value.is_some() || key.pin_source.is_some() {
        return key;
    }
    Uri { pin_value: certificate.pin_value, pin_source: certificate.pin_source, ..key }
}

/// Whether the text names something on a device, not a file.
pub fn is_uri(text: &str) -> bool {
    text.to_ascii_lowercase().starts_with("pkcs11:")
}

fn required<'a>(option: &'static str, value: &'a Option<String>) -> Result<&'a str, RequestError> {
    value.as_deref().ok_or(RequestError::Missing(option))
}

fn parse_uri(text: &str, option: &'static str) -> Result<Uri, RequestError> {
    text.parse().map_err(|source| RequestError::Uri { option, source })
}

/// Why a request cannot be made from the options.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// The key is in a file, and only keys on devices are used.
    #[error("--private-key names a file, and key files are not supported")]
    KeyInFile,
    /// A key that `aws_signing_helper` would find in a TPM.
    #[error("--private-key is a TPM handle, which is not supported")]
    TpmHandle,
    /// Neither option leads to a key.
    #[error("no key was named")]
    NoKey,
    /// This option is missing.
    #[error("{0} is missing")]
    Missing(&'static str),
    /// A URI is malformed. Its text is not repeated: it may hold a PIN.
    #[error("the URI given as {option} is malformed: {source}")]
    Uri {
        /// Which option.
        option: &'static str,
        /// Why.
        source: UriError,
    },
}

impl Explain for RequestError {
    fn exit(&self) -> Exit {
        match self {
            RequestError::Uri { .. } => Exit::Malformed,
            _ => Exit::Usage,
        }
    }

    fn hint(&self) -> Option<String> {
        let hint = match self {
            RequestError::KeyInFile => {
                "name a key on a device: --private-key 'pkcs11:…'; countersign list shows what there is"
            }
            RequestError::TpmHandle => {
                "put the key under tpm2-pkcs11 (tpm2_ptool link) and name it: --private-key 'pkcs11:…'; countersign list shows it"
            }
            RequestError::Missing(_) => {
                "it is on the console's page of IAM Roles Anywhere; serve and credential-process take it from a file, too, by --config"
            }
            RequestError::NoKey => {
                "--private-key 'pkcs11:…' names it; it can be left out where --certificate is a pkcs11: URI"
            }
            RequestError::Uri { source, .. } => return source.hint(),
        };
        Some(hint.into())
    }
}

#[cfg(test)]
mod tests {
    use super::{CertificateSource, RequestError, key_and_certificate};

    #[test]
    fn the_certificates_uri_names_the_key_where_nothing_else_does() {
        let (key, certificate) = key_and_certificate(None, Some("PKCS11:object=a"), None).unwrap();
        assert_eq!(key.to_string(), "pkcs11:object=a");
        assert!(matches!(certificate, CertificateSource::OnDevice { named: Some(_), .. }));
        let (key, _) = key_and_certificate(Some("pkcs11:object=b"), Some("pkcs11:object=a"), None).unwrap();
        assert_eq!(key.to_string(), "pkcs11:object=b");
        let (_, certificate) = key_and_certificate(Some("pkcs11:object=b"), Some("a.pem"), None).unwrap();
        assert!(matches!(certificate, CertificateSource::File { .. }));
        let (key, _) = key_and_certificate(None, Some("a.pem"), None).unwrap();
        assert_eq!(key.to_string(), "pkcs11:");
        assert_eq!(key_and_certificate(None, None, None).unwrap_err(), RequestError::NoKey);
        let handle = key_and_certificate(Some("handle:0x81000001"), Some("a.pem"), None);
        assert_eq!(handle.unwrap_err(), RequestError::TpmHandle);
        assert_eq!(key_and_certificate(Some("key.pem"), None, None).unwrap_err(), RequestError::KeyInFile);
    }

    #[test]
    fn the_pin_of_the_certificates_uri_counts_where_the_keys_has_none() {
        let pin = |key: &str| {
            let certificate = "pkcs11:object=a;type=cert?pin-value=1234";
            let (uri, _) = key_and_certificate(Some(key), Some(certificate), None).unwrap();
            (uri.pin_value.is_some(), uri.pin_source.is_some())
        };
        assert_eq!(pin("pkcs11:object=b"), (true, false));
        assert_eq!(pin("pkcs11:object=b?pin-source=file:/run/pin"), (false, true));
    }

    #[test]
    fn a_malformed_uri_is_not_repeated() {
        let error = key_and_certificate(Some("pkcs11:?pin-value=1234&&"), None, None).unwrap_err();
        assert!(error.to_string().contains("--private-key") && !error.to_string().contains("1234"));
    }
}
