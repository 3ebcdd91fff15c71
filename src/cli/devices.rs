//! The commands for devices and keys.

use std::path::PathBuf;

use clap::{Args, ValueEnum, ValueHint};
use countersign::device::KeyKind;

use super::{Key, heading};

/// List modules, devices, keys and certificates with URIs
///
/// Each key and certificate comes with a URI to paste. No PIN is asked for. Many devices show a private key only after login:
/// without --login, its public half is listed instead.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  countersign list
  countersign list --login 'pkcs11:token=officer'
  countersign list --module /usr/lib/x86_64-linux-gnu/libykcs11.so")]
pub(crate) struct List {
    /// List only what matches this pkcs11: URI
    #[arg(value_name = "URI")]
    pub(crate) uri: Option<String>,
    /// Log in to each device, to see its private keys
    #[arg(long, help_heading = heading::DEVICE)]
    pub(crate) login: bool,
    /// Only find out whether the modules survive being listed.
    #[arg(skip)]
    pub(crate) in_trial: bool,
}

/// Diagnose module, device, key, PIN, certificate, clock
///
/// Checks in the order of dependence, and prints ok, warning or FAULT for each, with what to do. Exits with the code of the
/// first fault. Without --sign, no PIN is asked for and no PIN attempt is used.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  countersign doctor
  countersign doctor --key 'pkcs11:token=officer;id=%01'
  countersign doctor --sign --key 'pkcs11:token=officer;id=%01'")]
pub(crate) struct Doctor {
    #[command(flatten)]
    pub(crate) key: Key,
    /// Log in, sign a text that means nothing, and verify it
    #[arg(long, help_heading = heading::KEY)]
    pub(crate) sign: bool,
}

/// Write a public key as PEM, as CloudHSM CLI expects it
///
/// The file is byte for byte what openssl rsa -pubout writes. A PIN is asked for only if the device hides the public key
/// without one.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  countersign public-key --key 'pkcs11:token=officer;id=%01' -o officer.pub")]
pub(crate) struct PublicKey {
    #[command(flatten)]
    pub(crate) key: Key,
    /// Write to this file, not to stdout
    #[arg(short, long, help_heading = heading::OUTPUT, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) output: Option<PathBuf>,
}

/// Write the certificate of a key as PEM
///
/// If a key has several certificates, countersign chooses one that is valid now, may sign and is not a CA's. Of these, it takes
/// the one that expires last.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  countersign certificate --key 'pkcs11:token=officer;id=%01' -o officer.pem")]
pub(crate) struct CertificateOf {
    #[command(flatten)]
    pub(crate) key: Key,
    /// Write to this file, not to stdout
    #[arg(short, long, help_heading = heading::OUTPUT, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) output: Option<PathBuf>,
    /// Also write the CA certificates that the device has
    #[arg(long, help_heading = heading::OUTPUT)]
    pub(crate) chain: bool,
}

/// Generate a non-exportable key on a device
///
/// The key can only sign. countersign prints its URI after checking what the device reports about it.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  countersign keygen --device 'pkcs11:token=officer' --label signkey
  countersign keygen --label roles --type ec:p256 -o roles.pub
  countersign keygen --module libykcs11.so --slot 9a --so-pin-source prompt")]
pub(crate) struct Keygen {
    /// pkcs11: URI of the device
    ///
    /// By default, the one device that is present.
    #[arg(long, help_heading = heading::DEVICE, value_name = "URI")]
    pub(crate) device: Option<String>,
    /// Label of the key
    #[arg(long, help_heading = heading::KEY, required_unless_present = "slot")]
    pub(crate) label: Option<String>,
    /// ID in hexadecimal; by default, a free one
    #[arg(long, help_heading = heading::KEY, value_name = "HEX", conflicts_with = "slot")]
    pub(crate) id: Option<String>,
    /// Slot of a PIV card, instead of an ID
    #[arg(long, help_heading = heading::KEY)]
    pub(crate) slot: Option<Slot>,
    /// rsa:2048, rsa:3072, rsa:4096, ec:p256 or ec:p384
    ///
    /// CloudHSM requires rsa:2048.
    #[arg(long = "type", help_heading = heading::KEY, value_name = "TYPE", default_value = "rsa:2048", value_parser = str::parse::<KeyKind>)]
    pub(crate) kind: KeyKind,
    /// Require the PIN for each signature
    #[arg(long, help_heading = heading::KEY)]
    pub(crate) always_authenticate: bool,
    #[command(flatten)]
    pub(crate) so: SecurityOfficer,
    /// Write the public key to this file
    #[arg(short, long, help_heading = heading::OUTPUT, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) output: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct SecurityOfficer {
    /// Log in as security officer, with this PIN
    ///
    /// prompt, file:PATH, env:NAME or fd:NUMBER. A YubiKey requires its management key.
    #[arg(long, help_heading = heading::DEVICE, value_name = "SOURCE")]
    pub(crate) so_pin_source: Option<String>,
}

