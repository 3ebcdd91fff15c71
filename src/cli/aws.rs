//! The commands for AWS credentials.

use std::path::PathBuf;

use clap::{Args, ValueEnum, ValueHint};

use super::heading;

const CERTIFICATE: &str = "Certificate and key";
const ROLE: &str = "Role";
const REQUEST: &str = "Request to AWS";
const CREDENTIALS: &str = "Credentials";
const SERVICE: &str = "Service";

/// What is asked of IAM Roles Anywhere; the options of aws_signing_helper.
#[derive(Clone, Debug, Args)]
pub(crate) struct RolesAnywhere {
    /// Certificate: file (PEM or DER) or pkcs11: URI
    ///
    /// By default, the key's own certificate on the device.
    #[arg(long, help_heading = CERTIFICATE, value_name = "FILE|URI")]
    pub(crate) certificate: Option<String>,
    /// Private key, a pkcs11: URI
    ///
    /// By default, the key of --certificate.
    #[arg(long, help_heading = CERTIFICATE, visible_alias = "key", value_name = "URI")]
    pub(crate) private_key: Option<String>,
    /// Certificates between yours and the anchor
    ///
    /// A PEM file with the certificates between --certificate and the trust anchor. By default, those on the device.
    #[arg(long, help_heading = CERTIFICATE, value_name = "PEM", value_hint = ValueHint::FilePath)]
    pub(crate) intermediates: Option<PathBuf>,
    /// IAM role to assume
    #[arg(long, help_heading = ROLE, value_name = "ARN")]
    pub(crate) role_arn: Option<String>,
    /// Roles Anywhere profile
    #[arg(long, help_heading = ROLE, value_name = "ARN")]
    pub(crate) profile_arn: Option<String>,
    /// Trust anchor
    #[arg(long, help_heading = ROLE, value_name = "ARN")]
    pub(crate) trust_anchor_arn: Option<String>,
    /// Lifetime of the credentials, 900 to 43200
    #[arg(long, help_heading = ROLE, hide_short_help = true, value_name = "SECONDS", default_value_t = 3600)]
    pub(crate) session_duration: u32,
    /// Name of the session, if the profile accepts one
    #[arg(long, help_heading = ROLE, hide_short_help = true, value_name = "NAME")]
    pub(crate) role_session_name: Option<String>,
    /// AWS region
    ///
    /// By default, the region of the trust anchor.
    #[arg(long, help_heading = REQUEST, hide_short_help = true)]
    pub(crate) region: Option<String>,
    /// Another endpoint: https, or http to this computer itself
    #[arg(long, help_heading = REQUEST, hide_short_help = true, value_name = "URL")]
    pub(crate) endpoint: Option<String>,
    /// Use the endpoint with FIPS 140 cryptography
    #[arg(long, help_heading = REQUEST, hide_short_help = true, env = "AWS_USE_FIPS_ENDPOINT", hide_env = true, value_parser = clap::builder::BoolishValueParser::new())]
    pub(crate) fips: bool,
    /// Use the endpoint that is also reachable over IPv6
    #[arg(long, help_heading = REQUEST, hide_short_help = true, env = "AWS_USE_DUALSTACK_ENDPOINT", hide_env = true, value_parser = clap::builder::BoolishValueParser::new())]
    pub(crate) dualstack: bool,
    /// Use the proxy in HTTPS_PROXY
    #[arg(long, help_heading = REQUEST, hide_short_help = true, env = "COUNTERSIGN_WITH_PROXY", hide_env_values = true, value_parser = clap::builder::BoolishValueParser::new())]
    pub(crate) with_proxy: bool,
    /// Accept any server certificate: only to test a network
    #[arg(long, help_heading = REQUEST, hide_short_help = true)]
    pub(crate) no_verify_ssl: bool,
    /// Print what is signed and sent, without secrets
    #[arg(long, help_heading = REQUEST, hide_short_help = true)]
    pub(crate) debug: bool,
    /// Accepted for compatibility with aws_signing_helper: the PIN is always used for both, certificate and key
    #[arg(long, hide = true)]
    pub(crate) reuse_pin: bool,
}

