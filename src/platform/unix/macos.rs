//! What macOS alone has, or has in its own way. It is compiled, and was never run.

mod attributes;

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::fd::BorrowedFd;
use std::path::Path;

use rustix::fs::OFlags;

pub(crate) use attributes::Attributes;

/// How a folder is held.
pub(super) const FOLDER: OFlags = OFlags::DIRECTORY.union(OFlags::CLOEXEC);

/// No file is a mount of its own there.
pub(super) fn is_mount(_folder: BorrowedFd<'_>, _name: &OsStr) -> bool {
    false
}

/// A full disk shows when it is written to.
pub(crate) fn reserve(_file: &File, _bytes: u64) -> io::Result<()> {
    Ok(())
}

/// Whether what is below a path are open descriptors.
pub(crate) fn is_descriptor_folder(_path: &Path) -> bool {
    false
}

/// A copy of one of this process's own descriptors.
///
/// # Errors
/// What the system said.
pub(crate) fn duplicate(number: u32) -> io::Result<File> {
    File::open(format!("/dev/fd/{number}"))
}

/// The name of a process's program: nothing safe tells it.
pub(crate) fn process_name(_process: u32) -> Option<String> {
    None
}
