//! A lock for users who can write: on a separate file beside the locked one. A lock on the file itself
//! could be held by anyone who may read it.

use std::ffi::OsString;
use std::fs::{File, TryLockError};
use std::io::{self, Read};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::FileError;
use super::place::Place;
use crate::platform::{self, Folder, How, Identity, Kind, Status};
use crate::printable::one_line;

const LOOK_EVERY: Duration = Duration::from_millis(10);

/// Held for as long as this lives, if there is a lock. If none can be made, the file is still compared with
/// what was read before it is replaced.
#[derive(Debug)]
pub(super) struct Lock {
    _held: Option<File>,
    /// Of the lock's own file, if it goes when the lock does.
    removes: Option<Identity>,
}

/// The names of the locks that this process holds, for an end that drops nothing.
static HELD: Mutex<Vec<Held>> = Mutex::new(Vec::new());

struct Held {
    file: Identity,
    folder: Folder,
    name: OsString,
}

/// Removes the files of all locks that are held: at a signal, which ends the program in the middle.
pub(super) fn remove_all() {
    held().drain(..).for_each(|held| held.remove());
}

impl Held {
    fn remove(&self) {
        let _ = self.folder.remove(&self.name);
    }
}

fn held() -> MutexGuard<'static, Vec<Held>> {
    HELD.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Lock {
    /// Takes the lock of a place among the processes of this user, for which it waits no longer than `patience`.
    ///
    /// # Errors
    /// [`FileError::Busy`], with the name of its holder.
    pub(super) fn of(place: &Place, patience: Duration) -> Result<Self, FileError> {
        // Nobody waits for a lock of another user.
        let is_private = |found: &Status| found.is_own() && found.is_private();
        let taken = take(place, 0o600, is_private, patience)?;
        let removes = taken.as_ref().and_then(|file| Some(Status::of(file).ok()?.identity()));
        if let Some(file) = removes
            && let Ok(folder) = place.folder().try_clone()
        {
            held().push(Held { file, folder, name: name_at(place) });
        }
        Ok(Lock { _held: taken, removes })
    }

    /// Takes the lock of a file, which all users who may write to it share, and nobody else. The lock's own
    /// file stays, since it belongs to no one user. If there can be no such file, the file itself is locked.
    ///
    /// # Errors
    /// As [`Lock::of`].
    pub(super) fn of_writers(
        place: &Place,
        file: &File,
        found: &Status,
        patience: Duration,
    ) -> Result<Self, FileError> {
        let is_writable_by = |class: u32| found.mode() & class != 0;
        let mut mode = 0o600;
        mode |= if is_writable_by(0o020) { 0o060 } else { 0 };
        mode |= if is_writable_by(0o002) { 0o006 } else { 0 };
        let is_for_writers = |lock: &Status| {
            lock.mode() & 0o777 & !mode == 0 && (lock.mode() & 0o060 == 0 || lock.has_group_of(found))
        };
        let held = match take(place, mode, is_for_writers, patience)? {
            Some(lock) => Some(lock),
            None => {
                let own = file.try_clone().ok();
                match own.map(|own| wait_for(&own, patience).map(|is_taken| is_taken.then_some(own))) {
                    None => None,
                    Some(Ok(held)) => held,
                    Some(Err(())) => {
                        return Err(FileError::Busy { path: place.path().to_owned(), holder: None });
                    }
                }
            }
        };
        Ok(Lock { _held: held, removes: None })
    }
}

fn name_at(place: &Place) -> OsString {
    let mut name = OsString::from(".countersign-");
    name.push(place.name());
    name.push(".lock");
    name
}

/// The lock's file, locked; none if it cannot be made or is not `fit`.
fn take(
    place: &Place,
    mode: u32,
    fit: impl Fn(&Status) -> bool,
    patience: Duration,
) -> Result<Option<File>, FileError> {
    let (name, start) = (name_at(place), Instant::now());
    loop {
        let mut is_new = false;
        let file = match place.folder().create(&name, How::Write, mode) {
            Ok(file) => {
                is_new = true;
                // Whatever the umask is: users who may write must be able to wait.
                let _ = platform::file::set_mode(&file, mode);
                Ok(file)
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                place.folder().open(&name, How::Write)
            }
            Err(error) => Err(error),
        };
        let file = match file {
            Ok(file) => file,
            // Its holder has removed it just now.
            Err(error) if error.kind() == io::ErrorKind::NotFound && start.elapsed() <= patience => continue,
            Err(_) => return Ok(None),
        };
        let is_fit = |found: &Status| found.kind() == Kind::Regular && fit(found);
        let Some(found) = Status::of(&file).ok().filter(is_fit) else {
            // On a file system without owners or rights no lock is fit.
            if is_new {
                let _ = place.folder().remove(&name);
            }
            return Ok(None);
        };
        match wait_for(&file, patience.saturating_sub(start.elapsed())) {
            Ok(true) => {
                let named = place.folder().look(&name);
                // Its former holder has removed it.
                if !named.is_ok_and(|named| named.is_same(&found)) {
                    continue;
                }
                let own = std::process::id().to_string();
                let _ = file.set_len(0).and_then(|()| platform::file::write_at_start(&file, own.as_bytes()));
                return Ok(Some(file));
            }
            Ok(false) => return Ok(None),
            Err(()) => {
                return Err(FileError::Busy { path: place.path().to_owned(), holder: holder(&file) });
            }
        }
    }
}

/// Whether it is locked now; an error if others hold it for longer than `patience`. Some network file systems cannot lock.
fn wait_for(file: &File, patience: Duration) -> Result<bool, ()> {
    let start = Instant::now();
    loop {
        match platform::file::try_lock(file) {
            Ok(()) => return Ok(true),
            Err(TryLockError::WouldBlock) if start.elapsed() < patience => thread::sleep(LOOK_EVERY),
            Err(TryLockError::WouldBlock) => return Err(()),
            Err(TryLockError::Error(_)) => return Ok(false),
        }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        let Some(file) = self.removes else { return };
        // Removed before it is released, so that no other process's lock is removed.
        held().extract_if(.., |held| held.file == file).for_each(|held| held.remove());
    }
}

/// Who holds a lock, as they have written into it.
fn holder(file: &File) -> Option<String> {
    let mut text = String::new();
    io::Seek::rewind(&mut &*file).ok()?;
    file.take(16).read_to_string(&mut text).ok()?;
    let process: u32 = text.parse().ok()?;
    let name = platform::process_name(process)?;
    Some(format!("{}, process {process}", one_line(&name)))
}