/// Print temporary credentials for an AWS SDK
///
/// For a line in ~/.aws/config: credential_process = countersign credential-process …
///
/// Each credential takes one login and one signature. A cache that only its owner can read hands it out again for half of its
/// life, and until it expires if no new one can be obtained.
#[derive(Debug, Args)]
#[command(
    args_override_self = true,
    after_help = "\
Example:
  countersign credential-process --config backup.toml",
    after_long_help = "\
Examples:
  countersign credential-process --config backup.toml
  countersign credential-process \\
    --certificate 'pkcs11:token=server;id=%01;type=cert' \\
    --role-arn arn:aws:iam::111122223333:role/Backup \\
    --profile-arn arn:aws:rolesanywhere:eu-west-1:111122223333:profile/PROFILE \\
    --trust-anchor-arn arn:aws:rolesanywhere:eu-west-1:111122223333:trust-anchor/ANCHOR \\
    --pin-source file:/run/secrets/pin"
)]
pub(crate) struct CredentialProcess {
    /// TOML file with the options of roles, as for serve
    #[arg(long, help_heading = ROLE, value_name = "TOML", value_hint = ValueHint::FilePath)]
    pub(crate) config: Option<PathBuf>,
    /// Role in --config; by default, the only one
    #[arg(long, help_heading = ROLE, value_name = "NAME", requires = "config")]
    pub(crate) role: Option<String>,
    #[command(flatten)]
    pub(crate) roles_anywhere: RolesAnywhere,
    /// Obtain new credentials, and keep them in the cache
    #[arg(long, help_heading = CREDENTIALS)]
    pub(crate) refresh: bool,
    /// Neither use the cache nor write to it
    #[arg(long, help_heading = CREDENTIALS, conflicts_with = "refresh")]
    pub(crate) no_cache: bool,
    /// Do everything but send; print what would be sent
    #[arg(short = 'n', long, help_heading = CREDENTIALS)]
    pub(crate) dry_run: bool,
}

/// Keep a profile in the AWS credentials file valid
///
/// Writes temporary credentials into one profile of the file (AWS_SHARED_CREDENTIALS_FILE, else ~/.aws/credentials), and renews
/// them at half of their life at the latest. Everything else in the file stays byte for byte. SIGHUP renews at once, SIGTERM
/// ends.
#[derive(Debug, Args)]
#[command(
    args_override_self = true,
    after_help = "\
Example:
  countersign update --profile backup \\
    --certificate 'pkcs11:token=server;id=%01;type=cert' \\
    --role-arn arn:aws:iam::111122223333:role/Backup \\
    --profile-arn arn:aws:rolesanywhere:eu-west-1:111122223333:profile/PROFILE \\
    --trust-anchor-arn arn:aws:rolesanywhere:eu-west-1:111122223333:trust-anchor/ANCHOR \\
    --pin-source file:/run/secrets/pin"
)]
pub(crate) struct Update {
    /// Profile in the credentials file
    #[arg(long, help_heading = CREDENTIALS, value_name = "NAME", default_value = "default")]
    pub(crate) profile: String,
    /// Write into the file itself instead of replacing it
    ///
    /// For programs that have the single file mounted or open.
    #[arg(long, help_heading = CREDENTIALS)]
    pub(crate) in_place: bool,
    /// Write once and end
    #[arg(long, help_heading = CREDENTIALS)]
    pub(crate) once: bool,
    #[command(flatten)]
    pub(crate) roles_anywhere: RolesAnywhere,
}

/// Serve temporary credentials like EC2's metadata service
///
/// SDKs on this computer find the service by
/// AWS_EC2_METADATA_SERVICE_ENDPOINT=http://127.0.0.1:9911
///
/// As a container credentials endpoint, they find it by AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE and
/// AWS_CONTAINER_CREDENTIALS_FULL_URI=http://127.0.0.1:9911/creds/ROLE
///
/// Credentials are renewed in the background at half of their life at the latest; the old ones are served until they expire.
/// SIGHUP renews at once.
#[derive(Debug, Args)]
#[command(
    args_override_self = true,
    after_help = "\
Example:
  countersign serve --config /etc/countersign/serve.toml",
    after_long_help = "\
Examples:
  countersign serve --config /etc/countersign/serve.toml \\
    --container-token-file /run/countersign/token
  countersign serve --certificate 'pkcs11:token=server;id=%01;type=cert' \\
    --role-arn arn:aws:iam::111122223333:role/Backup \\
    --profile-arn arn:aws:rolesanywhere:eu-west-1:111122223333:profile/PROFILE \\
    --trust-anchor-arn arn:aws:rolesanywhere:eu-west-1:111122223333:trust-anchor/ANCHOR \\
    --pin-source file:/run/secrets/pin"
)]
pub(crate) struct Serve {
    /// Address to listen on
    #[arg(long, help_heading = SERVICE, value_name = "ADDRESS", default_value = "127.0.0.1")]
    pub(crate) listen: std::net::IpAddr,
    /// Port; 0 is any free one
    #[arg(long, help_heading = SERVICE, default_value_t = 9911)]
    pub(crate) port: u16,
    /// Another host name by which clients reach the service
    ///
    /// For example creds.ns.svc. Can be repeated. The port does not count.
    #[arg(long = "allow-host", help_heading = SERVICE, hide_short_help = true, value_name = "NAME")]
    pub(crate) allow_hosts: Vec<String>,
    /// Maximum number of IP hops for responses
    #[arg(long, help_heading = SERVICE, hide_short_help = true, value_name = "HOPS", default_value_t = 64, value_parser = clap::value_parser!(u8).range(1..))]
    pub(crate) hop_limit: u8,
    /// Serve clients that present this token
    ///
    /// Serve the container credentials endpoint too, to clients that present the token in FILE. A missing FILE is created with a
    /// new token.
    #[arg(long, help_heading = SERVICE, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) container_token_file: Option<PathBuf>,
    /// Mode of the token file, and the widest mode it may have
    ///
    /// 0640 shares the file with its group.
    #[arg(long, help_heading = SERVICE, hide_short_help = true, value_name = "MODE", default_value = "0600", value_parser = container_token_mode)]
    pub(crate) container_token_mode: u32,
    /// TOML file with one or several roles
    ///
    /// A [[role]] for each, with name, role-arn, profile-arn and, where they differ from the options here, trust-anchor-arn,
    /// certificate, private-key, intermediates, session-duration, role-session-name.
    #[arg(long, help_heading = ROLE, value_name = "TOML", value_hint = ValueHint::FilePath)]
    pub(crate) config: Option<PathBuf>,
    /// Start only if credentials for every role can be obtained
    ///
    /// By default, one role is enough, and the others are retried.
    #[arg(long, help_heading = ROLE, hide_short_help = true)]
    pub(crate) require_all: bool,
    #[command(flatten)]
    pub(crate) roles_anywhere: RolesAnywhere,
}

