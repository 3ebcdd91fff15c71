//! Reading files, and replacing a file whole: a temporary file beside it, fsync, rename. At any moment, even
//! after a power cut, a reader finds either the old file or the new one.

mod error;
mod input;
mod lock;
mod log;
mod not_kept;
mod output;
mod place;
mod replace;
mod temporary;

pub use error::{FileError, FileUse, FileUseError};
pub(crate) use error::{NAME_THE_FILE, is_link_of_others};
pub use input::InputFile;
pub use log::{Log, LogError};
pub use not_kept::NotKept;
pub use output::Output;
pub use replace::{create_private, open_private, replace_private, stop_replacing};

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use crate::platform::{Identity, Kind, Status, user};

/// The bytes of a file, a pipe or a device, at most `limit` of them.
///
/// # Errors
/// [`FileError`]: it is not there, is a folder, cannot be read, or is larger than `limit`.
pub fn read(path: &Path, limit: u64) -> Result<Vec<u8>, FileError> {
    let file = File::open(path).map_err(|error| FileError::open(path, error))?;
    read_file(&file, path, limit)
}

/// The bytes of stdin, at most `limit` of them.
///
/// # Errors
/// As [`read`].
pub fn read_stdin(limit: u64) -> Result<Vec<u8>, FileError> {
    read_limited(io::stdin().lock(), Path::new("stdin"), limit)
}

/// `-`: stdin where a file is read, stdout where one is written.
pub fn is_dash(path: &Path) -> bool {
    path == Path::new("-")
}

/// Whether two paths lead to one file.
pub fn is_same_file(one: &Path, other: &Path) -> bool {
    matches!((identity(one), identity(other)), (Some(one), Some(other)) if one == other)
}

/// What two paths to one file have in common. None where nothing can be found.
pub fn identity(path: &Path) -> Option<Identity> {
    Identity::of(path).ok()
}

/// The name of the file's owner to the system, if this process is root's and the owner is somebody else, who can change
/// the file or knows its content.
pub fn other_owner(path: &Path) -> Option<String> {
    let found = Status::of_path(path).ok().filter(|found| found.kind() == Kind::Regular)?;
    (user::is_root() && !found.is_own()).then(|| found.owner())
}

fn read_file(file: &File, path: &Path, limit: u64) -> Result<Vec<u8>, FileError> {
    let metadata = file.metadata().map_err(|source| FileError::read(path, source))?;
    if metadata.is_dir() {
        return Err(FileError::IsFolder { path: path.to_owned() });
    }
    if metadata.is_file() && metadata.len() > limit {
        return Err(FileError::TooLarge { path: path.to_owned(), bytes: Some(metadata.len()), limit });
    }
    read_limited(file, path, limit)
}

fn read_limited(reader: impl Read, path: &Path, limit: u64) -> Result<Vec<u8>, FileError> {
    let mut bytes = Vec::new();
    reader.take(limit + 1).read_to_end(&mut bytes).map_err(|source| FileError::read(path, source))?;
    if bytes.len() as u64 > limit {
        return Err(FileError::TooLarge { path: path.to_owned(), bytes: None, limit });
    }
    Ok(bytes)
}
