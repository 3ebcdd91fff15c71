//! A file that is read, and later replaced by another version of itself.

use std::fs::{self, File, TryLockError};
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::attributes::{Attributes, NotKept};
use super::replace::{check_folder, overwrite, replace_whole};
use super::{FileError, is_same_file, read_file};

/// A file that was read whole and is going to be replaced. It is locked for as long as this lives.
#[derive(Debug)]
pub struct InputFile {
    path: PathBuf,
    bytes: Vec<u8>,
    file: File,
}

impl InputFile {
    /// Reads a regular file that [`InputFile::replace`] is going to replace, and locks it against a second process that
    /// does the same.
    ///
    /// # Errors
    /// As [`super::read`], and [`FileError::Busy`], [`FileError::NotRegular`].
    pub fn open(path: &Path, limit: u64) -> Result<Self, FileError> {
        // Looked at before it is opened: opening a pipe waits for whoever writes to it.
        let metadata = fs::metadata(path).map_err(|error| FileError::open(path, error))?;
        if !metadata.is_file() && !metadata.is_dir() {
            return Err(FileError::NotRegular { path: path.to_owned() });
        }
        let file = File::open(path).map_err(|error| FileError::open(path, error))?;
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => return Err(FileError::Busy { path: path.to_owned() }),
            // Some network file systems cannot lock. The comparison before the rename is still there.
            Ok(()) | Err(TryLockError::Error(_)) => {}
        }
        let bytes = read_file(&file, path, limit)?;
        Ok(InputFile { path: path.to_owned(), bytes, file })
    }

    /// What was read.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Whether the file has a second name (a hard link), which would keep the old contents.
    pub fn has_other_names(&self) -> bool {
        self.file.metadata().is_ok_and(|metadata| metadata.nlink() > 1)
    }

    /// Finds out whether the file can be replaced at all: to be known before anybody types a PIN.
    ///
    /// # Errors
    /// [`FileError::Folder`], [`FileError::Mounted`] or [`FileError::NotOwner`].
    pub fn check_replaceable(&self) -> Result<(), FileError> {
        check_folder(&self.target()?, self.file.metadata().ok().as_ref())
    }

    /// Replaces the file whole with `bytes`, with its mode, its access list and its extended attributes and, where the system
    /// allows it, its owner. A symbolic link stays one: the file that it points to is replaced. `done` is called when that is
    /// done, before a signal can end the program. What could not be kept is the answer.
    ///
    /// # Errors
    /// [`FileError::Changed`] when somebody changed the file since it was read, else what the system said. The file is
    /// then as it was.
    pub fn replace(&self, bytes: &[u8], done: impl FnOnce()) -> Result<NotKept, FileError> {
        let attributes =
            Attributes::of_file(&self.file).map_err(|source| FileError::write(&self.path, source))?;
        replace_whole(&self.target()?, bytes, Some(&attributes), || self.check_unchanged(), done)
    }

    /// Writes `bytes` into the file, which stays the same file: for one that cannot be replaced. Who reads meanwhile may see
    /// a part of what was there and a part of what comes.
    ///
    /// # Errors
    /// As [`InputFile::replace`].
    pub fn overwrite(&self, bytes: &[u8]) -> Result<(), FileError> {
        let file = File::options().write(true).open(&self.path);
        let file = file.map_err(|source| FileError::write(&self.path, source))?;
        self.check_unchanged()?;
        overwrite(&self.path, &file, &self.bytes, bytes)
    }

    /// The file behind symbolic links: renaming over a link would put a file in the link's place.
    fn target(&self) -> Result<PathBuf, FileError> {
        fs::canonicalize(&self.path).map_err(|error| FileError::open(&self.path, error))
    }

    fn check_unchanged(&self) -> Result<(), FileError> {
        let changed = || FileError::Changed { path: self.path.clone() };
        let own = PathBuf::from(format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&self.file)));
        let mut now = File::open(&self.path).map_err(|_| changed())?;
        let mut bytes = Vec::with_capacity(self.bytes.len());
        let read = Read::by_ref(&mut now).take(self.bytes.len() as u64 + 1).read_to_end(&mut bytes);
        if is_same_file(&own, &self.path) && read.is_ok() && bytes == self.bytes {
            Ok(())
        } else {
            Err(changed())
        }
    }
}
