//! The commands for AWS credentials.

use std::path::PathBuf;

use clap::{Args, ValueEnum, ValueHint};

/// What is asked of IAM Roles Anywhere; the options of aws_signing_helper.
#[derive(Clone, Debug, Args)]
pub(crate) struct RolesAnywhere {
    /// The certificate: a file (PEM or DER), or a pkcs11: URI; default: the key's own on the device
    #[arg(long, value_name = "FILE|URI")]
    pub(crate) certificate: Option<String>,
    /// The key, a pkcs11: URI; default: the one of --certificate
    #[arg(long, visible_alias = "key", value_name = "URI")]
    pub(crate) private_key: Option<String>,
    /// The certificates between the certificate and the trust anchor, a PEM file; default: those on the device
    #[arg(long, value_name = "PEM", value_hint = ValueHint::FilePath)]
    pub(crate) intermediates: Option<PathBuf>,
    /// The role
    #[arg(long, value_name = "ARN")]
    pub(crate) role_arn: Option<String>,
    /// The Roles Anywhere profile
    #[arg(long, value_name = "ARN")]
    pub(crate) profile_arn: Option<String>,
    /// The trust anchor
    #[arg(long, value_name = "ARN")]
    pub(crate) trust_anchor_arn: Option<String>,
    /// How long the credentials are good, 900 to 43200
    #[arg(long, value_name = "SECONDS", default_value_t = 3600)]
    pub(crate) session_duration: u32,
    /// The session's name, where the profile accepts one
    #[arg(long, value_name = "NAME")]
    pub(crate) role_session_name: Option<String>,
    /// The region; default: the trust anchor's
    #[arg(long)]
    pub(crate) region: Option<String>,
    /// Another endpoint: https, or http to this computer itself
    #[arg(long, value_name = "URL")]
    pub(crate) endpoint: Option<String>,
    /// Use the endpoint with FIPS 140 cryptography
    #[arg(long, env = "AWS_USE_FIPS_ENDPOINT", hide_env = true, value_parser = clap::builder::BoolishValueParser::new())]
    pub(crate) fips: bool,
    /// Use the endpoint that IPv6 reaches too
    #[arg(long, env = "AWS_USE_DUALSTACK_ENDPOINT", hide_env = true, value_parser = clap::builder::BoolishValueParser::new())]
    pub(crate) dualstack: bool,
    /// Use the proxy of HTTPS_PROXY
    #[arg(long, env = "COUNTERSIGN_WITH_PROXY", hide_env_values = true, value_parser = clap::builder::BoolishValueParser::new())]
    pub(crate) with_proxy: bool,
    /// Accept any server's certificate: for tests of a network, never for use
    #[arg(long)]
    pub(crate) no_verify_ssl: bool,
    /// Say what is signed and sent; no secrets
    #[arg(long)]
    pub(crate) debug: bool,
    /// Taken for aws_signing_helper's sake: the PIN is always used for both, certificate and key
    #[arg(long, hide = true)]
    pub(crate) reuse_pin: bool,
}

/// Print temporary credentials, as AWS's SDKs ask a program for them
///
/// For a line in ~/.aws/config: credential_process = countersign credential-process … One login and one signature for
/// each credential; for half of its life it is handed out again from a cache that only its owner can read, and until its end
/// if no new one can be had.
#[derive(Debug, Args)]
#[command(
    args_override_self = true,
    after_help = "\
Example:
  countersign credential-process --certificate 'pkcs11:token=server;id=%01;type=cert' \\
    --role-arn arn:aws:iam::111122223333:role/Backup \\
    --profile-arn arn:aws:rolesanywhere:eu-west-1:111122223333:profile/0a1b2c3d-… \\
    --trust-anchor-arn arn:aws:rolesanywhere:eu-west-1:111122223333:trust-anchor/4e5f6a7b-… \\
    --pin-source file:/run/secrets/pin"
)]
pub(crate) struct CredentialProcess {
    #[command(flatten)]
    pub(crate) roles_anywhere: RolesAnywhere,
    /// The options of a role from a TOML file, as serve reads it
    #[arg(long, value_name = "TOML", value_hint = ValueHint::FilePath)]
    pub(crate) config: Option<PathBuf>,
    /// Which role of --config; default: the only one
    #[arg(long, value_name = "NAME", requires = "config")]
    pub(crate) role: Option<String>,
    /// Get new credentials, and keep them in the cache
    #[arg(long)]
    pub(crate) refresh: bool,
    /// Keep no credentials and use none that were kept
    #[arg(long, conflicts_with = "refresh")]
    pub(crate) no_cache: bool,
    /// Do everything but sending, and say what would be sent
    #[arg(short = 'n', long)]
    pub(crate) dry_run: bool,
}

/// Write temporary credentials into the AWS credentials file, and renew them
///
/// One profile of the file (AWS_SHARED_CREDENTIALS_FILE, else ~/.aws/credentials) is changed; everything else in it stays
/// byte for byte. Renewed at half of their life at the latest. SIGHUP renews at once, SIGTERM ends.
#[derive(Debug, Args)]
#[command(
    args_override_self = true,
    after_help = "\
Example:
  countersign update --profile backup --certificate 'pkcs11:token=server;id=%01;type=cert' --role-arn … \\
    --profile-arn … --trust-anchor-arn … --pin-source file:/run/secrets/pin"
)]
pub(crate) struct Update {
    #[command(flatten)]
    pub(crate) roles_anywhere: RolesAnywhere,
    /// The profile of the credentials file
    #[arg(long, value_name = "NAME", default_value = "default")]
    pub(crate) profile: String,
    /// Write into the file itself instead of replacing it: for programs that have the single file mounted or open
    #[arg(long)]
    pub(crate) in_place: bool,
    /// Write once and end
    #[arg(long)]
    pub(crate) once: bool,
}