fn container_token_mode(text: &str) -> Result<u32, &'static str> {
    match u32::from_str_radix(text, 8) {
        Ok(mode @ (0o400 | 0o440 | 0o600 | 0o640)) => Ok(mode),
        _ => Err("possible values: 0600, 0640, 0400, 0440, so that nobody else can read the token"),
    }
}

/// Sign a fixed test string, as aws_signing_helper does
///
/// This tests a certificate and a key for IAM Roles Anywhere. The string consists of a fixed sentence and the SHA-256 of the
/// public key, so that nothing else can be signed. The signature is verified before it is printed.
#[derive(Debug, Args)]
#[command(
    args_override_self = true,
    after_help = "\
Examples:
  countersign sign-string --private-key 'pkcs11:token=server;id=%01'
  countersign sign-string --certificate server.pem \\
    --private-key 'pkcs11:token=server;id=%01' --format bin >signature"
)]
pub(crate) struct SignString {
    /// Certificate: file (PEM or DER) or pkcs11: URI
    ///
    /// It must be the key's. By default, no certificate is needed.
    #[arg(long, help_heading = CERTIFICATE, value_name = "FILE|URI")]
    pub(crate) certificate: Option<String>,
    /// Private key, a pkcs11: URI
    ///
    /// By default, the key of --certificate.
    #[arg(long, help_heading = CERTIFICATE, visible_alias = "key", value_name = "URI")]
    pub(crate) private_key: Option<String>,
    /// Hash of the signature
    #[arg(long, help_heading = heading::OUTPUT, default_value = "SHA256", ignore_case = true)]
    pub(crate) digest: Digest,
    /// Format of the signature
    ///
    /// json is hexadecimal in quotes, text is hexadecimal, bin is the bytes. None of them ends the line.
    #[arg(long, help_heading = heading::OUTPUT, default_value = "json")]
    pub(crate) format: SignatureFormat,
    /// Print what is signed
    #[arg(long, help_heading = heading::OUTPUT)]
    pub(crate) debug: bool,
    /// Accepted for compatibility with aws_signing_helper: the PIN is always used for both, certificate and key
    #[arg(long, hide = true)]
    pub(crate) reuse_pin: bool,
}

/// With the names that aws_signing_helper uses.
#[derive(Clone, Copy, Debug, ValueEnum)]
#[value(rename_all = "UPPER")]
pub(crate) enum Digest {
    Sha256,
    Sha384,
    Sha512,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum SignatureFormat {
    Json,
    Text,
    Bin,
}

/// Print a certificate's data, as aws_signing_helper does
///
/// For a file: the key type, the certificate as DER in base64, and the serial number in decimal, as JSON. For a pkcs11: URI: a
/// list of the certificates that it matches, each with its SHA-1 fingerprint, its subject, issuer and serial number, and its own URI. CloudTrail's names
/// for the certificate are printed on stderr and are in the --json document.
#[derive(Debug, Args)]
#[command(
    args_override_self = true,
    after_help = "\
Examples:
  countersign read-certificate-data --certificate server.pem
  countersign read-certificate-data --certificate 'pkcs11:token=server'"
)]
pub(crate) struct ReadCertificateData {
    /// Certificate: file (PEM or DER) or pkcs11: URI
    #[arg(long, help_heading = CERTIFICATE, value_name = "FILE|URI")]
    pub(crate) certificate: String,
    /// Print more
    #[arg(long, help_heading = heading::OUTPUT)]
    pub(crate) debug: bool,
}
