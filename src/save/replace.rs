//! Replacing a file whole.

use std::fs::{self, File, Metadata, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt, fchown};
use std::path::Path;
use std::sync::{Mutex, PoisonError, TryLockError};
use std::time::{Duration, Instant};

use super::FileError;

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

/// Puts a file with `bytes` in the place of `target`, with mode and owner of what is there. `check` has the last word
/// before the rename; `done` is called when the file has its place, before a signal can end the program.
pub(super) fn replace_whole(
    target: &Path,
    bytes: &[u8],
    existing: Option<&Metadata>,
    check: impl FnOnce() -> Result<(), FileError>,
    done: impl FnOnce(),
) -> Result<(), FileError> {
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
    if let Some(existing) = existing {
        take_owner_and_mode(temporary.as_file(), existing).map_err(failed)?;
    }
    temporary.as_file().sync_all().map_err(failed)?;
    check()?;
    temporary.persist(target).map_err(|error| failed(error.error))?;
    done();
    // The rename is done; a folder that cannot be synced (some network file systems) does not undo it.
    let _ = File::open(folder_of(target)).and_then(|folder| folder.sync_all());
    Ok(())
}

/// Only root can give files away. Anybody else keeps the group where they are in it; where not, what the old group was
/// allowed is allowed to no other one.
fn take_owner_and_mode(file: &File, existing: &Metadata) -> io::Result<()> {
    let _ = fchown(file, Some(existing.uid()), Some(existing.gid()))
        .or_else(|_| fchown(file, None, Some(existing.gid())));
    let group_is_kept = file.metadata()?.gid() == existing.gid();
    let mode = if group_is_kept { existing.mode() } else { existing.mode() & !0o2070 };
    file.set_permissions(Permissions::from_mode(mode & 0o7777))
}

/// Whether a file can be made beside `target` and renamed over it.
pub(super) fn check_folder(target: &Path, existing: Option<&Metadata>) -> Result<(), FileError> {
    let folder = folder_of(target);
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

pub(super) fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}
