//! A folder that is held open: while it is, nobody can rename or remove it, or a folder above it. Its names are therefore
//! always looked up in this folder.
//!
//! One of the files with unsafe code: a new file's access list, and renaming to a free name, have no safe function.
#![allow(unsafe_code)]

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::os::windows::io::{AsHandle, AsRawHandle, OwnedHandle};
use std::path::{Path, PathBuf};

use windows_sys::Win32::Foundation::{GENERIC_READ, GENERIC_WRITE};
use windows_sys::Win32::Storage::FileSystem::{
    CREATE_NEW, CreateDirectoryW, DELETE, FILE_APPEND_DATA, FILE_FLAG_BACKUP_SEMANTICS,
    FILE_FLAG_OPEN_REPARSE_POINT, FILE_LIST_DIRECTORY, FILE_READ_ATTRIBUTES, FILE_SHARE_READ,
    FILE_SHARE_WRITE, FILE_TRAVERSE, FILE_WRITE_ATTRIBUTES, FlushFileBuffers, MOVEFILE_WRITE_THROUGH,
    MoveFileExW, OPEN_EXISTING, READ_CONTROL, SYNCHRONIZE, WRITE_DAC,
};

use super::handle::{SHARED, open_file, path_of};
use super::security::Descriptor;
use super::status::Status;
use super::{file, text};
use crate::platform::words::{How, Kind, Obstacle};

/// Others may neither rename nor remove a folder that is held here.
const HELD: u32 = FILE_SHARE_READ | FILE_SHARE_WRITE;

/// Such a folder.
#[derive(Debug)]
pub(crate) struct Folder {
    handle: OwnedHandle,
    /// From the handle: absolute, without links.
    path: PathBuf,
}

impl How {
    fn rights(self) -> u32 {
        const APPEND: u32 = FILE_APPEND_DATA | FILE_WRITE_ATTRIBUTES | READ_CONTROL | SYNCHRONIZE;
        match self {
            How::Read => GENERIC_READ,
            How::Write => GENERIC_READ | GENERIC_WRITE,
            How::Append => GENERIC_READ | APPEND,
        }
    }
}

impl Folder {
    /// The one to which a path leads, behind all links.
    ///
    /// # Errors
    /// What the system said.
    pub(crate) fn at(path: &Path) -> io::Result<Self> {
        let handle = hold(path, 0)?;
        let path = path_of(&handle).or_else(|_| std::path::absolute(path))?;
        Ok(Folder { handle, path })
    }

