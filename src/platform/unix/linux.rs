//! What Linux alone has, or has in its own way.

mod advice;
mod attributes;
mod library;
mod process;

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::fd::BorrowedFd;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::SocketAddr;
use std::path::Path;
use std::sync::OnceLock;

use rustix::fs::{AtFlags, FallocateFlags, OFlags, StatxAttributes, StatxFlags};
use rustix::io::Errno;
use rustix::process::{PidfdFlags, PidfdGetfdFlags, getpid, pidfd_getfd, pidfd_open};

pub(crate) use advice::{HOW_TO_FIND, HOW_TO_INSTALL, how_to_see_what_lacks, how_to_see_who_refuses};
pub(crate) use attributes::Attributes;
pub use library::p11_kit_folders;
pub(crate) use library::{p11_kit, places_of_modules};
pub use process::{file_in_memory, has_swap, is_memory_locked, is_one_thread, own_program, since_start};
pub(super) use process::{is_closed_to_debuggers, lock_memory, refuse_debuggers};

/// Whether smart cards are reached by pcscd, at a socket of the file system.
pub(crate) const HAS_PCSCD: bool = true;

/// How a folder is held: also one that may be entered and not listed.
pub(super) const FOLDER: OFlags = OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

/// A name of Linux's own, which no file has (unix(7), "abstract").
pub(super) fn address_without_a_file(name: &str) -> Option<SocketAddr> {
    SocketAddr::from_abstract_name(name).ok()
}

/// Whether a name in a folder is a mount of its own.
pub(super) fn is_mount(folder: BorrowedFd<'_>, name: &OsStr) -> bool {
    let looked = rustix::fs::statx(folder, name, AtFlags::SYMLINK_NOFOLLOW, StatxFlags::BASIC_STATS);
    looked.is_ok_and(|file| file.stx_attributes.contains(StatxAttributes::MOUNT_ROOT))
}

/// Takes room on the disk for that many bytes. Not every file system can tell whether it has them.
///
/// # Errors
/// The disk is full, or this user's part of it.
pub(crate) fn reserve(file: &File, bytes: u64) -> io::Result<()> {
    match rustix::fs::fallocate(file, FallocateFlags::KEEP_SIZE, 0, bytes) {
        Err(error @ (Errno::NOSPC | Errno::DQUOT)) => Err(error.into()),
        _ => Ok(()),
    }
}

/// Whether what is below a path are open descriptors.
pub(crate) fn is_descriptor_folder(path: &Path) -> bool {
    path.starts_with("/proc")
}

/// The descriptors that were handed down, once they are remembered.
static HANDED_DOWN: OnceLock<BTreeSet<u32>> = OnceLock::new();

/// To be called at the start of the program, before it or a module opens anything.
pub(super) fn remember_descriptors() {
    const CLOSES: u32 = OFlags::CLOEXEC.bits();
    // The folder that is being listed is open too. Nobody can hand down a descriptor with O_CLOEXEC, which that has.
    let closes = |number: &u32| {
        let facts = std::fs::read_to_string(format!("/proc/self/fdinfo/{number}")).unwrap_or_default();
        let flags = facts.lines().find_map(|line| line.strip_prefix("flags:")).map(str::trim);
        flags.and_then(|flags| u32::from_str_radix(flags, 8).ok()).is_some_and(|flags| flags & CLOSES != 0)
    };
    let Ok(open) = std::fs::read_dir("/proc/self/fd") else { return };
    let numbers = open.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let _ = HANDED_DOWN.set(numbers.filter(|number| !closes(number)).collect());
}

/// Whether the program or a module opened a descriptor, so that it is nobody else's.
pub(crate) fn is_own_descriptor(number: u32) -> bool {
    HANDED_DOWN.get().is_some_and(|numbers| !numbers.contains(&number))
}

/// A copy of one of this process's own descriptors. The kernel is asked for it, because claiming a number is unsafe
/// code, and opening `/dev/fd/N` fails for a file that another user opened and handed down.
///
/// # Errors
/// What the system said.
pub(crate) fn duplicate(number: u32) -> io::Result<File> {
    if is_own_descriptor(number) {
        return Err(Errno::BADF.into());
    }
    let number = i32::try_from(number).map_err(|_| io::Error::from(Errno::BADF))?;
    let copy = pidfd_open(getpid(), PidfdFlags::empty())
        .and_then(|this_process| pidfd_getfd(this_process, number, PidfdGetfdFlags::empty()));
    match copy {
        Ok(copy) => Ok(copy.into()),
        Err(Errno::BADF) => Err(Errno::BADF.into()),
        // Old kernels do not know the call, and containers forbid it.
        Err(_) => File::open(format!("/proc/self/fd/{number}")),
    }
}

/// The number of a process whose program has this name.
pub(crate) fn process_called(name: &str) -> Option<u32> {
    let processes = std::fs::read_dir("/proc").ok()?.flatten();
    let mut numbers = processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    numbers.find(|number| process_name(*number).is_some_and(|found| found == name))
}

/// Whether a library whose name contains this text is loaded into this process.
pub(crate) fn has_loaded(name: &str) -> bool {
    std::fs::read_to_string("/proc/self/maps").is_ok_and(|maps| maps.contains(name))
}

/// The name of a process's program.
pub(crate) fn process_name(process: u32) -> Option<String> {
    let name = std::fs::read_to_string(format!("/proc/{process}/comm")).ok()?;
    Some(name.trim_end().to_owned())
}
