//! What a run did: the facts of its `--json` document.

use serde::{Serialize, Serializer};

use crate::device::{DeviceRecord, KeyRecord};
use crate::signature::Mechanism;

/// A run and its outcome.
#[derive(Clone, Debug, Default, Serialize)]
pub struct RunRecord {
    /// One for each file, in the order of the request.
    pub files: Vec<FileRecord>,
    /// The device, once it is chosen.
    pub device: Option<DeviceRecord>,
    /// The key, once the login succeeded.
    pub key: Option<KeyRecord>,
    /// The mechanism of the last signature.
    #[serde(serialize_with = "by_name")]
    pub mechanism: Option<Mechanism>,
    /// The file to which the public key was written as well.
    pub public_key_written: Option<String>,
    /// Whether nothing was to be signed or written.
    pub dry_run: bool,
}

/// A file and its outcome.
#[derive(Clone, Debug, Serialize)]
pub struct FileRecord {
    /// Its name, or `stdin`.
    pub file: String,
    /// The format's name.
    pub format: &'static str,
    /// How many tokens it has.
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

/// A mechanism under its name in the standard.
pub(super) fn by_name<S: Serializer>(
    mechanism: &Option<Mechanism>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    mechanism.map(Mechanism::ckm_name).serialize(serializer)
}