    /// Makes a folder, and those above it that are missing, for their owner alone.
    ///
    /// # Errors
    /// What the system said.
    pub(crate) fn create_private(path: &Path) -> io::Result<()> {
        if path.is_dir() {
            return Ok(());
        }
        if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            Self::create_private(parent)?;
        }
        let (name, mut descriptor) = (text::of_path(path)?, Descriptor::of_private_folder()?);
        let attributes = descriptor.attributes();
        // SAFETY: the path ends with a zero; the attributes and what they point to live until it returns.
        match unsafe { CreateDirectoryW(name.as_ptr(), &attributes) } {
            0 => {
                let error = io::Error::last_os_error();
                if error.kind() == ErrorKind::AlreadyExists && path.is_dir() { Ok(()) } else { Err(error) }
            }
            _ => Ok(()),
        }
    }

    /// The one of this name, `..`, `\` or drive in this one; no link.
    ///
    /// # Errors
    /// What the system said.
    pub(crate) fn enter(&self, name: &OsStr) -> io::Result<Self> {
        let path = match name == ".." {
            true => self.path.parent().unwrap_or(&self.path).to_owned(),
            // A drive or the start of one replaces all.
            false => self.path.join(name),
        };
        let handle = hold(&path, FILE_FLAG_OPEN_REPARSE_POINT)?;
        match Status::of_handle(handle.as_handle())?.kind() {
            // Not every file system tells it.
            Kind::Folder => Ok(Folder { path: path_of(&handle).unwrap_or(path), handle }),
            Kind::Link => Err(file::too_many_links()),
            _ => Err(ErrorKind::NotADirectory.into()),
        }
    }

    /// The path of a name in it, without the dots and spaces at its end that no other program would see: this form of path
    /// would keep them.
    fn path_of(&self, name: &OsStr) -> PathBuf {
        let text = name.to_string_lossy();
        match text.trim_end_matches(['.', ' ']) {
            "" => self.path.join(name),
            trimmed if trimmed.len() == text.len() => self.path.join(name),
            trimmed => self.path.join(trimmed),
        }
    }

    /// A second handle of the same folder.
    ///
    /// # Errors
    /// What the system said.
    pub(crate) fn try_clone(&self) -> io::Result<Self> {
        Ok(Folder { handle: self.handle.try_clone()?, path: self.path.clone() })
    }

    /// What the folder is.
    ///
    /// # Errors
    /// What the system said.
    pub(crate) fn status(&self) -> io::Result<Status> {
        Status::of_handle(self.handle.as_handle())
    }

    /// What has a name, be it a link.
    ///
    /// # Errors
    /// What the system said: [`io::ErrorKind::NotFound`] if nothing has.
    pub(crate) fn look(&self, name: &OsStr) -> io::Result<Status> {
        Status::of_link(&self.path_of(name))
    }

    /// Where a link leads.
    ///
    /// # Errors
    /// What the system said.
    pub(crate) fn link_target(&self, name: &OsStr) -> io::Result<PathBuf> {
        fs::read_link(self.path_of(name))
    }

    /// Opens what has a name, which must not be a link.
    ///
    /// # Errors
    /// What the system said.
    pub(crate) fn open(&self, name: &OsStr, how: How) -> io::Result<File> {
        let looked = self.look(name)?;
        if looked.kind() == Kind::Link {
            return Err(file::too_many_links());
        }
        let opened = open_file(&self.path_of(name), how.rights(), SHARED, OPEN_EXISTING, 0, None)?;
        // A link may have taken the name meanwhile.
        let is_same =
            Status::of_handle(opened.as_handle())?.is_same(&looked) || looked.kind() != Kind::Regular;
        if is_same { Ok(File::from(opened)) } else { Err(file::too_many_links()) }
    }

    /// Makes a new file, with the access list that the folder gives it or, if `mode` is closed to others, for its owner alone.
    ///
    /// # Errors
    /// What the system said: [`io::ErrorKind::AlreadyExists`] if something has the name.
    pub(crate) fn create(&self, name: &OsStr, how: How, mode: u32) -> io::Result<File> {
        let descriptor = if mode & 0o077 == 0 { Some(Descriptor::of_private_file()?) } else { None };
        let path = self.path_of(name);
        let create = |rights| {
            let descriptor = descriptor.clone();
            open_file(&path, rights, SHARED, CREATE_NEW, FILE_FLAG_OPEN_REPARSE_POINT, descriptor)
                .map(File::from)
        };
        // Its access list may be set later, except on a share that lets nobody do that.
        match create(how.rights() | WRITE_DAC) {
            Err(error) if error.kind() == ErrorKind::PermissionDenied => create(how.rights()),
            made => made,
        }
    }

    /// The same, or opens the file that has the name, which must not be a link.
    ///
    /// # Errors
    /// What the system said.
    pub(crate) fn open_or_create(&self, name: &OsStr, how: How, mode: u32) -> io::Result<File> {
        match self.open(name, how) {
            Err(error) if error.kind() == ErrorKind::NotFound => match self.create(name, how, mode) {
                Err(error) if error.kind() == ErrorKind::AlreadyExists => self.open(name, how),
                made => made,
            },
            opened => opened,
        }
    }

    /// Gives a file another name, whatever has that.
    ///
    /// # Errors
    /// What the system said; both names are then as they were.
    pub(crate) fn rename(&self, from: &OsStr, to: &OsStr) -> io::Result<()> {
        fs::rename(self.path_of(from), self.path_of(to))
    }

    /// Gives a file another name, if nothing has that.
    ///
    /// # Errors
    /// What the system said: [`io::ErrorKind::AlreadyExists`] if something has the name.
    pub(crate) fn rename_to_free(&self, from: &OsStr, to: &OsStr) -> io::Result<()> {
        let (from, to) = (text::of_path(&self.path_of(from))?, text::of_path(&self.path_of(to))?);
        // SAFETY: both paths end with a zero.
        let is_moved = unsafe { MoveFileExW(from.as_ptr(), to.as_ptr(), MOVEFILE_WRITE_THROUGH) };
        if is_moved == 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
    }

    /// Removes a name.
    ///
    /// # Errors
    /// What the system said.
    pub(crate) fn remove(&self, name: &OsStr) -> io::Result<()> {
        fs::remove_file(self.path_of(name))
    }

    /// All names in it.
    ///
    /// # Errors
    /// What the system said.
    pub(crate) fn names(&self) -> io::Result<Vec<OsString>> {
        fs::read_dir(&self.path)?.map(|entry| Ok(entry?.file_name())).collect()
    }

    /// Waits until its names are on the disk.
    ///
    /// # Errors
    /// What the system said; not every file system can.
    pub(crate) fn sync(&self) -> io::Result<()> {
        let handle =
            open_file(&self.path, GENERIC_WRITE, SHARED, OPEN_EXISTING, FILE_FLAG_BACKUP_SEMANTICS, None)?;
        // SAFETY: the handle is open.
        if unsafe { FlushFileBuffers(handle.as_raw_handle()) } == 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(())
    }

    /// What keeps this user from replacing the file that has the name. Only the user's right to write to the folder is not
    /// looked at. The right to delete a file comes from its own access list or from the folder's, and the file that replaces it
    /// is subject to both.
    pub(crate) fn obstacle(&self, name: &OsStr, file: &Status) -> Option<Obstacle> {
        if file.is_read_only() {
            return Some(Obstacle::ReadOnly);
        }
        let flags = FILE_FLAG_OPEN_REPARSE_POINT;
        match open_file(&self.path_of(name), DELETE, SHARED, OPEN_EXISTING, flags, None) {
            Err(error) if error.kind() == ErrorKind::PermissionDenied => Some(Obstacle::NotDeletable),
            _ => None,
        }
    }
}

/// Opens a folder, which stays where it is until it is closed.
fn hold(path: &Path, flags: u32) -> io::Result<OwnedHandle> {
    const LIST: u32 = FILE_LIST_DIRECTORY | FILE_TRAVERSE | FILE_READ_ATTRIBUTES | READ_CONTROL | SYNCHRONIZE;
    // One that may be entered and not listed; one that may only be passed through, as users may pass through all.
    let rights = [LIST, FILE_TRAVERSE | FILE_READ_ATTRIBUTES, FILE_READ_ATTRIBUTES];
    let mut result = Err(ErrorKind::PermissionDenied.into());
    for rights in rights {
        result = open_file(path, rights, HELD, OPEN_EXISTING, flags | FILE_FLAG_BACKUP_SEMANTICS, None);
        if !matches!(&result, Err(error) if error.kind() == ErrorKind::PermissionDenied) {
            break;
        }
    }
    result
}
