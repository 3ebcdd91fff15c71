//! What macOS alone has, or has in its own way. It is compiled, and was never run.

mod advice;
mod attributes;
mod library;
mod process;

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::fd::BorrowedFd;
use std::os::unix::net::SocketAddr;
use std::path::Path;

use rustix::fs::OFlags;

pub(crate) use advice::{HOW_TO_FIND, HOW_TO_INSTALL, how_to_see_what_lacks, how_to_see_who_refuses};
pub(crate) use attributes::Attributes;
pub use library::p11_kit_folders;
pub(crate) use library::{p11_kit, places_of_modules};
pub use process::{file_in_memory, has_swap, is_memory_locked, is_one_thread, own_program, since_start};
pub(super) use process::{is_closed_to_debuggers, lock_memory, refuse_debuggers};

/// Whether smart cards are reached by pcscd, at a socket of the file system.
pub(crate) const HAS_PCSCD: bool = false;

/// How a folder is held.
pub(super) const FOLDER: OFlags = OFlags::DIRECTORY.union(OFlags::CLOEXEC);

/// There are no names but those of files.
pub(super) fn address_without_a_file(_name: &str) -> Option<SocketAddr> {
    None
}

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

/// To be called at the start of the program. Nothing safe tells which descriptors are open.
pub(super) fn remember_descriptors() {}

/// Whether the program or a module opened a descriptor, so that it is nobody else's: nothing safe tells it.
pub(crate) fn is_own_descriptor(_number: u32) -> bool {
    false
}

/// A copy of one of this process's own descriptors.
///
/// # Errors
/// What the system said.
pub(crate) fn duplicate(number: u32) -> io::Result<File> {
    File::open(format!("/dev/fd/{number}"))
}

/// The number of a process whose program has this name: nothing safe tells it.
pub(crate) fn process_called(_name: &str) -> Option<u32> {
    None
}

/// Whether a library whose name contains this text is loaded into this process: nothing safe tells it.
pub(crate) fn has_loaded(_name: &str) -> bool {
    false
}

/// The name of a process's program: nothing safe tells it.
pub(crate) fn process_name(_process: u32) -> Option<String> {
    None
}
