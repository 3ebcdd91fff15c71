//! Handles of files and folders.
//!
//! One of the files with unsafe code: a new file's access list, and a handle's path, have no safe function.
#![allow(unsafe_code)]

use std::io::{self, ErrorKind};
use std::os::windows::io::{AsHandle, AsRawHandle, FromRawHandle, OwnedHandle};
use std::path::{Path, PathBuf};
use std::ptr;

use windows_sys::Win32::Foundation::INVALID_HANDLE_VALUE;
use windows_sys::Win32::Storage::FileSystem::{
    CreateFileW, FILE_ATTRIBUTE_NORMAL, FILE_FLAG_BACKUP_SEMANTICS, FILE_FLAG_OPEN_REPARSE_POINT,
    FILE_NAME_NORMALIZED, FILE_READ_ATTRIBUTES, FILE_SHARE_DELETE, FILE_SHARE_READ, FILE_SHARE_WRITE,
    GetFinalPathNameByHandleW, OPEN_EXISTING, READ_CONTROL,
};

use super::security::Descriptor;
use super::text;

/// Others may do anything with a file that is open here.
pub(super) const SHARED: u32 = FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE;

/// Opens a file or folder to look at it, behind all links.
pub(super) fn open_anything(path: &Path) -> io::Result<OwnedHandle> {
    open_to_look(path, FILE_FLAG_BACKUP_SEMANTICS)
}

/// The same for what has the name, be it a link.
pub(super) fn open_link(path: &Path) -> io::Result<OwnedHandle> {
    open_to_look(path, FILE_FLAG_BACKUP_SEMANTICS | FILE_FLAG_OPEN_REPARSE_POINT)
}

/// To tell its owner needs a right that not everybody has.
fn open_to_look(path: &Path, flags: u32) -> io::Result<OwnedHandle> {
    let open = |rights| open_file(path, rights, SHARED, OPEN_EXISTING, flags, None);
    match open(FILE_READ_ATTRIBUTES | READ_CONTROL) {
        Err(error) if error.kind() == ErrorKind::PermissionDenied => open(FILE_READ_ATTRIBUTES),
        opened => opened,
    }
}

/// Opens a file, or makes it with an access list.
///
/// # Errors
/// What the system said.
pub(super) fn open_file(
    path: &Path,
    rights: u32,
    share: u32,
    whether_new: u32,
    flags: u32,
    mut descriptor: Option<Descriptor>,
) -> io::Result<OwnedHandle> {
    let path = text::of_path(path)?;
    let attributes = descriptor.as_mut().map(Descriptor::attributes);
    let attributes = attributes.as_ref().map_or(ptr::null(), ptr::from_ref);
    // SAFETY: the path ends with a zero; the attributes and what they point to live until it returns. Its owner closes the handle.
    unsafe {
        let handle = CreateFileW(
            path.as_ptr(),
            rights,
            share,
            attributes,
            whether_new,
            flags | FILE_ATTRIBUTE_NORMAL,
            ptr::null_mut(),
        );
        if handle == INVALID_HANDLE_VALUE {
            Err(io::Error::last_os_error())
        } else {
            Ok(OwnedHandle::from_raw_handle(handle))
        }
    }
}

/// Where a file is: absolute, without links.
///
/// # Errors
/// What the system said.
pub(super) fn path_of(handle: &impl AsHandle) -> io::Result<PathBuf> {
    text::from_call(|buffer| {
        let room = u32::try_from(buffer.len()).unwrap_or(u32::MAX);
        // SAFETY: the handle is open; the buffer has that many units.
        unsafe {
            GetFinalPathNameByHandleW(
                handle.as_handle().as_raw_handle(),
                buffer.as_mut_ptr(),
                room,
                FILE_NAME_NORMALIZED,
            )
        }
    })
}
