//! A new file, `-o FILE`.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::place::{Place, folder_of};
use super::replace::{check_folder, replace_whole};
use super::{FileError, NotKept};
use crate::platform::{self, Attributes, How, Status};

/// Where a result goes. Created before there is a result, so that a wrong name is found before anyone types a
/// PIN.
#[derive(Debug)]
pub struct Output {
    path: PathBuf,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    /// A pipe, a device, an open descriptor: written to.
    Stream,
    /// A file, there already or not: replaced whole.
    File { place: Place, existing: Option<Box<(Attributes, Status)>> },
}

impl Output {
    /// Looks whether `path` can be written to. Writes nothing.
    ///
    /// # Errors
    /// [`FileError::IsFolder`], [`FileError::Folder`], [`FileError::Mounted`], [`FileError::NotOwner`],
    /// [`FileError::ReadOnly`], [`FileError::NotDeletable`].
    pub fn at(path: &Path) -> Result<Self, FileError> {
        let kind = match Status::of_path(path).map(|found| found.kind()) {
            Ok(platform::Kind::Folder) => return Err(FileError::IsFolder { path: path.to_owned() }),
            Ok(_) if platform::file::is_own(path) => {
                return Err(FileError::NotFound { path: path.to_owned() });
            }
            // What an open descriptor leads to belongs to the caller: `>> log` must not be replaced.
            Ok(found) if found != platform::Kind::Regular || platform::file::is_descriptor(path) => {
                Kind::Stream
            }
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(FileError::open(path, error));
            }
            // Also at the end of a link, whether it exists or not.
            _ => {
                let place = Place::of(path).map_err(|error| match error.kind() {
                    io::ErrorKind::NotFound => FileError::folder(folder_of(path), error),
                    _ => FileError::open(path, error),
                })?;
                let existing = place.look().ok();
                check_folder(&place, existing.as_ref())?;
                let existing = existing.map(|existing| Ok(Box::new((attributes(&place)?, existing))));
                let existing = existing.transpose().map_err(|error| FileError::open(path, error))?;
                Kind::File { place, existing }
            }
        };
        Ok(Output { path: path.to_owned(), kind })
    }

    /// The path as given.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes `bytes`: a file is replaced whole, with the mode, owner and attributes that it has, or made as the umask
    /// requires it. Returns what could not be kept.
    ///
    /// # Errors
    /// What the system said; a file that was there is then as it was.
    pub fn write(&self, bytes: &[u8]) -> Result<NotKept, FileError> {
        self.write_and(bytes, || {})
    }

    /// The same, and calls `done` when that is done, before a signal can end the program.
    ///
    /// # Errors
    /// As [`Output::write`].
    pub fn write_and(&self, bytes: &[u8], done: impl FnOnce()) -> Result<NotKept, FileError> {
        match &self.kind {
            Kind::Stream => File::options()
                .append(true)
                .open(&self.path)
                .and_then(|mut file| file.write_all(bytes))
                .map(|()| done())
                .map(|()| NotKept::default())
                .map_err(|source| FileError::write(&self.path, source)),
            Kind::File { place, existing } => {
                let seen = existing.as_ref().map(|existing| &existing.1);
                let attributes = existing.as_ref().map(|existing| &existing.0);
                replace_whole(place, bytes, attributes, || self.check_unchanged(place, seen), done)
            }
        }
    }
}

impl Output {
    /// Checks that nothing else has taken the place since.
    fn check_unchanged(&self, place: &Place, seen: Option<&Status>) -> Result<(), FileError> {
        let is_unchanged = match (place.look(), seen) {
            (Ok(now), Some(seen)) => now.is_same(seen),
            (Err(error), _) if error.kind() == io::ErrorKind::NotFound => true,
            (Ok(_), None) => false,
            (Err(error), _) => return Err(FileError::write(&self.path, error)),
        };
        if is_unchanged { Ok(()) } else { Err(FileError::Changed { path: self.path.clone() }) }
    }
}

/// The attributes of a file, which need not be readable.
fn attributes(place: &Place) -> io::Result<Attributes> {
    match place.open(How::Read) {
        Ok(file) => Attributes::of_file(&file),
        Err(_) => Attributes::of_path(place.path()),
    }
}
