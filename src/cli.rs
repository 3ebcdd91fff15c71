//! The command line as a tree: options, help texts, examples. Man pages and completions are made from it.

use std::path::PathBuf;

use clap::{
    Args, ColorChoice, Command as ClapCommand, CommandFactory, Parser, Subcommand, ValueEnum, ValueHint,
};

use countersign::device::{KeyKind, UserType};
use countersign::signature::MechanismChoice;

/// The groups of the help page: what a person wants, the commonest first.
const GROUPS: [(&str, &[&str]); 4] = [
    ("CloudHSM token files", &["sign", "verify", "show", "merge", "audit"]),
    (
        "Devices and keys",
        &["list", "doctor", "public-key", "certificate", "keygen", "csr", "import-certificate", "attest"],
    ),
    ("AWS credentials", &["credential-process", "update", "serve", "sign-string", "read-certificate-data"]),
    ("This program", &["completions", "man", "help"]),
];

/// Sign AWS CloudHSM token files with a private key that never leaves its device
///
/// The key is in a YubiKey, a smart card, an HSM, a TPM: in any PKCS#11 device. It is named by an RFC 7512 URI
/// (pkcs11:…), found through p11-kit or a given module, and signs on the device. Each signature is verified before it is
/// written.
#[derive(Debug, Parser)]
#[command(name = "countersign", version, disable_help_subcommand = false, max_term_width = 100)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Everywhere")]
pub(crate) struct Global {
    /// The PKCS#11 module (a .so file); default: all that p11-kit is configured with
    #[arg(long, global = true, env = "COUNTERSIGN_MODULE", hide_env_values = true, value_name = "PATH", alias = "pkcs11-lib", value_hint = ValueHint::FilePath)]
    pub(crate) module: Option<PathBuf>,
    /// Where the PIN comes from: prompt, file:PATH, env:NAME or fd:NUMBER; default: the key URI, then the terminal
    #[arg(
        long,
        global = true,
        env = "COUNTERSIGN_PIN_SOURCE",
        value_name = "SOURCE",
        hide_env_values = true
    )]
    pub(crate) pin_source: Option<String>,
    /// Send the PIN even if a wrong one would lock the device
    #[arg(long, global = true)]
    pub(crate) use_last_try: bool,
    /// As whom to log in: user, crypto-user (Luna), or a vendor's number
    #[arg(long, global = true, value_name = "TYPE", default_value = "user", hide_default_value = true,
          value_parser = str::parse::<UserType>)]
    pub(crate) user_type: UserType,
    /// Give up on a device that has not answered for so long
    #[arg(long, global = true, value_name = "SECONDS", default_value_t = 120,
          value_parser = clap::value_parser!(u64).range(1..=86400))]
    pub(crate) timeout: u64,
    /// Print one JSON document on stdout
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Say nothing but warnings and errors
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub(crate) quiet: bool,
    /// Say more: modules, mechanism, what was searched
    #[arg(short, long, global = true)]
    pub(crate) verbose: bool,
    /// When to use colours (NO_COLOR is honoured too)
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    pub(crate) color: Color,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Color {
    Auto,
    Always,
    Never,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Sign(Sign),
    Verify(Verify),
    Show(Show),
    Merge(Merge),
    #[command(subcommand)]
    Audit(Audit),
    List(List),
    Doctor(Doctor),
    PublicKey(PublicKey),
    Certificate(CertificateOf),
    Keygen(Keygen),
    Csr(Csr),
    ImportCertificate(ImportCertificate),
    Attest(Attest),
    CredentialProcess(CredentialProcess),
    Update(Update),
    Serve(Serve),
    SignString(SignString),
    ReadCertificateData(ReadCertificateData),
    Completions(Completions),
    Man(Man),
}

impl Command {
    /// Whether `--debug` was given, which only the commands for AWS know.
    pub(crate) fn wants_debug(&self) -> bool {
        match self {
            Command::CredentialProcess(arguments) => arguments.roles_anywhere.debug,
            Command::Update(arguments) => arguments.roles_anywhere.debug,
            Command::Serve(arguments) => arguments.roles_anywhere.debug,
            Command::SignString(arguments) => arguments.debug,
            Command::ReadCertificateData(arguments) => arguments.debug,
            _ => false,
        }
    }
}

