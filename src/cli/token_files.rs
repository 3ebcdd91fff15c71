//! The commands for CloudHSM's token files.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueHint};
use countersign::signature::MechanismChoice;

use super::{Key, heading};

/// Sign the unsigned tokens in token files, in place
///
/// Each FILE is replaced as a whole, after every new signature in it was verified under the key's public key; else it is not
/// touched. Signatures that are there already are verified and kept. Without --key, the one suitable key that is present signs.
#[derive(Debug, Args)]
#[command(
    after_help = "\
Examples:
  countersign sign unsigned-tokens.json
  countersign sign --key 'pkcs11:token=officer;id=%01' unsigned-tokens.json
  countersign sign --username alice quorum-token.json",
    after_long_help = "\
Examples:
  countersign sign unsigned-tokens.json
  countersign sign --key 'pkcs11:token=YubiKey%20PIV%20%2312345678;id=%01' \\
    unsigned-tokens.json
  countersign sign --pin-source file:/run/secrets/pin -o signed.json \\
    unsigned-tokens.json
  ssh admin@hsm-host cat tokens.json | countersign sign - >signed.json
  countersign sign --wait --write-public-key new.pub unsigned-tokens.json
  countersign sign --username alice quorum-token.json
  countersign sign --detached officer1.token"
)]
pub(crate) struct Sign {
    /// File that CloudHSM CLI wrote; - reads stdin and writes stdout
    #[arg(required = true, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) files: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) key: Key,
    /// Accept a key that can leave its device
    #[arg(long, help_heading = heading::KEY, hide_short_help = true)]
    pub(crate) allow_exportable: bool,
    /// Accept an RSA key larger than the 2048 bits that AWS asks for
    #[arg(long, help_heading = heading::KEY, hide_short_help = true)]
    pub(crate) allow_key_size: bool,
    /// Refuse a key without an attestation that leads to a root in PEM
    #[arg(long, help_heading = heading::KEY, hide_short_help = true, value_name = "PEM", value_hint = ValueHint::FilePath)]
    pub(crate) require_attested: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) mechanism: Mechanism,
    /// Write to this file, not to the input
    ///
    /// - is stdout.
    #[arg(short, long, help_heading = heading::OUTPUT, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) output: Option<PathBuf>,
    /// Replace existing signatures
    ///
    /// With --detached, a token file is also signed as a whole.
    #[arg(long, help_heading = heading::OUTPUT)]
    pub(crate) force: bool,
    /// Show what would be signed, without login
    #[arg(short = 'n', long, help_heading = heading::OUTPUT)]
    pub(crate) dry_run: bool,
    /// Also write the public key, for CloudHSM CLI
    #[arg(long, help_heading = heading::OUTPUT, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) write_public_key: Option<PathBuf>,
    /// Wait for a complete file and for the device
    ///
    /// Waits 300 seconds if no number is given.
    #[arg(long, help_heading = heading::OUTPUT, value_name = "SECONDS", num_args = 0..=1, require_equals = true, default_missing_value = "300")]
    pub(crate) wait: Option<u64>,
    /// Append one line per attempt to an audit log
    ///
    /// If the line cannot be written, no signature is written either.
    #[arg(long, help_heading = heading::OUTPUT, env = "COUNTERSIGN_AUDIT_LOG", value_name = "LOG", hide_env_values = true, value_hint = ValueHint::FilePath)]
    pub(crate) audit_log: Option<PathBuf>,
    /// CloudHSM user who approves
    #[arg(
        long,
        help_heading = "Quorum approvals",
        env = "COUNTERSIGN_USERNAME",
        value_name = "NAME",
        hide_env_values = true
    )]
    pub(crate) username: Option<String>,
    /// Role of that user
    ///
    /// By default, crypto-user for key services; for other services no role is written.
    #[arg(
        long,
        help_heading = "Quorum approvals",
        env = "COUNTERSIGN_ROLE",
        value_name = "ROLE",
        hide_env_values = true
    )]
    pub(crate) role: Option<String>,
    /// Sign FILE as a whole, whatever it is, into FILE.sig
    ///
    /// Quorum files of the older CMU require this.
    #[arg(long, help_heading = "Files of the older CMU")]
    pub(crate) detached: bool,
    /// Leave PublicKey empty, as loginHSM expects it
    #[arg(long, help_heading = "Files of the older CMU")]
    pub(crate) no_public_key: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Mechanism {
    /// auto, rsa-pkcs or sha256-rsa-pkcs
    ///
    /// By default, auto: a mechanism whose signatures CloudHSM accepts.
    #[arg(long = "mechanism", help_heading = heading::KEY, hide_short_help = true, value_name = "NAME", default_value = "auto",
          hide_default_value = true, value_parser = str::parse::<MechanismChoice>)]
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
  countersign verify --public-key alice=alice.pub --public-key bob=bob.pub \\
    --require 2 approvals.json")]
pub(crate) struct Verify {
    /// File with the signatures; - is stdin
    #[arg(required = true, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) files: Vec<PathBuf>,
    /// Public key that is registered with CloudHSM, a PEM file
    ///
    /// For quorum approvals, give USER=PEM once for each approver.
    #[arg(long = "public-key", help_heading = heading::KEY, value_name = "[USER=]PEM", value_hint = ValueHint::FilePath)]
    pub(crate) public_keys: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) key: Key,
    #[command(flatten)]
    pub(crate) mechanism: Mechanism,
    /// Number of quorum approvals that must be valid
    ///
    /// By default, all that are in the file, and at least one.
    #[arg(long, help_heading = "Signatures", value_name = "M")]
    pub(crate) require: Option<usize>,
    /// Check FILE.sig, the signature of FILE as a whole
    #[arg(long, help_heading = "Signatures")]
    pub(crate) detached: bool,
    /// With --detached: file of the signature
    #[arg(long, help_heading = "Signatures", value_name = "FILE", requires = "detached", value_hint = ValueHint::FilePath)]
    pub(crate) signature: Option<PathBuf>,
}

/// Merge the approvals in copies of one quorum file
///
/// Writes the first FILE with the approvals of the others after its own, one for each user. Files about different tokens, and
/// different signatures of one user, are refused.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  countersign merge alice.json bob.json -o approvals.json")]
pub(crate) struct Merge {
    /// Copies of one quorum file
    #[arg(required = true, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) files: Vec<PathBuf>,
    /// Write the merged file here; - is stdout
    #[arg(short, long, help_heading = heading::OUTPUT, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) output: PathBuf,
}

/// Check the hash chain of an audit log
#[derive(Debug, Subcommand)]
pub(crate) enum Audit {
    /// Check that no line was changed, removed or moved
    #[command(after_help = "\
Example:
  countersign audit verify --files audit.log")]
    Verify {
        /// Log that --audit-log wrote
        #[arg(value_name = "LOG", value_hint = ValueHint::FilePath)]
        log: PathBuf,
        /// Also compare each file with its last line
        ///
        /// A run that was killed may have announced a signature that it did not write.
        #[arg(long, help_heading = "What to check")]
        files: bool,
    },
}

/// Show the signed and unsigned tokens in a file
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  countersign show unsigned-tokens.json")]
pub(crate) struct Show {
    /// Token file; - is stdin
    #[arg(required = true, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) files: Vec<PathBuf>,
}
