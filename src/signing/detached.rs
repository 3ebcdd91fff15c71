//! Signatures in files of their own.

use std::path::{Path, PathBuf};

use crate::save::{self, FileError};

/// A signature is much smaller, whatever the key.
const MAX_BYTES: u64 = 4096;

/// The default place for the signature of a file: `FILE.sig`.
pub fn signature_file(file: &Path) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(".sig");
    PathBuf::from(name)
}

/// Reads a signature.
///
/// # Errors
/// As [`save::read`].
pub fn read_signature(path: &Path) -> Result<Vec<u8>, FileError> {
    save::read(path, MAX_BYTES)
}