/// Which key.
#[derive(Debug, Args)]
pub(crate) struct Key {
    /// The private key or its certificate; up to 8 times: the first one whose device is present is used
    #[arg(long = "key", env = "COUNTERSIGN_KEY", value_name = "URI", hide_env_values = true)]
    pub(crate) uris: Vec<String>,
}

/// Sign every unsigned token in CloudHSM token files, in place
///
/// Each FILE is replaced whole, after every new signature in it was verified under the key's public key, or not touched.
/// Tokens that are signed already are verified and left alone.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  countersign sign unsigned-tokens.json
  countersign sign --key 'pkcs11:token=YubiKey%20PIV%20%2312345678;id=%01' unsigned-tokens.json
  countersign sign --pin-source file:/run/secrets/pin -o signed.json unsigned-tokens.json
  ssh admin@cloudhsm-host cat unsigned-tokens.json | countersign sign - > signed.json
  countersign sign --wait --write-public-key new.pub unsigned-tokens.json
  countersign sign --username alice quorum-token.json
  countersign sign --detached officer1.token")]
pub(crate) struct Sign {
    /// The file that CloudHSM CLI wrote; - reads stdin and writes stdout
    #[arg(required = true, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) files: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) key: Key,
    /// Write the signed copy here and leave FILE alone; - is stdout
    #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) output: Option<PathBuf>,
    /// Replace the signatures that are there
    #[arg(long)]
    pub(crate) force: bool,
    /// Say what would be signed, with which device, without logging in or signing
    #[arg(short = 'n', long)]
    pub(crate) dry_run: bool,
    /// Accept a key that can leave its device
    #[arg(long)]
    pub(crate) allow_exportable: bool,
    /// Accept an RSA key larger than the 2048 bits that AWS asks for
    #[arg(long)]
    pub(crate) allow_key_size: bool,
    /// Refuse a key that is not attested by a maker in this file of roots
    #[arg(long, value_name = "PEM", value_hint = ValueHint::FilePath)]
    pub(crate) require_attested: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) mechanism: Mechanism,
    /// Quorum approvals: the CloudHSM user who approves
    #[arg(long, env = "COUNTERSIGN_USERNAME", value_name = "NAME", hide_env_values = true)]
    pub(crate) username: Option<String>,
    /// Quorum approvals: that user's role; default: crypto-user for key services, else none is written
    #[arg(long, env = "COUNTERSIGN_ROLE", value_name = "ROLE", hide_env_values = true)]
    pub(crate) role: Option<String>,
    /// Files of the older CMU: leave PublicKey empty, as loginHSM wants it
    #[arg(long)]
    pub(crate) no_public_key: bool,
    /// Sign FILE whole, whatever it is, into FILE.sig (quorum files of the older CMU)
    #[arg(long)]
    pub(crate) detached: bool,
    /// Write the key's public key too, for CloudHSM CLI's second question
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) write_public_key: Option<PathBuf>,
    /// Wait for a file that is not complete and a device that is not present; 300 seconds if none are given
    #[arg(long, value_name = "SECONDS", num_args = 0..=1, require_equals = true, default_missing_value = "300")]
    pub(crate) wait: Option<u64>,
    /// Append a line to this log for each attempt; without the line nothing is written
    #[arg(long, env = "COUNTERSIGN_AUDIT_LOG", value_name = "LOG", hide_env_values = true, value_hint = ValueHint::FilePath)]
    pub(crate) audit_log: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Mechanism {
    /// auto, rsa-pkcs or sha256-rsa-pkcs; auto is what CloudHSM accepts
    #[arg(long = "mechanism", value_name = "NAME", default_value = "auto", hide_default_value = true,
          value_parser = str::parse::<MechanismChoice>)]
    pub(crate) choice: MechanismChoice,
}

