//! What a file is, and who may use it.
//!
//! One of the files with unsafe code: a file's number and the number of its names have no safe function.
#![allow(unsafe_code)]

use std::fs::File;
use std::io;
use std::os::windows::io::{AsHandle, AsRawHandle, BorrowedHandle};
use std::path::Path;

use windows_sys::Win32::Foundation::{GENERIC_ALL, GENERIC_WRITE};
use windows_sys::Win32::Storage::FileSystem::{
    BY_HANDLE_FILE_INFORMATION, DELETE, FILE_ADD_FILE, FILE_ADD_SUBDIRECTORY, FILE_APPEND_DATA,
    FILE_ATTRIBUTE_DIRECTORY, FILE_ATTRIBUTE_READONLY, FILE_ATTRIBUTE_TAG_INFO, FILE_DELETE_CHILD,
    FILE_TYPE_DISK, FILE_TYPE_PIPE, FILE_WRITE_DATA, FileAttributeTagInfo, GetFileInformationByHandle,
    GetFileInformationByHandleEx, GetFileType, WRITE_DAC, WRITE_OWNER,
};

use super::handle::{open_anything, open_link};
use super::security::{Descriptor, Owner};
use crate::platform::words::Kind;

/// Of a reparse point's tag: it stands for another file (IsReparseTagNameSurrogate).
const NAME_SURROGATE: u32 = 0x2000_0000;

/// What two paths to one file have in common: the volume's serial number and the file's number on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Identity(u64, u64);

/// A file as the system describes it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Status {
    kind: Kind,
    identity: Identity,
    names: u64,
    owner: Owner,
    rights_of_others: u32,
    is_read_only: bool,
}

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
    /// That of the file to which a path leads.
    ///
    /// # Errors
    /// What the system said.
    pub(crate) fn of_path(path: &Path) -> io::Result<Self> {
        Self::of_handle(open_anything(path)?.as_handle())
    }

    /// That of what has a name, be it a link.
    ///
    /// # Errors
    /// What the system said.
    pub(super) fn of_link(path: &Path) -> io::Result<Self> {
        Self::of_handle(open_link(path)?.as_handle())
    }

    /// That of an open file.
    ///
    /// # Errors
    /// What the system said.
    pub(crate) fn of(file: &File) -> io::Result<Self> {
        Self::of_handle(file.as_handle())
    }

    /// That of an open handle. Who owns a file that does not tell is not known, and others may do anything.
    ///
    /// # Errors
    /// What the system said.
    pub(super) fn of_handle(handle: BorrowedHandle<'_>) -> io::Result<Self> {
        // SAFETY: the handle is open.
        let kind = match unsafe { GetFileType(handle.as_raw_handle()) } {
            FILE_TYPE_DISK => None,
            FILE_TYPE_PIPE => Some(Kind::Pipe),
            _ => Some(Kind::Other),
        };
        if let Some(kind) = kind {
            let (identity, rights_of_others) = (Identity(0, handle.as_raw_handle() as u64), u32::MAX);
            return Ok(Status {
                kind,
                identity,
                names: 1,
                owner: Owner::Other,
                rights_of_others,
                is_read_only: false,
            });
        }
        // SAFETY: all bytes of these structures may be zero.
        let (mut facts, mut tag): (BY_HANDLE_FILE_INFORMATION, FILE_ATTRIBUTE_TAG_INFO) =
            unsafe { (std::mem::zeroed(), std::mem::zeroed()) };
        // SAFETY: the handle is open.
        if unsafe { GetFileInformationByHandle(handle.as_raw_handle(), &mut facts) } == 0 {
            return Err(io::Error::last_os_error());
        }
        let room = size_of::<FILE_ATTRIBUTE_TAG_INFO>() as u32;
        // SAFETY: the buffer is a structure of this size. Not every file system knows tags: then there are no links.
        unsafe {
            GetFileInformationByHandleEx(
                handle.as_raw_handle(),
                FileAttributeTagInfo,
                (&raw mut tag).cast(),
                room,
            )
        };
        let kind = if tag.ReparseTag & NAME_SURROGATE != 0 {
            Kind::Link
        } else if facts.dwFileAttributes & FILE_ATTRIBUTE_DIRECTORY != 0 {
            Kind::Folder
        } else {
            Kind::Regular
        };
        let number = u64::from(facts.nFileIndexHigh) << 32 | u64::from(facts.nFileIndexLow);
        let descriptor = Descriptor::of(handle).ok();
        Ok(Status {
            kind,
            identity: Identity(u64::from(facts.dwVolumeSerialNumber), number),
            names: u64::from(facts.nNumberOfLinks),
            owner: descriptor.as_ref().map_or(Owner::Other, Descriptor::owner),
            rights_of_others: descriptor.as_ref().map_or(u32::MAX, Descriptor::rights_of_others),
            is_read_only: facts.dwFileAttributes & FILE_ATTRIBUTE_READONLY != 0,
        })
    }

    /// What kind of file it is.
    pub(crate) fn kind(&self) -> Kind {
        self.kind
    }

    /// What it has in common with every other look at the same file.
    pub(crate) fn identity(&self) -> Identity {
        self.identity
    }

    /// Whether both are the same file.
    pub(crate) fn is_same(&self, other: &Status) -> bool {
        self.identity == other.identity
    }

    /// Whether it is marked so that nobody writes to it or deletes it.
    pub(super) fn is_read_only(&self) -> bool {
        self.is_read_only
    }

    /// How many names it has.
    pub(crate) fn names(&self) -> u64 {
        self.names
    }

    /// The access list in the words of `chmod`: the rights of those who are neither its owner nor administrators.
    pub(crate) fn mode(&self) -> u32 {
        const WRITE: u32 = FILE_WRITE_DATA | FILE_APPEND_DATA | GENERIC_WRITE | GENERIC_ALL;
        let may_write = self.rights_of_others & WRITE != 0;
        0o600 | if self.is_private() { 0 } else { 0o044 } | if may_write { 0o022 } else { 0 }
    }

    /// Who may do what, for people.
    pub(crate) fn rights(&self) -> String {
        "its access list allows it".into()
    }

    /// Whether it belongs to the user of this process, or to the administrators, who may do everything: their files are what
    /// the same user makes as an administrator.
    pub(crate) fn is_own(&self) -> bool {
        self.owner != Owner::Other
    }

    /// What is said of somebody else's file.
    pub(crate) fn owner(&self) -> String {
        "neither this user nor the administrators".into()
    }

    /// Whether nobody but its owner and administrators has any right to it.
    pub(crate) fn is_private(&self) -> bool {
        self.rights_of_others == 0
    }

    /// Whether its group is that of another file: no rights come from a file's group there.
    pub(crate) fn has_group_of(&self, _other: &Status) -> bool {
        true
    }

    /// Whether an administrator may follow `link` in this folder: nobody else could have made it. Users follow all links.
    pub(crate) fn lets_follow(&self, link: &Status) -> bool {
        const MAKE: u32 = FILE_ADD_FILE
            | FILE_ADD_SUBDIRECTORY
            | FILE_DELETE_CHILD
            | DELETE
            | WRITE_DAC
            | WRITE_OWNER
            | GENERIC_WRITE
            | GENERIC_ALL;
        let is_safe_from_others = link.is_own() && self.rights_of_others & MAKE == 0;
        !super::user::is_root() || is_safe_from_others
    }
}
