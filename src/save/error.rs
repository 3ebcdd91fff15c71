//! What can go wrong with a file, and what to do.

use std::io;
use std::path::{Path, PathBuf};

use super::place::LinkOfOthers;
use crate::error::{Exit, Explain};
use crate::platform;
use crate::platform::advice::{HOW_TO_READ, MORE_FILES};

/// What can go wrong with a file.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// There is no such file.
    #[error("no such file: {path:?}")]
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
    /// It is larger than any file of its kind.
    #[error("{path:?} is too large: {} (the limit is {} MiB)", size(*bytes, *limit), limit >> 20)]
    TooLarge {
        /// As given.
        path: PathBuf,
        /// Its size, where it is known.
        bytes: Option<u64>,
        /// The limit in bytes.
        limit: u64,
    },
    /// A pipe or device, which cannot be replaced.
    #[error("{path:?} is not a regular file and cannot be replaced")]
    NotRegular {
        /// As given.
        path: PathBuf,
    },
    /// It belongs to somebody else, in a folder where only owners may replace files.
    #[error("{path:?} belongs to another user, in a folder where only the owner may replace it")]
    NotOwner {
        /// As given.
        path: PathBuf,
    },
    /// It is marked so that nobody replaces it.
    #[error("{path:?} is marked read-only")]
    ReadOnly {
        /// As given.
        path: PathBuf,
    },
    /// Neither its access list nor its folder's lets this user delete it, who may make files in the folder.
    #[error("{path:?} may not be deleted by this user, so that it cannot be replaced")]
    NotDeletable {
        /// As given.
        path: PathBuf,
    },
    /// A mount of this one file, which cannot be replaced, only written into.
    #[error("{path:?} is a mount point of its own (a bind mount) and cannot be replaced")]
    Mounted {
        /// The file.
        path: PathBuf,
    },
    /// Another process holds the lock.
    #[error("{path:?} is being changed by another process{}", in_brackets(holder))]
    Busy {
        /// As given.
        path: PathBuf,
        /// Who holds it, where that is known: name and number.
        holder: Option<String>,
    },
    /// Somebody else could choose what root replaces.
    #[error("{path:?} leads through a symbolic link in a folder that other users can write to")]
    LinkOfOthers {
        /// As given.
        path: PathBuf,
    },
    /// It was changed between reading and replacing.
    #[error("{path:?} was changed by another process in the meantime")]
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

/// Whether a file was refused because a link leads to it that somebody else could have made; [`NAME_THE_FILE`] is then the advice.
pub(crate) fn is_link_of_others(error: &io::Error) -> bool {
    error.get_ref().is_some_and(|error| error.is::<LinkOfOthers>())
}

/// What root does instead of following a link that somebody else could have made.
pub(crate) const NAME_THE_FILE: &str =
    "as root, name the file itself, in a folder that only root can write to";

fn in_brackets(holder: &Option<String>) -> String {
    holder.as_ref().map(|holder| format!(" ({holder})")).unwrap_or_default()
}

impl FileError {
    pub(super) fn open(path: &Path, source: io::Error) -> Self {
        match source.kind() {
            io::ErrorKind::NotFound => FileError::NotFound { path: path.to_owned() },
            _ if is_link_of_others(&source) => FileError::LinkOfOthers { path: path.to_owned() },
            _ => FileError::read(path, source),
        }
    }

    pub(super) fn read(path: &Path, source: io::Error) -> Self {
        FileError::Read { path: path.to_owned(), source }
    }

    pub(super) fn folder(folder: &Path, source: io::Error) -> Self {
        FileError::Folder { folder: folder.to_owned(), source: plain(source) }
    }

    pub(super) fn write(path: &Path, source: io::Error) -> Self {
        FileError::Write { path: path.to_owned(), source: plain(source) }
    }
}

impl Explain for FileError {
    fn may_pass(&self) -> bool {
        matches!(self, FileError::NotFound { .. } | FileError::Busy { .. })
    }

    fn exit(&self) -> Exit {
        match self {
            FileError::TooLarge { .. } => Exit::Malformed,
            _ => Exit::Other,
        }
    }