/// Check every signature in token files as the HSM would
///
/// Exits with 8, and names the token, when a signature is missing or does not verify.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  countersign verify --public-key officer.pub unsigned-tokens.json
  countersign verify --key 'pkcs11:token=officer;id=%01' unsigned-tokens.json
  countersign verify --public-key alice=alice.pub --public-key bob=bob.pub --require 2 approvals.json")]
pub(crate) struct Verify {
    /// The file with the signatures; - is stdin
    #[arg(required = true, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) files: Vec<PathBuf>,
    /// The public key that was registered with CloudHSM, a PEM file; quorum approvals: USER=PEM, once for each approver
    #[arg(long = "public-key", value_name = "[USER=]PEM", value_hint = ValueHint::FilePath)]
    pub(crate) public_keys: Vec<PathBuf>,
    /// Quorum approvals: how many must be valid; default: all that are in the file, and at least one
    #[arg(long, value_name = "M")]
    pub(crate) require: Option<usize>,
    /// Check FILE.sig, the signature of FILE as a whole
    #[arg(long)]
    pub(crate) detached: bool,
    /// With --detached: the signature is in this file
    #[arg(long, value_name = "FILE", requires = "detached", value_hint = ValueHint::FilePath)]
    pub(crate) signature: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) key: Key,
    #[command(flatten)]
    pub(crate) mechanism: Mechanism,
}

/// Join the approvals that several people gave to copies of one quorum file
///
/// The first FILE with the approvals of the others behind its own, one for each user. Files about different tokens, and
/// different signatures of one user, are refused.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  countersign merge alice.json bob.json -o approvals.json")]
pub(crate) struct Merge {
    /// Copies of one quorum file
    #[arg(required = true, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) files: Vec<PathBuf>,
    /// Where the joined file goes; - is stdout
    #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) output: PathBuf,
}

/// Check the chain of an audit log
#[derive(Debug, Subcommand)]
pub(crate) enum Audit {
    /// Check that no line was changed, removed or moved
    Verify {
        /// The log that --audit-log wrote
        #[arg(value_name = "LOG", value_hint = ValueHint::FilePath)]
        log: PathBuf,
    },
}

/// Show what a token file holds, signed and unsigned
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  countersign show unsigned-tokens.json")]
pub(crate) struct Show {
    /// The token file; - is stdin
    #[arg(required = true, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) files: Vec<PathBuf>,
}

/// List modules, devices, keys and certificates, each with a URI to paste
///
/// Asks for no PIN: many devices show a key only after login, and then its public half is listed instead.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  countersign list
  countersign list --login 'pkcs11:token=officer'
  countersign list --module /usr/lib/x86_64-linux-gnu/libykcs11.so")]
pub(crate) struct List {
    /// List only what this URI matches
    #[arg(value_name = "URI")]
    pub(crate) uri: Option<String>,
    /// Log in to each device, to see its private keys
    #[arg(long)]
    pub(crate) login: bool,
}

/// Say what is wrong with modules, devices, keys, PIN, certificate, clock
///
/// Checks in the order in which one thing depends on another, and says for each ok, warning or FAULT and what to do. Exits
/// with the code of the first fault. No PIN is asked for and no try is spent, unless --sign is given.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  countersign doctor
  countersign doctor --key 'pkcs11:token=officer;id=%01'
  countersign doctor --sign --pin-source file:/run/secrets/pin --key 'pkcs11:token=officer;id=%01'")]
pub(crate) struct Doctor {
    #[command(flatten)]
    pub(crate) key: Key,
    /// Log in and make a signature too, one that means nothing, and verify it
    #[arg(long)]
    pub(crate) sign: bool,
}

/// Write a key's public key, the PEM file that CloudHSM CLI asks for
///
/// Byte for byte what openssl rsa -pubout writes. Asks for a PIN only if the device hides the public key without one.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  countersign public-key --key 'pkcs11:token=officer;id=%01' -o officer.pub")]
pub(crate) struct PublicKey {
    #[command(flatten)]
    pub(crate) key: Key,
    /// Write the file here; default: stdout
    #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) output: Option<PathBuf>,
}

