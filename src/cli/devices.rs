//! The commands for devices and keys.

use std::path::PathBuf;

use clap::{Args, ValueEnum, ValueHint};
use countersign::device::KeyKind;

use super::Key;

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
  countersign csr --key 'pkcs11:token=officer;id=%01' --subject CN=server1 --dns server1.example.com --ip 192.0.2.10
  countersign csr --key 'pkcs11:token=officer;id=%01' --uri spiffe://example.com/server1 -o workload.csr
  countersign csr --key 'pkcs11:token=officer;id=%01' --subject CN=officer --self-signed 365 -o officer.pem")]
pub(crate) struct Csr {
    #[command(flatten)]
    pub(crate) key: Key,
    /// The subject as RFC 4514 writes it; can be left out if another name is given
    #[arg(long, value_name = "NAME", required_unless_present_any = ["dns", "ip", "email", "uri", "upn"])]
    pub(crate) subject: Option<String>,
    /// A DNS name for subjectAltName; can be repeated, as the names below can
    #[arg(long, value_name = "NAME")]
    pub(crate) dns: Vec<String>,
    /// An IP address, IPv4 or IPv6
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) ip: Vec<String>,
    /// An email address
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) email: Vec<String>,
    /// A URI, such as a SPIFFE ID
    #[arg(long, value_name = "URI")]
    pub(crate) uri: Vec<String>,
    /// A user principal name of Active Directory
    #[arg(long, value_name = "USER@DOMAIN")]
    pub(crate) upn: Vec<String>,
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
    /// Replace a better certificate too: the new one may be expired, not yet valid, a CA's, self-signed, without
    /// digitalSignature, or end earlier
    #[arg(long, requires = "replace")]
    pub(crate) force: bool,
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
