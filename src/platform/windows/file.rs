//! Open files, and errors of files.
//!
//! One of the files with unsafe code: locks on a part of a file have no safe function.
#![allow(unsafe_code)]

use std::fs::{File, TryLockError};
use std::io;
use std::os::windows::fs::FileExt;
use std::os::windows::io::{AsHandle, AsRawHandle, FromRawHandle};
use std::path::{Path, PathBuf};

use windows_sys::Win32::Foundation::{
    ERROR_CANT_RESOLVE_FILENAME, ERROR_DELETE_PENDING, ERROR_INVALID_HANDLE, ERROR_IO_PENDING,
    ERROR_LOCK_VIOLATION, ERROR_NO_SYSTEM_RESOURCES, ERROR_TOO_MANY_OPEN_FILES, GENERIC_WRITE,
    INVALID_HANDLE_VALUE,
};
use windows_sys::Win32::Storage::FileSystem::{
    LOCKFILE_EXCLUSIVE_LOCK, LOCKFILE_FAIL_IMMEDIATELY, LockFileEx, ReOpenFile,
};
use windows_sys::Win32::System::IO::OVERLAPPED;

use super::attributes::Attributes;
use super::handle::SHARED;
use super::security::Descriptor;
use super::status::Status;

/// Closes a file to others, if `mode` (`chmod`'s number) does. Otherwise it keeps the access list that its folder gave it.
///
/// # Errors
/// What the system said.
pub(crate) fn set_mode(file: &File, mode: u32) -> io::Result<()> {
    match mode & 0o077 {
        0 => Descriptor::of_private_file()?.give_to(file.as_handle()),
        _ => Ok(()),
    }
}

/// A file that was read, for comparison with what has its name later. It is closed: no other file gets its number on NTFS,
/// and on FAT and old systems a file that is open cannot be replaced.
#[derive(Debug)]
pub(crate) struct Seen {
    status: Status,
    attributes: Attributes,
}

impl Seen {
    /// # Errors
    /// What the system said.
    pub(crate) fn of(file: File) -> io::Result<Self> {
        Ok(Seen { status: Status::of(&file)?, attributes: Attributes::of_file(&file)? })
    }

    /// What it was.
    ///
    /// # Errors
    /// None.
    pub(crate) fn status(&self) -> io::Result<Status> {
        Ok(self.status)
    }

    /// What it had besides its bytes.
    ///
    /// # Errors
    /// None.
    pub(crate) fn attributes(&self) -> io::Result<Attributes> {
        Ok(self.attributes.clone())
    }
}

/// Locks a file among the programs that lock it so. The lock is on a byte behind all content: others may read what is locked.
///
/// # Errors
/// [`TryLockError::WouldBlock`]: another one holds the lock. Otherwise what the system said.
pub(crate) fn try_lock(file: &File) -> Result<(), TryLockError> {
    // SAFETY: all bytes of this structure may be zero.
    let mut place: OVERLAPPED = unsafe { std::mem::zeroed() };
    place.Anonymous.Anonymous.Offset = u32::MAX - 1;
    place.Anonymous.Anonymous.OffsetHigh = i32::MAX as u32;
    let how = LOCKFILE_EXCLUSIVE_LOCK | LOCKFILE_FAIL_IMMEDIATELY;
    // SAFETY: the handle is open and waits for its operations; the structure lives until it returns.
    if unsafe { LockFileEx(file.as_raw_handle(), how, 0, 1, 0, &mut place) } != 0 {
        return Ok(());
    }
    let error = io::Error::last_os_error();
    match is_one_of(&error, &[ERROR_LOCK_VIOLATION, ERROR_IO_PENDING]) {
        true => Err(TryLockError::WouldBlock),
        false => Err(TryLockError::Error(error)),
    }
}

/// Cuts a file that was opened to append to it: that handle has no right to do it.
///
/// # Errors
/// What the system said.
pub(crate) fn cut(file: &File, length: u64) -> io::Result<()> {
    // SAFETY: the handle is open; the new one is closed with its owner.
    let file = unsafe {
        let handle = ReOpenFile(file.as_raw_handle(), GENERIC_WRITE, SHARED, 0);
        if handle == INVALID_HANDLE_VALUE {
            return Err(io::Error::last_os_error());
        }
        File::from_raw_handle(handle)
    };
    file.set_len(length)
}

/// Writes over the first bytes of a file.
///
/// # Errors
/// What the system said.
pub(crate) fn write_at_start(file: &File, bytes: &[u8]) -> io::Result<()> {
    let mut written = 0;
    while written < bytes.len() {
        match file.seek_write(&bytes[written..], written as u64)? {
            0 => return Err(io::ErrorKind::WriteZero.into()),
            more => written += more,
        }
    }
    Ok(())
}

/// A path from the bytes of a URI; `None` if no path of this system has them.
pub(crate) fn path_of_bytes(bytes: &[u8]) -> Option<PathBuf> {
    std::str::from_utf8(bytes).ok().map(PathBuf::from)
}

/// Whether a path leads to an open handle: none does.
pub(crate) fn is_descriptor(_path: &Path) -> bool {
    false
}

/// Whether a path leads to a handle that the program or a module opened: none does.
pub(crate) fn is_own(_path: &Path) -> bool {
    false
}

/// Takes room on the disk for that many bytes: a full disk shows when it is written to.
pub(crate) fn reserve(_file: &File, _bytes: u64) -> io::Result<()> {
    Ok(())
}

/// A copy of one of this process's own handles. Stdin alone has a number that others know.
///
/// # Errors
/// What the system said.
pub(crate) fn duplicate(number: u32) -> io::Result<File> {
    match number {
        0 => Ok(File::from(io::stdin().as_handle().try_clone_to_owned()?)),
        _ => Err(io::Error::from_raw_os_error(ERROR_INVALID_HANDLE as i32)),
    }
}

/// Nothing has the name any longer, or a link has it, or the file was closed to this user.
pub(crate) fn is_gone(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied)
        || is_one_of(error, &[ERROR_CANT_RESOLVE_FILENAME, ERROR_DELETE_PENDING])
}

/// The process, or the system, may open no more files.
pub(crate) fn is_out_of_files(error: &io::Error) -> bool {
    is_one_of(error, &[ERROR_TOO_MANY_OPEN_FILES, ERROR_NO_SYSTEM_RESOURCES])
}

/// The system's error for links that lead to links without an end, and for one that must not be followed.
pub(crate) fn too_many_links() -> io::Error {
    io::Error::from_raw_os_error(ERROR_CANT_RESOLVE_FILENAME as i32)
}

fn is_one_of(error: &io::Error, codes: &[u32]) -> bool {
    codes.iter().any(|code| error.raw_os_error() == i32::try_from(*code).ok())
}