/// Write the certificate that belongs to a key, as PEM
///
/// Of several certificates of one key the one that is valid now, may sign, is no CA's, and ends last.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  countersign certificate --key 'pkcs11:token=officer;id=%01' -o officer.pem")]
pub(crate) struct CertificateOf {
    #[command(flatten)]
    pub(crate) key: Key,
    /// Write the file here; default: stdout
    #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) output: Option<PathBuf>,
    /// Write the certificates above it too, as far as they are on the device
    #[arg(long)]
    pub(crate) chain: bool,
}

/// Make a key on a device, which never lets it out
///
/// The key may only sign. What the device says of it afterwards is checked before its URI is printed.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  countersign keygen --device 'pkcs11:token=officer' --label signkey
  countersign keygen --label roles --type ec:p256 -o roles.pub
  countersign keygen --module libykcs11.so --slot 9a --so-pin-source prompt")]
pub(crate) struct Keygen {
    /// The device; default: the one that is present
    #[arg(long, value_name = "URI")]
    pub(crate) device: Option<String>,
    /// The key's label
    #[arg(long, required_unless_present = "slot")]
    pub(crate) label: Option<String>,
    /// The key's id in hexadecimal; default: a free one
    #[arg(long, value_name = "HEX", conflicts_with = "slot")]
    pub(crate) id: Option<String>,
    /// A PIV card's slot instead of an id
    #[arg(long)]
    pub(crate) slot: Option<Slot>,
    /// rsa:2048, rsa:3072, rsa:4096, ec:p256 or ec:p384; CloudHSM wants rsa:2048
    #[arg(long = "type", value_name = "TYPE", default_value = "rsa:2048", value_parser = str::parse::<KeyKind>)]
    pub(crate) kind: KeyKind,
    /// The PIN is wanted for each signature
    #[arg(long)]
    pub(crate) always_authenticate: bool,
    #[command(flatten)]
    pub(crate) so: SecurityOfficer,
    /// Write the public key here
    #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) output: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct SecurityOfficer {
    /// Log in as the security officer, with the PIN from here: prompt, file:PATH, env:NAME or fd:NUMBER; a YubiKey wants its
    /// management key
    #[arg(long, value_name = "SOURCE")]
    pub(crate) so_pin_source: Option<String>,
}

/// A PIV slot, as ykcs11 numbers them.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Slot {
    /// PIV Authentication
    #[value(name = "9a")]
    Authentication,
    /// Digital Signature
    #[value(name = "9c")]
    Signature,
    /// Key Management
    #[value(name = "9d")]
    KeyManagement,
    /// Card Authentication
    #[value(name = "9e")]
    CardAuthentication,
}

impl Slot {
    pub(crate) fn id(self) -> u8 {
        self as u8 + 1
    }

    pub(crate) fn label(self) -> &'static str {
        match self {
            Slot::Authentication => "PIV Authentication",
            Slot::Signature => "Digital Signature",
            Slot::KeyManagement => "Key Management",
            Slot::CardAuthentication => "Card Authentication",
        }
    }
}

/// Make a certificate request, signed on the device
///
/// PKCS#10 with keyUsage digitalSignature as extension request. With --self-signed the certificate itself, for devices
/// whose middleware shows no key without one.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  countersign csr --key 'pkcs11:token=officer;id=%01' --subject 'CN=server1-demo,O=Example,C=US' -o csr.pem
  countersign csr --key 'pkcs11:token=officer;id=%01' --subject CN=officer --self-signed 365 -o officer.pem")]
pub(crate) struct Csr {
    #[command(flatten)]
    pub(crate) key: Key,
    /// The subject as RFC 4514 writes it
    #[arg(long, value_name = "NAME")]
    pub(crate) subject: String,
    /// A DNS name for subjectAltName; can be repeated
    #[arg(long, value_name = "NAME")]
    pub(crate) dns: Vec<String>,
    /// Ask for extendedKeyUsage clientAuth
    #[arg(long)]
    pub(crate) client_auth: bool,
    /// Make a certificate that the key signs for itself, valid for so long
    #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u32).range(1..=36_500))]
    pub(crate) self_signed: Option<u32>,
    /// Write the file here; default: stdout
    #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) output: Option<PathBuf>,
}

