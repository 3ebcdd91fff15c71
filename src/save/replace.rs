//! Replacing a file whole; and writing into one that cannot be replaced.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::sync::{Mutex, PoisonError, TryLockError};
use std::time::{Duration, Instant};

use super::lock;
use super::place::{Place, folder_of};
use super::temporary::Temporary;
use super::{FileError, NotKept};
use crate::platform::{self, Attributes, How, Obstacle, Status};

/// Held from the creation of a temporary file until it has its place.
static REPLACING: Mutex<()> = Mutex::new(());

/// Prevents any further replacement, and waits for at most `limit` until the file that is being replaced has
/// its place. For the moment when a signal ends the program, so that it leaves neither a temporary file nor a
/// lock behind.
pub fn stop_replacing(limit: Duration) {
    lock::remove_all();
    let start = Instant::now();
    while start.elapsed() < limit {
        match REPLACING.try_lock() {
            Err(TryLockError::WouldBlock) => std::thread::sleep(Duration::from_millis(5)),
            // Never released.
            Ok(guard) => return std::mem::forget(guard),
            Err(TryLockError::Poisoned(guard)) => return std::mem::forget(guard.into_inner()),
        }
    }
}

/// Puts a file with `bytes` into `place`, with the attributes of what is there. `check` is called last before
/// the rename; `done` is called when the file has its place, before a signal can end the program.
pub(super) fn replace_whole(
    place: &Place,
    bytes: &[u8],
    existing: Option<&Attributes>,
    check: impl FnOnce() -> Result<(), FileError>,
    done: impl FnOnce(),
) -> Result<NotKept, FileError> {
    let _replacing = REPLACING.lock().unwrap_or_else(PoisonError::into_inner);
    let target = place.path();
    let failed = |source| FileError::write(target, source);
    // A new file gets the mode that the umask leaves; a replacement is closed to others until it has the old
    // file's mode.
    let mode = if existing.is_some() { 0o600 } else { 0o666 };
    let temporary =
        Temporary::beside(place, mode).map_err(|source| FileError::folder(folder_of(target), source))?;
    let mut file = temporary.file();
    file.write_all(bytes).map_err(failed)?;
    let not_kept = match existing {
        Some(existing) => {
            let attributes = existing.give_to(file).map_err(failed)?;
            NotKept { path: target.to_owned(), attributes }
        }
        None => NotKept::default(),
    };
    file.sync_all().map_err(failed)?;
    check()?;
    temporary.take_place().map_err(failed)?;
    done();
    // The rename is done; a folder that cannot be synced (some network file systems) does not undo it.
    let _ = place.folder().sync();
    Ok(not_kept)
}

/// Creates a file with `bytes` and `mode`, whatever the umask. Nobody ever sees a part of it, or sees it with another mode.
///
/// # Errors
/// What the system said: [`io::ErrorKind::AlreadyExists`] if there is one.
pub fn create_private(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    write_private(&Place::of(path)?, bytes, mode, |temporary| temporary.take_free_place())
}

/// The same in place of anything that has this name; if that is a link, the link itself is replaced.
///
/// # Errors
/// What the system said; what was there is then as it was.
pub fn replace_private(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    write_private(&Place::of_name(path)?, bytes, mode, |temporary| temporary.take_place())
}

/// Opens a file for reading under the same rules: root follows no link that somebody else could have made. It
/// does not wait for a pipe.
///
/// # Errors
/// [`FileError`].
pub fn open_private(path: &Path) -> Result<File, FileError> {
    let opened = Place::of(path).and_then(|place| place.open(How::Read));
    opened.map_err(|source| FileError::open(path, source))
}

fn write_private(
    place: &Place,
    bytes: &[u8],
    mode: u32,
    take_place: impl FnOnce(Temporary<'_>) -> io::Result<()>,
) -> io::Result<()> {
    let _replacing = REPLACING.lock().unwrap_or_else(PoisonError::into_inner);
    let temporary = Temporary::beside(place, 0o600)?;
    let mut file = temporary.file();
    file.write_all(bytes)?;
    platform::file::set_mode(file, mode)?;
    file.sync_all()?;
    take_place(temporary)?;
    let _ = place.folder().sync();
    Ok(())
}

/// Writes `bytes` over `before`, the content of an open file. A concurrent reader may see a mixture of both.
/// If it fails, `before` is restored.
pub(super) fn overwrite(target: &Path, file: &File, before: &[u8], bytes: &[u8]) -> Result<(), FileError> {
    let _replacing = REPLACING.lock().unwrap_or_else(PoisonError::into_inner);
    let failed = |source| FileError::write(target, source);
    // A full disk shows before anything is changed.
    platform::file::reserve(file, bytes.len() as u64).map_err(failed)?;
    let write = |bytes: &[u8]| -> io::Result<()> {
        platform::file::write_at_start(file, bytes)?;
        file.set_len(bytes.len() as u64)?;
        file.sync_all()
    };
    write(bytes).map_err(|source| {
        let _ = write(before);
        failed(source)
    })
}

/// Whether a file can be made beside `place` and renamed over it.
pub(super) fn check_folder(place: &Place, existing: Option<&Status>) -> Result<(), FileError> {
    let target = place.path();
    let path = || target.to_owned();
    let obstacle = existing.and_then(|existing| place.folder().obstacle(place.name(), existing));
    match obstacle {
        Some(Obstacle::Mounted) => return Err(FileError::Mounted { path: path() }),
        Some(Obstacle::NotOwner) => return Err(FileError::NotOwner { path: path() }),
        Some(Obstacle::ReadOnly) => return Err(FileError::ReadOnly { path: path() }),
        Some(Obstacle::NotDeletable) | None => {}
    }
    Temporary::beside(place, 0o600).map_err(|source| FileError::folder(folder_of(target), source))?;
    match obstacle {
        Some(Obstacle::NotDeletable) => Err(FileError::NotDeletable { path: path() }),
        _ => Ok(()),
    }
}
