//! The commands for CloudHSM's token files.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueHint};
use countersign::signature::MechanismChoice;

use super::Key;

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
    /// Replace the signatures that are there; with --detached, sign a token file as a whole too
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
        /// Also compare each file with its last line: a run that was killed may have announced what it did not write
        #[arg(long)]
        files: bool,
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