/// A PIV slot, with the number that ykcs11 gives it.
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

/// Create a certificate request, signed on the device
///
/// The CSR (PKCS#10) requests keyUsage digitalSignature. With --self-signed, countersign writes a certificate instead: the
/// middleware of some devices shows no key without one.
#[derive(Debug, Args)]
#[command(
    after_help = "\
Example:
  countersign csr --key 'pkcs11:token=officer;id=%01' --subject CN=server1",
    after_long_help = "\
Examples:
  countersign csr --key 'pkcs11:token=officer;id=%01' \\
    --subject 'CN=server1-demo,O=Example,C=US' -o csr.pem
  countersign csr --key 'pkcs11:token=officer;id=%01' --subject CN=server1 \\
    --dns server1.example.com --ip 192.0.2.10
  countersign csr --key 'pkcs11:token=officer;id=%01' \\
    --uri spiffe://example.com/server1 -o workload.csr
  countersign csr --key 'pkcs11:token=officer;id=%01' --subject CN=officer \\
    --self-signed 365 -o officer.pem"
)]
pub(crate) struct Csr {
    #[command(flatten)]
    pub(crate) key: Key,
    /// Subject, as RFC 4514 writes it
    ///
    /// Can be left out if another name is given.
    #[arg(long, help_heading = "Names", value_name = "NAME", required_unless_present_any = ["dns", "ip", "email", "uri", "upn"])]
    pub(crate) subject: Option<String>,
    /// DNS name for subjectAltName
    ///
    /// Can be repeated, like the names below.
    #[arg(long, help_heading = "Names", value_name = "NAME")]
    pub(crate) dns: Vec<String>,
    /// IP address, IPv4 or IPv6
    #[arg(long, help_heading = "Names", value_name = "ADDRESS")]
    pub(crate) ip: Vec<String>,
    /// Email address
    #[arg(long, help_heading = "Names", value_name = "ADDRESS")]
    pub(crate) email: Vec<String>,
    /// URI, such as a SPIFFE ID
    #[arg(long, help_heading = "Names", value_name = "URI")]
    pub(crate) uri: Vec<String>,
    /// User principal name of Active Directory
    #[arg(long, help_heading = "Names", value_name = "USER@DOMAIN")]
    pub(crate) upn: Vec<String>,
    /// Request extendedKeyUsage clientAuth
    #[arg(long, help_heading = "Certificate")]
    pub(crate) client_auth: bool,
    /// Create a self-signed certificate, valid for DAYS
    #[arg(long, help_heading = "Certificate", value_name = "DAYS", value_parser = clap::value_parser!(u32).range(1..=36_500))]
    pub(crate) self_signed: Option<u32>,
    /// Write to this file, not to stdout
    #[arg(short, long, help_heading = heading::OUTPUT, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) output: Option<PathBuf>,
}

/// Import a CA-issued certificate for a key
///
/// The certificate is refused unless it holds the key's public key. If FILE holds several certificates, the key's own is
/// imported.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  countersign import-certificate --key 'pkcs11:token=officer;id=%01' officer.pem
  countersign import-certificate --key 'pkcs11:token=officer;id=%01' \\
    --replace --with-chain renewed.pem")]
pub(crate) struct ImportCertificate {
    #[command(flatten)]
    pub(crate) key: Key,
    /// Certificate, PEM or DER; - is stdin
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) file: PathBuf,
    /// Remove the key's older certificates afterwards
    #[arg(long, help_heading = "Certificate")]
    pub(crate) replace: bool,
    /// With --replace: replace a better certificate too
    ///
    /// The new one may be expired, not yet valid, a CA's, self-signed, without digitalSignature, or expire earlier.
    #[arg(long, help_heading = "Certificate", requires = "replace")]
    pub(crate) force: bool,
    /// Also import the CA certificates in FILE
    #[arg(long, help_heading = "Certificate")]
    pub(crate) with_chain: bool,
    #[command(flatten)]
    pub(crate) so: SecurityOfficer,
}

/// Show what proves that a key is in its device
///
/// A YubiKey or YubiHSM attests the keys that were generated in it; with --root, the attestation is verified. For other
/// devices, what they report through PKCS#11 is shown, as claims.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  countersign attest --module libykcs11.so --key 'pkcs11:id=%01' \\
    --root yubico-piv-ca.pem")]
pub(crate) struct Attest {
    #[command(flatten)]
    pub(crate) key: Key,
    /// Root certificates of the manufacturer, a PEM file
    ///
    /// Only an attestation that leads to one of them is proof.
    #[arg(long, help_heading = "Attestation", env = "COUNTERSIGN_ATTESTATION_ROOT", value_name = "PEM", hide_env_values = true, value_hint = ValueHint::FilePath)]
    pub(crate) root: Option<PathBuf>,
    /// Write the attestation and its CA certificates to this file
    #[arg(short, long, help_heading = heading::OUTPUT, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) output: Option<PathBuf>,
}
