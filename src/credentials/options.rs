//! The options as given, not parsed yet.

use std::path::PathBuf;

/// The options of `aws_signing_helper`: from the command line, or from a role of a configuration file.
#[derive(Clone, Debug, Default)]
pub struct CredentialOptions {
    /// The certificate: a file, or a `pkcs11:` URI; by default the key's own on the device.
    pub certificate: Option<String>,
    /// The key, a `pkcs11:` URI; by default the one that the certificate's URI leads to.
    pub private_key: Option<String>,
    /// A file with the certificates between the certificate and the trust anchor.
    pub intermediates: Option<PathBuf>,
    /// The ARN of the role.
    pub role_arn: Option<String>,
    /// The ARN of the Roles Anywhere profile.
    pub profile_arn: Option<String>,
    /// The ARN of the trust anchor.
    pub trust_anchor_arn: Option<String>,
    /// How long the credentials are to be valid, in seconds.
    pub session_duration: u32,
    /// The name of the session.
    pub role_session_name: Option<String>,
    /// The region; by default the trust anchor's.
    pub region: Option<String>,
    /// The URL of the endpoint; by default the region's.
    pub endpoint: Option<String>,
    /// The variable that the endpoint comes from, if any.
    pub endpoint_variable: Option<&'static str>,
    /// Use the endpoint with FIPS 140 cryptography.
    pub fips: bool,
    /// Use the endpoint that is also reachable over IPv6.
    pub dualstack: bool,
    /// Use the proxy of `HTTPS_PROXY`.
    pub with_proxy: bool,
    /// Accept any server's certificate.
    pub trust_any_server: bool,
}
