//! What a run did: the facts of its `--json` document.

use serde::{Serialize, Serializer};

use crate::device::{DeviceRecord, KeyRecord};
use crate::signature::Mechanism;

/// A run and what came of it.
#[derive(Clone, Debug, Default, Serialize)]
pub struct RunRecord {
    /// One for each file, in the order of the request.
    pub files: Vec<FileRecord>,
    /// The device, once it is chosen.
    pub device: Option<DeviceRecord>,
    /// The key, once somebody is logged in.
    pub key: Option<KeyRecord>,
    /// By which mechanism the last signature was made.
    #[serde(serialize_with = "by_name")]
    pub mechanism: Option<Mechanism>,
    /// The file to which the public key was written too.
    pub public_key_written: Option<String>,
    /// Whether nothing was to be signed or written.
    pub dry_run: bool,
}

/// A file and what came of it.
#[derive(Clone, Debug, Serialize)]
pub struct FileRecord {
    /// Its name, or `stdin`.
    pub file: String,
    /// The format's name.
    pub format: &'static str,
    /// How many tokens are in it.
    pub tokens: usize,
    /// How many this run signed.
    pub signed: usize,
    /// How many it would sign, in a dry run.
    pub to_sign: usize,
    /// How many were signed before, and kept.
    pub signed_already: usize,
    /// The file that was written; `-` is stdout.
    pub written: Option<String>,
}

/// A mechanism by the standard's name for it.
pub(super) fn by_name<S: Serializer>(
    mechanism: &Option<Mechanism>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    mechanism.map(Mechanism::ckm_name).serialize(serializer)
}
