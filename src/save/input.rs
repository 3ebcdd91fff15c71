//! A file that is read, and later replaced by another version of itself.

use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::lock::Lock;
use super::place::Place;
use super::replace::{check_folder, overwrite, replace_whole};
use super::{FileError, NotKept, read_file};
use crate::platform::{self, How, Kind, Seen, Status};

/// A file that was read whole and is going to be replaced. It is locked for as long as this lives.
#[derive(Debug)]
pub struct InputFile {
    path: PathBuf,
    place: Place,
    bytes: Vec<u8>,
    seen: Seen,
    _lock: Lock,
}

impl InputFile {
    /// Reads a regular file that [`InputFile::replace`] will replace, and locks it against a second process
    /// of this user that does the same.
    ///
    /// # Errors
    /// As [`super::read`], and [`FileError::Busy`], [`FileError::NotRegular`], [`FileError::LinkOfOthers`].
    pub fn open(path: &Path, limit: u64) -> Result<Self, FileError> {
        let failed = |error| FileError::open(path, error);
        let place = match Place::of(path) {
            Err(error) if error.kind() == io::ErrorKind::IsADirectory => {
                return Err(FileError::IsFolder { path: path.to_owned() });
            }
            place => place.map_err(failed)?,
        };
        // Examined before it is opened: opening some devices has an effect.
        match place.look().map_err(failed)?.kind() {
            Kind::Regular => {}
            Kind::Folder => return Err(FileError::IsFolder { path: path.to_owned() }),
            _ => return Err(FileError::NotRegular { path: path.to_owned() }),
        }
        let lock = Lock::of(&place, Duration::ZERO).map_err(|error| match error {
            FileError::Busy { holder, .. } => FileError::Busy { path: path.to_owned(), holder },
            error => error,
        })?;
        let file = place.open(How::Read).map_err(failed)?;
        let bytes = read_file(&file, path, limit)?;
        let seen = Seen::of(file).map_err(failed)?;
        Ok(InputFile { path: path.to_owned(), place, bytes, seen, _lock: lock })
    }

    /// What was read.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Whether the file has a second name (a hard link), which would keep the old contents.
    pub fn has_other_names(&self) -> bool {
        self.seen.status().is_ok_and(|status| status.names() > 1)
    }

    /// Checks whether the file can be replaced at all, before anyone types a PIN.
    ///
    /// # Errors
    /// [`FileError::Folder`], [`FileError::Mounted`], [`FileError::NotOwner`], [`FileError::ReadOnly`] or
    /// [`FileError::NotDeletable`].
    pub fn check_replaceable(&self) -> Result<(), FileError> {
        check_folder(&self.place, self.seen.status().ok().as_ref())
    }

    /// Replaces the file whole with `bytes`, with its mode, its access list and its extended attributes and, where the system
    /// allows it, its owner. A symbolic link stays one: the file that it led to is replaced. `done` is called when that is
    /// done, before a signal can end the program. What could not be kept is the answer.
    ///
    /// # Errors
    /// [`FileError::Changed`] when somebody changed the file since it was read, else what the system said. The file is
    /// then as it was.
    pub fn replace(&self, bytes: &[u8], done: impl FnOnce()) -> Result<NotKept, FileError> {
        let attributes = self.seen.attributes().map_err(|source| FileError::write(&self.path, source))?;
        replace_whole(&self.place, bytes, Some(&attributes), || self.check_unchanged().map(|_| ()), done)
    }

    /// Writes `bytes` into the file, which stays the same file: for one that cannot be replaced. A concurrent
    /// reader may see a mixture of old and new content.
    ///
    /// # Errors
    /// As [`InputFile::replace`].
    pub fn overwrite(&self, bytes: &[u8]) -> Result<(), FileError> {
        let file = self.place.open(How::Write).map_err(|source| FileError::write(&self.path, source))?;
        let seen = self.check_unchanged()?;
        let is_seen = Status::of(&file).is_ok_and(|opened| opened.is_same(&seen));
        if !is_seen {
            return Err(FileError::Changed { path: self.path.clone() });
        }
        overwrite(&self.path, &file, &self.bytes, bytes)
    }

    /// Checks that the name still belongs to the file that was read, with the same content.
    fn check_unchanged(&self) -> Result<Status, FileError> {
        let changed = || FileError::Changed { path: self.path.clone() };
        let failed = |source: io::Error| FileError::read(&self.path, source);
        let mut now = match self.place.open(How::Read) {
            Ok(now) => now,
            Err(error) if platform::file::is_gone(&error) => return Err(changed()),
            Err(error) => return Err(failed(error)),
        };
        let (read_before, read_now) =
            (self.seen.status().map_err(failed)?, Status::of(&now).map_err(failed)?);
        if !read_before.is_same(&read_now) {
            return Err(changed());
        }
        let mut bytes = Vec::with_capacity(self.bytes.len());
        Read::by_ref(&mut now).take(self.bytes.len() as u64 + 1).read_to_end(&mut bytes).map_err(failed)?;
        if bytes == self.bytes { Ok(read_now) } else { Err(changed()) }
    }
}
