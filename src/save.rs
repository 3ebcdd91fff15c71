//! Reading a file that is to be replaced, and replacing a file whole: a temporary file beside it, fsync, rename. Whoever
//! looks, at any moment and also after a power cut, finds the old file or the new one.

use std::fs::{self, File, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use crate::error::{Exit, Explain};

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

/// A file that was read whole and is going to be replaced. It is locked for as long as this lives.
#[derive(Debug)]
pub struct InputFile {
    path: PathBuf,
    bytes: Vec<u8>,
    file: File,
}

impl InputFile {
    /// Reads a regular file that [`InputFile::replace`] is going to replace. Locks it against a second process that
    /// does the same, and finds out now, before anybody types a PIN, whether its folder can be written to.
    ///
    /// # Errors
    /// As [`read`], and [`FileError::Busy`], [`FileError::NotRegular`], [`FileError::Folder`].
    pub fn open(path: &Path, limit: u64) -> Result<Self, FileError> {
        let file = File::open(path).map_err(|error| FileError::open(path, error))?;
        let metadata = file.metadata().map_err(|source| FileError::read(path, source))?;
        if !metadata.is_file() && !metadata.is_dir() {
            return Err(FileError::NotRegular { path: path.to_owned() });
        }
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => return Err(FileError::Busy { path: path.to_owned() }),
            // Some network file systems cannot lock. The comparison before the rename is still there.
            Ok(()) | Err(TryLockError::Error(_)) => {}
        }
        let bytes = read_file(&file, path, limit)?;
        let input = InputFile { path: path.to_owned(), bytes, file };
        let target = input.target()?;
        tempfile::tempfile_in(folder_of(&target)).map_err(|source| FileError::folder(&target, source))?;
        Ok(input)
    }

    /// What was read.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Replaces the file whole with `bytes`, with its mode and, where the system allows it, its owner. A symbolic link
    /// stays one: the file that it points to is replaced.
    ///
    /// # Errors
    /// [`FileError::Changed`] when somebody changed the file since it was read, else what the system said. The file is
    /// then as it was.
    pub fn replace(&self, bytes: &[u8]) -> Result<(), FileError> {
        let target = self.target()?;
        let write_error = |source| FileError::Write { path: self.path.clone(), source };
        let metadata = self.file.metadata().map_err(write_error)?;
        let temporary = prepare(&target, bytes, Some(metadata.mode()))?;
        // Only root can give files away. Anybody else keeps the group where they can, and is the owner.
        let _ = fchown(temporary.as_file(), Some(metadata.uid()), Some(metadata.gid()))
            .or_else(|_| fchown(temporary.as_file(), None, Some(metadata.gid())));
        temporary.as_file().sync_all().map_err(write_error)?;
        self.check_unchanged()?;
        commit(temporary, &target)
    }

    /// The file behind symbolic links: renaming over a link would put a file in the link's place.
    fn target(&self) -> Result<PathBuf, FileError> {
        fs::canonicalize(&self.path).map_err(|error| FileError::open(&self.path, error))
    }

    fn check_unchanged(&self) -> Result<(), FileError> {
        let changed = || FileError::Changed { path: self.path.clone() };
        let mut now = File::open(&self.path).map_err(|_| changed())?;
        let (ours, theirs) = (self.file.metadata(), now.metadata());
        let same_file = matches!((ours, theirs), (Ok(a), Ok(b)) if a.dev() == b.dev() && a.ino() == b.ino());
        let mut bytes = Vec::with_capacity(self.bytes.len());
        let read = Read::by_ref(&mut now).take(self.bytes.len() as u64 + 1).read_to_end(&mut bytes);
        if same_file && read.is_ok() && bytes == self.bytes { Ok(()) } else { Err(changed()) }
    }
}

/// Writes `bytes` to `path`, replacing whole what is there. A path that is no regular file (a pipe, `/dev/stdout`) is
/// written to instead.
///
/// # Errors
/// What the system said; a file that was there is then as it was.
pub fn write(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    let write_error = |source| FileError::Write { path: path.to_owned(), source };
    let existing = match fs::metadata(path) {
        Ok(metadata) if metadata.is_dir() => return Err(FileError::IsFolder { path: path.to_owned() }),
        Ok(metadata) if !metadata.is_file() => {
            return File::options()
                .write(true)
                .open(path)
                .and_then(|mut file| file.write_all(bytes))
                .map_err(write_error);
        }
        Ok(metadata) => Some(metadata),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(FileError::open(path, error)),
    };
    let target = if existing.is_some() {
        fs::canonicalize(path).map_err(|error| FileError::open(path, error))?
    } else {
        path.to_owned()
    };
    let temporary = prepare(&target, bytes, existing.map(|metadata| metadata.mode()))?;
    temporary.as_file().sync_all().map_err(write_error)?;
    commit(temporary, &target)
}

