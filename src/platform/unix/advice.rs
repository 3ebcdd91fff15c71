//! Commands to recommend.

use std::path::Path;

pub(crate) use super::own::{HOW_TO_FIND, HOW_TO_INSTALL, how_to_see_what_lacks, how_to_see_who_refuses};

/// How its owner closes a file to others: what to do with "it".
pub(crate) fn how_to_close(_path: &Path) -> String {
    "chmod 600 it".into()
}

/// The same for a folder.
pub(crate) fn how_to_close_folder(path: &Path) -> String {
    format!("chmod 700 {path:?}")
}

/// How the system's administrator becomes a file's owner: what to do with "it".
pub fn how_to_own(_path: &Path) -> String {
    "chown root it".into()
}

/// How a user gets to read a file.
pub(crate) const HOW_TO_READ: &str = "let its owner give you the right to read it (chmod u+r, chown)";

/// What to do where this program may open no more files.
pub(crate) const MORE_FILES: &str = "raise the limit (ulimit -n), or name fewer";

/// What to do where this user may run no more threads.
pub const MORE_THREADS: &str = "end some, or raise the limit (ulimit -u)";

/// How a crash is kept from writing the memory to a disk.
pub const NO_DUMPS: &str = "ulimit -c 0";
