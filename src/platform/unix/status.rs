//! What a file is, and who may use it.

use std::fs::File;
use std::io;
use std::os::fd::BorrowedFd;
use std::path::Path;

use rustix::fs::{FileType, Stat};

use crate::platform::words::Kind;

/// What two paths to one file have in common: device and inode.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Identity(u64, u64);

/// A file as the system describes it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Status(Stat);

impl Identity {
    /// That of the file to which a path leads.
    ///
    /// # Errors
    /// What the system said.
    pub(crate) fn of(path: &Path) -> io::Result<Self> {
        Ok(Status::of_path(path)?.identity())
    }
}

impl Status {
    pub(super) fn new(stat: Stat) -> Self {
        Status(stat)
    }

    /// That of the file to which a path leads.
    ///
    /// # Errors
    /// What the system said.
    pub(crate) fn of_path(path: &Path) -> io::Result<Self> {
        Ok(Status(rustix::fs::stat(path)?))
    }

    /// That of an open file.
    ///
    /// # Errors
    /// What the system said.
    pub(crate) fn of(file: &File) -> io::Result<Self> {
        Ok(Status(rustix::fs::fstat(file)?))
    }

    /// That of an open descriptor.
    ///
    /// # Errors
    /// What the system said.
    pub(super) fn of_descriptor(descriptor: BorrowedFd<'_>) -> io::Result<Self> {
        Ok(Status(rustix::fs::fstat(descriptor)?))
    }

    /// What kind of file it is.
    pub(crate) fn kind(&self) -> Kind {
        match FileType::from_raw_mode(self.0.st_mode) {
            FileType::RegularFile => Kind::Regular,
            FileType::Directory => Kind::Folder,
            FileType::Symlink => Kind::Link,
            FileType::Fifo | FileType::Socket => Kind::Pipe,
            _ => Kind::Other,
        }
    }

    /// What it has in common with every other look at the same file.
    #[allow(clippy::unnecessary_cast, reason = "the types differ between systems")]
    pub(crate) fn identity(&self) -> Identity {
        Identity(self.0.st_dev as u64, self.0.st_ino as u64)
    }

    /// Whether both are the same file.
    pub(crate) fn is_same(&self, other: &Status) -> bool {
        self.identity() == other.identity()
    }

    /// How many names it has.
    #[allow(clippy::unnecessary_cast, reason = "the types differ between systems")]
    pub(crate) fn names(&self) -> u64 {
        self.0.st_nlink as u64
    }

    /// Who may do what (`chmod`'s number).
    #[allow(clippy::unnecessary_cast, reason = "the types differ between systems")]
    pub(crate) fn mode(&self) -> u32 {
        self.0.st_mode as u32 & 0o7777
    }

    /// Who may do what, for people.
    pub(crate) fn rights(&self) -> String {
        format!("mode {:04o}", self.mode())
    }

    /// Whether it belongs to the user of this process.
    pub(crate) fn is_own(&self) -> bool {
        self.0.st_uid == rustix::process::geteuid().as_raw()
    }

    /// The number of the user to whom it belongs.
    pub(crate) fn owner(&self) -> String {
        self.0.st_uid.to_string()
    }

    /// Whether nobody but its owner has any right to it.
    pub(crate) fn is_private(&self) -> bool {
        self.mode() & 0o077 == 0
    }

    /// Whether its group is that of another file.
    pub(crate) fn has_group_of(&self, other: &Status) -> bool {
        self.0.st_gid == other.0.st_gid
    }

    /// Whether this user may replace `file` in this folder, if they may write to the folder: in a sticky one only owners may.
    pub(super) fn lets_replace(&self, file: &Status) -> bool {
        let is_sticky = self.mode() & 0o1000 != 0;
        !is_sticky || super::user::is_root() || file.is_own() || self.is_own()
    }

    /// Whether root may follow `link` in this folder: nobody else could have made it. As Linux does in sticky folders
    /// (`fs.protected_symlinks`), here in all. Users follow all links.
    pub(crate) fn lets_follow(&self, link: &Status) -> bool {
        let is_roots_own = self.0.st_uid == 0 && self.mode() & 0o022 == 0;
        let is_safe_from_others = self.0.st_uid == 0 && self.mode() & 0o1000 != 0 && link.0.st_uid == 0;
        !super::user::is_root() || is_roots_own || is_safe_from_others
    }
}