/// A temporary file beside `target` that holds `bytes`. Without `mode` it gets what the user's umask leaves of 0666.
fn prepare(target: &Path, bytes: &[u8], mode: Option<u32>) -> Result<NamedTempFile, FileError> {
    let mut temporary = tempfile::Builder::new()
        .prefix(".countersign-")
        .suffix(".tmp")
        .permissions(fs::Permissions::from_mode(if mode.is_some() { 0o600 } else { 0o666 }))
        .tempfile_in(folder_of(target))
        .map_err(|source| FileError::folder(target, source))?;
    temporary
        .write_all(bytes)
        .and_then(|()| temporary.flush())
        .map_err(|source| FileError::Write { path: target.to_owned(), source: plain(source) })?;
    if let Some(mode) = mode {
        temporary
            .as_file()
            .set_permissions(fs::Permissions::from_mode(mode))
            .map_err(|source| FileError::Write { path: target.to_owned(), source })?;
    }
    Ok(temporary)
}

/// The system's own error, without the random name of a temporary file that `tempfile` adds.
fn plain(error: io::Error) -> io::Error {
    let code = error
        .get_ref()
        .and_then(|inner| inner.source())
        .and_then(|source| source.downcast_ref::<io::Error>())
        .and_then(io::Error::raw_os_error);
    code.map_or(error, io::Error::from_raw_os_error)
}

fn commit(temporary: NamedTempFile, target: &Path) -> Result<(), FileError> {
    let folder = folder_of(target);
    temporary
        .persist(target)
        .map_err(|error| FileError::Write { path: target.to_owned(), source: error.error })?;
    // The rename is done; a folder that cannot be synced (some network file systems) does not undo it.
    let _ = File::open(folder).and_then(|folder| folder.sync_all());
    Ok(())
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
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

/// What can go wrong with a file.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// There is no such file.
    #[error("{path:?}: there is no such file")]
    NotFound {
        /// As given.
        path: PathBuf,
    },
    /// It is a folder.
    #[error("{path:?} is a folder, not a file")]
    IsFolder {
        /// As given.
        path: PathBuf,
    },
    /// It cannot be opened or read.
    #[error("{path:?} cannot be read: {source}")]
    Read {
        /// As given.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It is larger than any token file.
    #[error("{path:?} is too large for a token file: {} (the limit is {} MiB)", size(*bytes, *limit), limit >> 20)]
    TooLarge {
        /// As given.
        path: PathBuf,
        /// Its size, where it is known.
        bytes: Option<u64>,
        /// The limit in bytes.
        limit: u64,
    },
    /// A pipe or device, which cannot be replaced.
    #[error("{path:?} is no regular file and cannot be signed in place")]
    NotRegular {
        /// As given.
        path: PathBuf,
    },
    /// Another process holds the lock.
    #[error("{path:?} is being signed by another process")]
    Busy {
        /// As given.
        path: PathBuf,
    },
    /// It was changed between reading and replacing.
    #[error("{path:?} was changed by somebody else while it was being signed")]
    Changed {
        /// As given.
        path: PathBuf,
    },
    /// No file can be made in its folder.
    #[error("no file can be written in the folder {folder:?}: {source}")]
    Folder {
        /// The folder.
        folder: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Writing failed.
    #[error("{path:?} cannot be written: {source}")]
    Write {
        /// As given.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl FileError {
    fn open(path: &Path, source: io::Error) -> Self {
        match source.kind() {
            io::ErrorKind::NotFound => FileError::NotFound { path: path.to_owned() },
            _ => FileError::read(path, source),
        }
    }

    fn read(path: &Path, source: io::Error) -> Self {
        FileError::Read { path: path.to_owned(), source }
    }

    fn folder(target: &Path, source: io::Error) -> Self {
        FileError::Folder { folder: folder_of(target).to_owned(), source: plain(source) }
    }
}

impl Explain for FileError {
    fn exit(&self) -> Exit {
        match self {
            FileError::TooLarge { .. } => Exit::Malformed,
            _ => Exit::Other,
        }
    }

    fn hint(&self) -> Option<String> {
        let hint = match self {
            FileError::NotFound { .. } => {
                "check the name; CloudHSM CLI writes the file into the folder it was started in"
            }
            FileError::IsFolder { .. } => "name the file in it",
            FileError::Read { .. } => "let its owner give you the right to read it (chmod u+r, chown)",
            FileError::TooLarge { .. } => "give the file that CloudHSM CLI wrote",
            FileError::NotRegular { .. } => "write the signed copy elsewhere with -o",
            FileError::Busy { .. } => {
                "wait until the other countersign is done, then look at the file with countersign show"
            }
            FileError::Changed { .. } => "look at the file with countersign show, then sign it again",
            FileError::Folder { .. } => {
                "make the folder writable, or write the signed copy elsewhere with -o"
            }
            FileError::Write { source, .. } => match source.kind() {
                io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                    "free some space, or write the signed copy elsewhere with -o"
                }
                _ => "write the signed copy elsewhere with -o",
            },
        };
        Some(hint.to_owned())
    }
}

fn size(bytes: Option<u64>, limit: u64) -> String {
    match bytes {
        Some(bytes) => format!("{bytes} bytes"),
        None => format!("more than {limit} bytes"),
    }
}