/// Put the certificate that a CA made to its key on the device
///
/// Refused unless its public key is the key's. Of several certificates in FILE the key's own is taken.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  countersign import-certificate --key 'pkcs11:token=officer;id=%01' officer.pem
  countersign import-certificate --key 'pkcs11:token=officer;id=%01' --replace --with-chain renewed.pem")]
pub(crate) struct ImportCertificate {
    #[command(flatten)]
    pub(crate) key: Key,
    /// The certificate, PEM or DER; - is stdin
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) file: PathBuf,
    /// Remove the key's older certificates when the new one is there
    #[arg(long)]
    pub(crate) replace: bool,
    /// Store the certificates above it too
    #[arg(long)]
    pub(crate) with_chain: bool,
    #[command(flatten)]
    pub(crate) so: SecurityOfficer,
}

/// Show what proves that a key is in its device
///
/// A YubiKey attests the keys that were made in it; with --root the attestation is verified. Of other devices what they
/// claim by PKCS#11 is shown as claims.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  countersign attest --module libykcs11.so --key 'pkcs11:id=%01' --root yubico-piv-ca.pem")]
pub(crate) struct Attest {
    #[command(flatten)]
    pub(crate) key: Key,
    /// The maker's roots, a PEM file: only what leads to one of them is proof
    #[arg(long, env = "COUNTERSIGN_ATTESTATION_ROOT", value_name = "PEM", hide_env_values = true, value_hint = ValueHint::FilePath)]
    pub(crate) root: Option<PathBuf>,
    /// Write the attestation and what is above it here
    #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) output: Option<PathBuf>,
}

