//! Open files, and errors of files.

use std::ffi::OsStr;
use std::fs::{File, Permissions, TryLockError};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::io::Errno;

use super::own::{self, Attributes, is_descriptor_folder};
pub(crate) use super::own::{duplicate, reserve};
use super::status::Status;

/// Says who may do what (`chmod`'s number), whatever the umask.
///
/// # Errors
/// What the system said.
pub(crate) fn set_mode(file: &File, mode: u32) -> io::Result<()> {
    file.set_permissions(Permissions::from_mode(mode))
}

/// A file that was read, for comparison with what has its name later. It stays open: the number of an open file is given to
/// no other one.
#[derive(Debug)]
pub(crate) struct Seen(File);

impl Seen {
    /// # Errors
    /// None.
    pub(crate) fn of(file: File) -> io::Result<Self> {
        Ok(Seen(file))
    }

    /// What it is now.
    ///
    /// # Errors
    /// What the system said.
    pub(crate) fn status(&self) -> io::Result<Status> {
        Status::of(&self.0)
    }

    /// What it has besides its bytes now.
    ///
    /// # Errors
    /// What the system said.
    pub(crate) fn attributes(&self) -> io::Result<Attributes> {
        Attributes::of_file(&self.0)
    }
}

/// Locks a file among the programs that lock it so.
///
/// # Errors
/// [`TryLockError::WouldBlock`]: another one holds the lock. Otherwise what the system said.
pub(crate) fn try_lock(file: &File) -> Result<(), TryLockError> {
    file.try_lock()
}

/// Cuts a file that was opened to append to it.
///
/// # Errors
/// What the system said.
pub(crate) fn cut(file: &File, length: u64) -> io::Result<()> {
    file.set_len(length)
}

/// Writes over the first bytes of a file.
///
/// # Errors
/// What the system said.
pub(crate) fn write_at_start(file: &File, bytes: &[u8]) -> io::Result<()> {
    file.write_all_at(bytes, 0)
}

/// A path from the bytes of a URI; `None` if no path of this system has them.
pub(crate) fn path_of_bytes(bytes: &[u8]) -> Option<PathBuf> {
    Some(PathBuf::from(OsStr::from_bytes(bytes)))
}

/// What stands behind an open descriptor, as `/dev/stdout` does, is the caller's.
pub(crate) fn is_descriptor(path: &Path) -> bool {
    ["/dev/fd", "/dev/stdout", "/dev/stderr"].iter().any(|folder| path.starts_with(folder))
        || is_descriptor_folder(path)
}

/// Whether a path leads to a descriptor that the program or a module opened, where nobody else's data belong.
pub(crate) fn is_own(path: &Path) -> bool {
    let folders = ["/dev/fd", "/proc/self/fd"];
    let number = folders.iter().find_map(|folder| path.strip_prefix(folder).ok()?.to_str()?.parse().ok());
    number.is_some_and(own::is_own_descriptor)
}

/// Nothing has the name any longer, or a link has it, or the file was closed to this user.
pub(crate) fn is_gone(error: &io::Error) -> bool {
    is_one_of(error, &[Errno::NOENT, Errno::LOOP, Errno::NXIO, Errno::ACCESS])
}

/// The process, or the system, may open no more files.
pub(crate) fn is_out_of_files(error: &io::Error) -> bool {
    is_one_of(error, &[Errno::MFILE, Errno::NFILE])
}

/// The system's error for links that lead to links without an end.
pub(crate) fn too_many_links() -> io::Error {
    Errno::LOOP.into()
}

fn is_one_of(error: &io::Error, codes: &[Errno]) -> bool {
    codes.iter().any(|code| error.raw_os_error() == Some(code.raw_os_error()))
}
