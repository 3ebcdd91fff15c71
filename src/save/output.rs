//! A file that is written anew, `-o FILE`.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::FileError;
use super::attributes::{Attributes, NotKept};
use super::replace::{check_folder, replace_whole};

/// Where a result goes. Made before the result is there, so that a wrong name is found before anybody types a PIN.
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
    File { target: PathBuf, existing: Option<Box<Attributes>> },
}

impl Output {
    /// Looks whether `path` can be written to. Writes nothing.
    ///
    /// # Errors
    /// [`FileError::IsFolder`], [`FileError::Folder`], [`FileError::Mounted`], [`FileError::NotOwner`].
    pub fn at(path: &Path) -> Result<Self, FileError> {
        let kind = match fs::metadata(path) {
            Ok(metadata) if metadata.is_dir() => return Err(FileError::IsFolder { path: path.to_owned() }),
            // What stands behind an open descriptor is the caller's: `>> log` must not be replaced.
            Ok(metadata) if !metadata.is_file() || is_descriptor(path) => Kind::Stream,
            Ok(metadata) => {
                let target = fs::canonicalize(path).map_err(|error| FileError::open(path, error))?;
                check_folder(&target, Some(&metadata))?;
                let attributes =
                    Attributes::of_path(&target).map_err(|error| FileError::open(path, error))?;
                Kind::File { target, existing: Some(Box::new(attributes)) }
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let target = behind_dangling_links(path);
                check_folder(&target, None)?;
                Kind::File { target, existing: None }
            }
            Err(error) => return Err(FileError::open(path, error)),
        };
        Ok(Output { path: path.to_owned(), kind })
    }

    /// The path as given.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes `bytes`: a file is replaced whole, with the mode, owner and attributes that it has, or made as the umask
    /// wants it. What could not be kept is the answer.
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
            Kind::File { target, existing } => {
                replace_whole(target, bytes, existing.as_deref(), || Ok(()), done)
            }
        }
    }
}

fn is_descriptor(path: &Path) -> bool {
    ["/dev/fd", "/dev/stdout", "/dev/stderr", "/proc"].iter().any(|folder| path.starts_with(folder))
}

/// A link to a file that is not there yet leads to the file's place.
fn behind_dangling_links(path: &Path) -> PathBuf {
    const MOST_LINKS: usize = 40;
    let mut target = path.to_owned();
    for _ in 0..MOST_LINKS {
        let Ok(next) = fs::read_link(&target) else { break };
        target = target.parent().unwrap_or(Path::new("")).join(next);
    }
    target
}