/// What is asked of IAM Roles Anywhere; the options of aws_signing_helper.
#[derive(Clone, Debug, Args)]
pub(crate) struct RolesAnywhere {
    /// The certificate: a file (PEM or DER), or a pkcs11: URI; default: the key's own on the device
    #[arg(long, value_name = "FILE|URI")]
    pub(crate) certificate: Option<String>,
    /// The key, a pkcs11: URI; default: the one of --certificate
    #[arg(long, visible_alias = "key", env = "COUNTERSIGN_KEY", value_name = "URI", hide_env_values = true)]
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
/// each credential; until five minutes before its end it is handed out again from a cache that only its owner can read.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  countersign credential-process --certificate 'pkcs11:token=server;id=%01;type=cert' \\
    --role-arn arn:aws:iam::111122223333:role/Backup \\
    --profile-arn arn:aws:rolesanywhere:eu-west-1:111122223333:profile/0a1b2c3d-… \\
    --trust-anchor-arn arn:aws:rolesanywhere:eu-west-1:111122223333:trust-anchor/4e5f6a7b-… \\
    --pin-source file:/run/secrets/pin")]
pub(crate) struct CredentialProcess {
    #[command(flatten)]
    pub(crate) roles_anywhere: RolesAnywhere,
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
/// byte for byte. Renewed five minutes before they end. SIGHUP renews at once, SIGTERM ends.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  countersign update --profile backup --certificate 'pkcs11:token=server;id=%01;type=cert' --role-arn … \\
    --profile-arn … --trust-anchor-arn … --pin-source file:/run/secrets/pin")]
pub(crate) struct Update {
    #[command(flatten)]
    pub(crate) roles_anywhere: RolesAnywhere,
    /// The profile of the credentials file
    #[arg(long, value_name = "NAME", default_value = "default")]
    pub(crate) profile: String,
    /// Write once and end
    #[arg(long)]
    pub(crate) once: bool,
}

/// Hand out temporary credentials on this computer, as EC2's instance metadata service does
///
/// SDKs find it by AWS_EC2_METADATA_SERVICE_ENDPOINT=http://127.0.0.1:9911/, or, the container way, by
/// AWS_CONTAINER_CREDENTIALS_FULL_URI=http://127.0.0.1:9911/creds/ROLE with AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE. Renewed in
/// the background five minutes before they end; old ones are handed out until they really end. SIGHUP renews at once.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  countersign serve --certificate 'pkcs11:token=server;id=%01;type=cert' --role-arn … --profile-arn … \\
    --trust-anchor-arn … --pin-source file:/run/secrets/pin
  countersign serve --config /etc/countersign/serve.toml --container-token-file /run/countersign/token")]
pub(crate) struct Serve {
    #[command(flatten)]
    pub(crate) roles_anywhere: RolesAnywhere,
    /// Several roles, a TOML file: a [[role]] for each, with name, role-arn, profile-arn and, where they differ from the
    /// options here, trust-anchor-arn, certificate, private-key, intermediates, session-duration, role-session-name
    #[arg(long, value_name = "TOML", value_hint = ValueHint::FilePath)]
    pub(crate) config: Option<PathBuf>,
    /// The address to listen on
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1")]
    pub(crate) listen: std::net::IpAddr,
    /// The port; 0: any that is free
    #[arg(long, default_value_t = 9911)]
    pub(crate) port: u16,
    /// Answers cross so many routers at most
    #[arg(long, value_name = "HOPS", default_value_t = 64, value_parser = clap::value_parser!(u8).range(1..))]
    pub(crate) hop_limit: u8,
    /// Serve the container way too, to who has the token of this file; it is made if it is not there
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) container_token_file: Option<PathBuf>,
}

/// Sign a fixed text, to try out certificate and key for IAM Roles Anywhere
///
/// As aws_signing_helper does: the text is made of a fixed sentence and the SHA-256 of the public key, so that nobody can
/// have anything else signed. The signature is verified before it is printed.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  countersign sign-string --private-key 'pkcs11:token=server;id=%01'
  countersign sign-string --certificate server.pem --private-key 'pkcs11:token=server;id=%01' --format bin >signature")]
pub(crate) struct SignString {
    /// The certificate that must be the key's: a file (PEM or DER), or a pkcs11: URI; default: none is needed
    #[arg(long, value_name = "FILE|URI")]
    pub(crate) certificate: Option<String>,
    /// The key, a pkcs11: URI; default: the one of --certificate
    #[arg(long, visible_alias = "key", env = "COUNTERSIGN_KEY", value_name = "URI", hide_env_values = true)]
    pub(crate) private_key: Option<String>,
    /// The hash of the signature
    #[arg(long, default_value = "SHA256")]
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
#[command(after_help = "\
Examples:
  countersign read-certificate-data --certificate server.pem
  countersign read-certificate-data --certificate 'pkcs11:token=server'")]
pub(crate) struct ReadCertificateData {
    /// The certificate: a file (PEM or DER), or a pkcs11: URI
    #[arg(long, value_name = "FILE|URI")]
    pub(crate) certificate: String,
    /// Say more
    #[arg(long)]
    pub(crate) debug: bool,
}

/// Print a completion script for a shell
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  countersign completions bash > /etc/bash_completion.d/countersign")]
pub(crate) struct Completions {
    /// The shell
    pub(crate) shell: clap_complete::Shell,
}

/// Write the man pages into a folder
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  countersign man /usr/local/share/man/man1")]
pub(crate) struct Man {
    /// The folder, which must exist
    #[arg(value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(crate) folder: PathBuf,
}

/// The tree, with the help page grouped by what a person wants.
pub(crate) fn tree() -> ClapCommand {
    let mut tree = Cli::command();
    let mut commands = String::new();
    for (heading, names) in GROUPS {
        commands.push_str(&format!("{heading}:\n"));
        for name in names {
            let about = tree.find_subcommand(name).and_then(ClapCommand::get_about);
            let about =
                about.map_or_else(|| "Print this page, or a command's".to_owned(), ToString::to_string);
            commands.push_str(&format!("  {name:<21} {about}\n"));
        }
        commands.push('\n');
    }
    let after = "countersign help COMMAND says more of a command, with examples.\n\
                 Exit codes: 0 done, 1 other, 2 usage, 3 device, 4 key, 5 PIN, 6 signing, 7 malformed input, \
                 8 bad signature, 9 AWS, 130 interrupted";
    tree = tree.help_template(format!(
        "{{about-with-newline}}\n{{usage-heading}} {{usage}}\n\n{commands}{{options}}\n\n{after}\n"
    ));
    tree.color(ColorChoice::Auto)
}
