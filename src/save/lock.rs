//! A lock for users who can write: on a separate file beside the locked one. A lock on the file itself
//! could be held by anyone who may read it.

use std::ffi::OsString;
use std::fs::{File, TryLockError};
use std::io::{self, Read};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::os::unix::fs::FileExt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::fs::{AtFlags, FileType, Mode, OFlags, Stat};

use super::FileError;
use super::place::{Place, is_same, kind, open_in};
use crate::printable::one_line;

const LOOK_EVERY: Duration = Duration::from_millis(10);

/// Held for as long as this lives, if there is a lock. If none can be made, the file is still compared with
/// what was read before it is replaced.
#[derive(Debug)]
pub(super) struct Lock {
    held: Option<File>,
}

/// The names of the locks that this process holds, for an end that drops nothing.
static HELD: Mutex<Vec<Held>> = Mutex::new(Vec::new());

struct Held {
    /// The lock's descriptor.
    file: RawFd,
    folder: OwnedFd,
    name: OsString,
}

/// Removes the files of all locks that are held: at a signal, which ends the program in the middle.
pub(super) fn remove_all() {
    held().drain(..).for_each(|held| held.remove());
}

impl Held {
    fn remove(&self) {
        let _ = rustix::fs::unlinkat(&self.folder, &self.name, AtFlags::empty());
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
        let me = rustix::process::geteuid().as_raw();
        let mode = Mode::RUSR | Mode::WUSR;
        // Nobody waits for a lock of another user.
        let is_private = |found: &Stat| found.st_uid == me && found.st_mode & 0o077 == 0;
        let taken = take(place, mode, is_private, patience)?;
        if let Some(file) = &taken
            && let Ok(folder) = rustix::io::fcntl_dupfd_cloexec(place.folder(), 3)
        {
            held().push(Held { file: file.as_raw_fd(), folder, name: name_at(place) });
        }
        Ok(Lock { held: taken })
    }

    /// Takes the lock of a file, which all users who may write to it share, and nobody else. The lock's own
    /// file stays, since it belongs to no one user. If there can be no such file, the file itself is locked.
    ///
    /// # Errors
    /// As [`Lock::of`].
    pub(super) fn of_writers(
        place: &Place,
        file: &File,
        found: &Stat,
        patience: Duration,
    ) -> Result<Self, FileError> {
        let is_writable_by = |class: u32| found.st_mode & class != 0;
        let mut mode = 0o600;
        mode |= if is_writable_by(0o020) { 0o060 } else { 0 };
        mode |= if is_writable_by(0o002) { 0o006 } else { 0 };
        let is_for_writers = |lock: &Stat| {
            lock.st_mode & 0o777 & !mode == 0 && (lock.st_mode & 0o060 == 0 || lock.st_gid == found.st_gid)
        };
        let held = match take(place, Mode::from_raw_mode(mode), is_for_writers, patience)? {
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
        Ok(Lock { held })
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
    mode: Mode,
    fit: impl Fn(&Stat) -> bool,
    patience: Duration,
) -> Result<Option<File>, FileError> {
    let (name, start) = (name_at(place), Instant::now());
    loop {
        let new = OFlags::CREATE | OFlags::EXCL | OFlags::RDWR;
        let file = match open_in(place.folder(), &name, new, mode) {
            Ok(file) => {
                // Whatever the umask is: users who may write must be able to wait.
                let _ = rustix::fs::fchmod(&file, mode);
                Ok(file)
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                open_in(place.folder(), &name, OFlags::RDWR, mode)
            }
            Err(error) => Err(error),
        };
        let file = match file {
            Ok(file) => file,
            // Its holder has removed it just now.
            Err(error) if error.kind() == io::ErrorKind::NotFound && start.elapsed() <= patience => continue,
            Err(_) => return Ok(None),
        };
        let is_fit = |found: &Stat| kind(found) == FileType::RegularFile && fit(found);
        let Some(found) = rustix::fs::fstat(&file).ok().filter(is_fit) else { return Ok(None) };
        match wait_for(&file, patience.saturating_sub(start.elapsed())) {
            Ok(true) => {
                let named = rustix::fs::statat(place.folder(), &name, AtFlags::SYMLINK_NOFOLLOW);
                // Its former holder has removed it.
                if !named.is_ok_and(|named| is_same(&named, &found)) {
                    continue;
                }
                let own = std::process::id().to_string();
                let _ = file.set_len(0).and_then(|()| file.write_all_at(own.as_bytes(), 0));
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
        match file.try_lock() {
            Ok(()) => return Ok(true),
            Err(TryLockError::WouldBlock) if start.elapsed() < patience => thread::sleep(LOOK_EVERY),
            Err(TryLockError::WouldBlock) => return Err(()),
            Err(TryLockError::Error(_)) => return Ok(false),
        }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        let Some(file) = self.held.as_ref().map(AsRawFd::as_raw_fd) else { return };
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
    let name = std::fs::read_to_string(format!("/proc/{process}/comm")).ok()?;
    Some(format!("{}, process {process}", one_line(name.trim_end())))
}
