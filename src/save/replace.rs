//! Replacing a file whole; and writing into one that cannot be replaced.

use std::fs::{self, File, Metadata, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt};
use std::path::Path;
use std::sync::{Mutex, PoisonError, TryLockError};
use std::time::{Duration, Instant};

use rustix::fs::{AtFlags, CWD, FallocateFlags, StatxAttributes, StatxFlags};

use super::FileError;
use super::attributes::{Attributes, NotKept};

/// Held from the making of the temporary file until it has its place.
static REPLACING: Mutex<()> = Mutex::new(());

/// Lets no file be replaced any more, and waits, at most for `limit`, until the one that is being replaced has its place: for
/// the moment at which a signal ends the program, so that it leaves no temporary file behind.
pub fn stop_replacing(limit: Duration) {
    let start = Instant::now();
    while start.elapsed() < limit {
        match REPLACING.try_lock() {
            Err(TryLockError::WouldBlock) => std::thread::sleep(Duration::from_millis(5)),
            // Never given back.
            Ok(guard) => return std::mem::forget(guard),
            Err(TryLockError::Poisoned(guard)) => return std::mem::forget(guard.into_inner()),
        }
    }
}

/// Puts a file with `bytes` in the place of `target`, with the attributes of what is there. `check` has the last word before
/// the rename; `done` is called when the file has its place, before a signal can end the program.
pub(super) fn replace_whole(
    target: &Path,
    bytes: &[u8],
    existing: Option<&Attributes>,
    check: impl FnOnce() -> Result<(), FileError>,
    done: impl FnOnce(),
) -> Result<NotKept, FileError> {
    let _replacing = REPLACING.lock().unwrap_or_else(PoisonError::into_inner);
    let failed = |source| FileError::write(target, source);
    let mut temporary = tempfile::Builder::new()
        .prefix(".countersign-")
        .suffix(".tmp")
        // What is new gets what the umask leaves; what replaces a file is closed until it has that file's mode.
        .permissions(Permissions::from_mode(if existing.is_some() { 0o600 } else { 0o666 }))
        .tempfile_in(folder_of(target))
        .map_err(|source| FileError::folder(folder_of(target), source))?;
    temporary.write_all(bytes).and_then(|()| temporary.flush()).map_err(failed)?;
    let not_kept = match existing {
        Some(existing) => existing.give_to(temporary.as_file(), target).map_err(failed)?,
        None => NotKept::default(),
    };
    temporary.as_file().sync_all().map_err(failed)?;
    check()?;
    temporary.persist(target).map_err(|error| failed(error.error))?;
    done();
    // The rename is done; a folder that cannot be synced (some network file systems) does not undo it.
    let _ = File::open(folder_of(target)).and_then(|folder| folder.sync_all());
    Ok(not_kept)
}

/// Writes `bytes` over what is in an open file, `before`. Who reads meanwhile may see a part of each. If it fails, `before`
/// is put back.
pub(super) fn overwrite(target: &Path, file: &File, before: &[u8], bytes: &[u8]) -> Result<(), FileError> {
    let _replacing = REPLACING.lock().unwrap_or_else(PoisonError::into_inner);
    let failed = |source| FileError::write(target, source);
    // A full disk shows before anything is changed. Not every file system can tell.
    let space = rustix::fs::fallocate(file, FallocateFlags::KEEP_SIZE, 0, bytes.len() as u64);
    if let Err(error @ (rustix::io::Errno::NOSPC | rustix::io::Errno::DQUOT)) = space {
        return Err(failed(error.into()));
    }
    let write = |bytes: &[u8]| -> io::Result<()> {
        file.write_all_at(bytes, 0)?;
        file.set_len(bytes.len() as u64)?;
        file.sync_all()
    };
    write(bytes).map_err(|source| {
        let _ = write(before);
        failed(source)
    })
}

/// Whether a file can be made beside `target` and renamed over it.
pub(super) fn check_folder(target: &Path, existing: Option<&Metadata>) -> Result<(), FileError> {
    let folder = folder_of(target);
    if existing.is_some() && is_mounted_by_itself(target) {
        return Err(FileError::Mounted { path: target.to_owned() });
    }
    tempfile::tempfile_in(folder).map_err(|source| FileError::folder(folder, source))?;
    if let (Some(existing), Ok(folder)) = (existing, fs::metadata(folder)) {
        let me = rustix::process::geteuid();
        let owns = |metadata: &Metadata| metadata.uid() == me.as_raw();
        let sticky = folder.mode() & 0o1000 != 0;
        if sticky && !me.is_root() && !owns(existing) && !owns(&folder) {
            return Err(FileError::NotOwner { path: target.to_owned() });
        }
    }
    Ok(())
}

/// As a file of a container's host is: the system answers a rename over it with EBUSY.
fn is_mounted_by_itself(target: &Path) -> bool {
    let looked = rustix::fs::statx(CWD, target, AtFlags::empty(), StatxFlags::BASIC_STATS);
    looked.is_ok_and(|file| file.stx_attributes.contains(StatxAttributes::MOUNT_ROOT))
}

pub(super) fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}