    fn hint(&self) -> Option<String> {
        let hint = match self {
            FileError::Read { source, .. }
            | FileError::Folder { source, .. }
            | FileError::Write { source, .. }
                if platform::file::is_out_of_files(source) =>
            {
                return Some(format!("this program may open no more files: {MORE_FILES}"));
            }
            FileError::NotFound { .. } => "check the name and the folder",
            FileError::IsFolder { .. } => "name the file in it",
            FileError::LinkOfOthers { .. } => NAME_THE_FILE,
            FileError::Read { source, .. } if source.kind() != io::ErrorKind::PermissionDenied => {
                "check the path, and whether its file system works"
            }
            FileError::Read { .. } => HOW_TO_READ,
            FileError::TooLarge { .. } => "check that it is the right file",
            FileError::NotRegular { .. } | FileError::NotOwner { .. } | FileError::NotDeletable { .. } => {
                "write it elsewhere (-o)"
            }
            FileError::ReadOnly { .. } => "take the mark away (attrib -r), or write it elsewhere (-o)",
            FileError::Mounted { .. } => "mount its folder, or write it elsewhere (-o)",
            FileError::Busy { .. } => "wait until the other countersign is done, then look at the file",
            FileError::Changed { .. } => "look at it, then repeat the command",
            FileError::Folder { .. } => "make the folder writable, or write it elsewhere (-o)",
            FileError::Write { source, .. } => match source.kind() {
                io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                    "free some space, or write it elsewhere (-o)"
                }
                _ => "write it elsewhere (-o)",
            },
        };
        Some(hint.to_owned())
    }
}

/// What a caller calls a file, does with it, and knows about it.
#[derive(Debug)]
pub struct FileUse {
    /// What it is: `token file`.
    pub noun: &'static str,
    /// What is done with it: `signed`.
    pub done: &'static str,
    /// Where it comes from, as advice.
    pub origin: &'static str,
    /// What to do where it cannot be written.
    pub elsewhere: &'static str,
}

impl FileUse {
    /// The error in the words of this use.
    pub fn error(&'static self, source: FileError) -> FileUseError {
        FileUseError { source, file_use: self }
    }
}

/// What can go wrong with a file in a certain use.
#[derive(Debug, thiserror::Error)]
#[error("{}", in_words_of(source, file_use))]
pub struct FileUseError {
    source: FileError,
    file_use: &'static FileUse,
}

fn in_words_of(source: &FileError, FileUse { noun, done, .. }: &FileUse) -> String {
    match source {
        FileError::TooLarge { path, bytes, limit } => format!(
            "{path:?} is too large for a {noun}: {} (the limit is {} MiB)",
            size(*bytes, *limit),
            limit >> 20
        ),
        FileError::NotRegular { path } => {
            format!("{path:?} is not a regular file and cannot be {done} in place")
        }
        FileError::Busy { path, holder } => {
            format!("{path:?} is being {done} by another process{}", in_brackets(holder))
        }
        FileError::Changed { path } => {
            format!("{path:?} was changed by another process while it was being {done}")
        }
        source => source.to_string(),
    }
}

impl Explain for FileUseError {
    fn may_pass(&self) -> bool {
        self.source.may_pass()
    }

    fn exit(&self) -> Exit {
        self.source.exit()
    }

    fn hint(&self) -> Option<String> {
        let FileUse { noun, origin, elsewhere, .. } = self.file_use;
        match &self.source {
            FileError::NotFound { .. } => Some(format!("check the name; {origin}")),
            FileError::TooLarge { .. } => Some(format!("give the {noun} itself; {origin}")),
            source => Some(source.hint()?.replace("write it elsewhere (-o)", elsewhere)),
        }
    }
}

/// The system's own error, without the random name of a temporary file that `tempfile` adds.
fn plain(error: io::Error) -> io::Error {
    match error.raw_os_error() {
        Some(code) => io::Error::from_raw_os_error(code),
        None => io::Error::from(error.kind()),
    }
}

fn size(bytes: Option<u64>, limit: u64) -> String {
    match bytes {
        Some(bytes) => format!("{bytes} bytes"),
        None => format!("more than {limit} bytes"),
    }
}