/// Hand out temporary credentials on this computer, as EC2's instance metadata service does
///
/// SDKs find it by AWS_EC2_METADATA_SERVICE_ENDPOINT=http://127.0.0.1:9911, or, the container way, by
/// AWS_CONTAINER_CREDENTIALS_FULL_URI=http://127.0.0.1:9911/creds/ROLE with AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE. Renewed in
/// the background at half of their life at the latest; old ones are handed out until they really end. SIGHUP renews at once.
#[derive(Debug, Args)]
#[command(
    args_override_self = true,
    after_help = "\
Examples:
  countersign serve --certificate 'pkcs11:token=server;id=%01;type=cert' --role-arn … --profile-arn … \\
    --trust-anchor-arn … --pin-source file:/run/secrets/pin
  countersign serve --config /etc/countersign/serve.toml --container-token-file /run/countersign/token"
)]
pub(crate) struct Serve {
    #[command(flatten)]
    pub(crate) roles_anywhere: RolesAnywhere,
    /// Several roles, a TOML file: a [[role]] for each, with name, role-arn, profile-arn and, where they differ from the
    /// options here, trust-anchor-arn, certificate, private-key, intermediates, session-duration, role-session-name
    #[arg(long, value_name = "TOML", value_hint = ValueHint::FilePath)]
    pub(crate) config: Option<PathBuf>,
    /// Do not start unless every role can be had; default: one is enough, and the others are retried
    #[arg(long)]
    pub(crate) require_all: bool,
    /// The address to listen on
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1")]
    pub(crate) listen: std::net::IpAddr,
    /// Another name under which programs reach this service, as creds.ns.svc; may be repeated. The port does not count
    #[arg(long = "allow-host", value_name = "NAME")]
    pub(crate) allow_hosts: Vec<String>,
    /// The port; 0: any that is free
    #[arg(long, default_value_t = 9911)]
    pub(crate) port: u16,
    /// Answers cross so many routers at most
    #[arg(long, value_name = "HOPS", default_value_t = 64, value_parser = clap::value_parser!(u8).range(1..))]
    pub(crate) hop_limit: u8,
    /// Serve the container way too, to who has the token of this file; it is made if it is not there
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) container_token_file: Option<PathBuf>,
    /// The mode of that file, and how open it may be: 0600, or 0640 to share it with its group
    #[arg(long, value_name = "MODE", default_value = "0600", value_parser = container_token_mode)]
    pub(crate) container_token_mode: u32,
}

fn container_token_mode(text: &str) -> Result<u32, &'static str> {
    match u32::from_str_radix(text, 8) {
        Ok(mode @ (0o400 | 0o440 | 0o600 | 0o640)) => Ok(mode),
        _ => Err("0600, 0640, 0400 or 0440: nobody else may read the token"),
    }
}

/// Sign a fixed text, to try out certificate and key for IAM Roles Anywhere
///
/// As aws_signing_helper does: the text is made of a fixed sentence and the SHA-256 of the public key, so that nobody can
/// have anything else signed. The signature is verified before it is printed.
#[derive(Debug, Args)]
#[command(
    args_override_self = true,
    after_help = "\
Examples:
  countersign sign-string --private-key 'pkcs11:token=server;id=%01'
  countersign sign-string --certificate server.pem --private-key 'pkcs11:token=server;id=%01' --format bin >signature"
)]
pub(crate) struct SignString {
    /// The certificate that must be the key's: a file (PEM or DER), or a pkcs11: URI; default: none is needed
    #[arg(long, value_name = "FILE|URI")]
    pub(crate) certificate: Option<String>,
    /// The key, a pkcs11: URI; default: the one of --certificate
    #[arg(long, visible_alias = "key", value_name = "URI")]
    pub(crate) private_key: Option<String>,
    /// The hash of the signature
    #[arg(long, default_value = "SHA256", ignore_case = true)]
    pub(crate) digest: Digest,
    /// How the signature is printed: hexadecimal in quotes, without, or the bytes; none ends the line
    #[arg(long, default_value = "json")]
    pub(crate) format: SignatureFormat,
    /// Say what is signed
    #[arg(long)]
    pub(crate) debug: bool,
    /// Taken for aws_signing_helper's sake: the PIN is always used for both, certificate and key
    #[arg(long, hide = true)]
    pub(crate) reuse_pin: bool,
}

/// Named as aws_signing_helper names them.
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

/// Print a certificate as aws_signing_helper does, and CloudTrail's names for it
///
/// Of a file its type of key, DER in base64 and serial number in decimal, as JSON. Of a pkcs11: URI a list of the
/// certificates that it matches, each with its SHA-1 fingerprint, its subject and a URI of its own. CloudTrail's names
/// are said on stderr, and stand in the --json document.
#[derive(Debug, Args)]
#[command(
    args_override_self = true,
    after_help = "\
Examples:
  countersign read-certificate-data --certificate server.pem
  countersign read-certificate-data --certificate 'pkcs11:token=server'"
)]
pub(crate) struct ReadCertificateData {
    /// The certificate: a file (PEM or DER), or a pkcs11: URI
    #[arg(long, value_name = "FILE|URI")]
    pub(crate) certificate: String,
    /// Say more
    #[arg(long)]
    pub(crate) debug: bool,
}
