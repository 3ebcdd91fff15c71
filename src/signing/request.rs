//! What is asked of a run, as one value.

use std::path::PathBuf;

use crate::device::Policy;
use crate::signature::MechanismChoice;

/// A request to sign files.
#[derive(Clone, Debug)]
pub struct SigningRequest {
    /// The files; `-` is stdin.
    pub files: Vec<PathBuf>,
    /// Where the result for the one file goes; `-` is stdout, none is the file itself.
    pub output: Option<PathBuf>,
    /// Where to write the key's public key as well.
    pub public_key_output: Option<PathBuf>,
    /// The audit log.
    pub audit_log: Option<PathBuf>,
    /// Files are signed whole, whatever they contain.
    pub detached: bool,
    /// Existing signatures are replaced.
    pub force: bool,
    /// Nothing is signed or written.
    pub dry_run: bool,
    /// Whether `PublicKey` of a CMU file is filled in; otherwise it stays, or becomes, empty.
    pub fills_public_key: bool,
    /// How the device signs.
    pub mechanism: MechanismChoice,
    /// Which keys may sign.
    pub policy: Policy,
    /// The CloudHSM user who approves quorum tokens.
    pub username: Option<String>,
    /// That user's role.
    pub role: Option<String>,
}
