//! A folder that is held open: whatever somebody makes of its path meanwhile, its names are looked up in this folder.

use std::ffi::{OsStr, OsString};
use std::fs::{DirBuilder, File};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, Mode, OFlags, RenameFlags};
use rustix::io::Errno;

use super::own;
use super::status::Status;
use crate::platform::words::{How, Obstacle};

/// Such a folder.
#[derive(Debug)]
pub(crate) struct Folder(OwnedFd);

impl How {
    fn flags(self) -> OFlags {
        match self {
            How::Read => OFlags::RDONLY,
            How::Write => OFlags::RDWR,
            How::Append => OFlags::RDWR | OFlags::APPEND,
        }
    }
}

impl Folder {
    /// The one to which a path leads, behind all links.
    ///
    /// # Errors
    /// What the system said.
    pub(crate) fn at(path: &Path) -> io::Result<Self> {
        Ok(Folder(rustix::fs::openat(CWD, path, own::FOLDER, Mode::empty())?))
    }

    /// Makes a folder, and those above it that are missing, for their owner alone.
    ///
    /// # Errors
    /// What the system said.
    pub(crate) fn create_private(path: &Path) -> io::Result<()> {
        DirBuilder::new().recursive(true).mode(0o700).create(path)
    }

    /// The one of this name, `..` or `/` in this one; no link.
    ///
    /// # Errors
    /// What the system said.
    pub(crate) fn enter(&self, name: &OsStr) -> io::Result<Self> {
        Ok(Folder(rustix::fs::openat(&self.0, name, own::FOLDER | OFlags::NOFOLLOW, Mode::empty())?))
    }

    /// A second handle of the same folder.
    ///
    /// # Errors
    /// What the system said.
    pub(crate) fn try_clone(&self) -> io::Result<Self> {
        Ok(Folder(rustix::io::fcntl_dupfd_cloexec(&self.0, 3)?))
    }

    /// What the folder is.
    ///
    /// # Errors
    /// What the system said.
    pub(crate) fn status(&self) -> io::Result<Status> {
        Ok(Status::new(rustix::fs::fstat(&self.0)?))
    }

    /// What has a name, be it a link.
    ///
    /// # Errors
    /// What the system said: [`io::ErrorKind::NotFound`] if nothing has.
    pub(crate) fn look(&self, name: &OsStr) -> io::Result<Status> {
        Ok(Status::new(rustix::fs::statat(&self.0, name, AtFlags::SYMLINK_NOFOLLOW)?))
    }

    /// Where a link leads.
    ///
    /// # Errors
    /// What the system said.
    pub(crate) fn link_target(&self, name: &OsStr) -> io::Result<PathBuf> {
        let target = rustix::fs::readlinkat(&self.0, name, Vec::new())?;
        Ok(PathBuf::from(OsString::from_vec(target.into_bytes())))
    }

    /// Opens what has a name, which must not be a link, without waiting for the other end of a pipe.
    ///
    /// # Errors
    /// What the system said.
    pub(crate) fn open(&self, name: &OsStr, how: How) -> io::Result<File> {
        self.open_with(name, how.flags(), Mode::empty())
    }

    /// Makes a new file with what the umask leaves of `mode`.
    ///
    /// # Errors
    /// What the system said: [`io::ErrorKind::AlreadyExists`] if something has the name.
    pub(crate) fn create(&self, name: &OsStr, how: How, mode: u32) -> io::Result<File> {
        let new = OFlags::CREATE | OFlags::EXCL;
        self.open_with(name, how.flags() | new, mode_of(mode))
    }

    /// The same, or opens the file that has the name, which must not be a link.
    ///
    /// # Errors
    /// What the system said.
    pub(crate) fn open_or_create(&self, name: &OsStr, how: How, mode: u32) -> io::Result<File> {
        self.open_with(name, how.flags() | OFlags::CREATE, mode_of(mode))
    }

    fn open_with(&self, name: &OsStr, flags: OFlags, mode: Mode) -> io::Result<File> {
        let flags = flags | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        Ok(File::from(rustix::fs::openat(&self.0, name, flags, mode)?))
    }

    /// Gives a file another name, whatever has that.
    ///
    /// # Errors
    /// What the system said; both names are then as they were.
    pub(crate) fn rename(&self, from: &OsStr, to: &OsStr) -> io::Result<()> {
        Ok(rustix::fs::renameat(&self.0, from, &self.0, to)?)
    }

    /// Gives a file another name, if nothing has that. The old name may stay as well.
    ///
    /// # Errors
    /// What the system said: [`io::ErrorKind::AlreadyExists`] if something has the name.
    pub(crate) fn rename_to_free(&self, from: &OsStr, to: &OsStr) -> io::Result<()> {
        match rustix::fs::renameat_with(&self.0, from, &self.0, to, RenameFlags::NOREPLACE) {
            // Some file systems cannot; all that have hard links can do this.
            Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {
                Ok(rustix::fs::linkat(&self.0, from, &self.0, to, AtFlags::empty())?)
            }
            result => Ok(result?),
        }
    }

    /// Removes a name.
    ///
    /// # Errors
    /// What the system said.
    pub(crate) fn remove(&self, name: &OsStr) -> io::Result<()> {
        Ok(rustix::fs::unlinkat(&self.0, name, AtFlags::empty())?)
    }

    /// All names in it.
    ///
    /// # Errors
    /// What the system said.
    pub(crate) fn names(&self) -> io::Result<Vec<OsString>> {
        let entries = rustix::fs::Dir::read_from(&self.list()?)?;
        let name = |entry: rustix::fs::DirEntry| OsString::from_vec(entry.file_name().to_bytes().to_vec());
        entries.map(|entry| Ok(name(entry?))).collect()
    }

    /// Waits until its names are on the disk.
    ///
    /// # Errors
    /// What the system said; some network file systems cannot.
    pub(crate) fn sync(&self) -> io::Result<()> {
        self.list()?.sync_all()
    }

    /// What keeps this user from replacing `file`, which has the name. Only the user's right to write to the folder is not
    /// looked at.
    pub(crate) fn obstacle(&self, name: &OsStr, file: &Status) -> Option<Obstacle> {
        if own::is_mount(self.0.as_fd(), name) {
            return Some(Obstacle::Mounted);
        }
        let is_closed = self.status().is_ok_and(|folder| !folder.lets_replace(file));
        is_closed.then_some(Obstacle::NotOwner)
    }

    fn list(&self) -> io::Result<File> {
        self.open_with(OsStr::new("."), OFlags::RDONLY | OFlags::DIRECTORY, Mode::empty())
    }
}

/// As `chmod` has it.
fn mode_of(mode: u32) -> Mode {
    Mode::from_bits_truncate(mode as rustix::fs::RawMode)
}
