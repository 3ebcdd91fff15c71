//! The file that will take a place: it is beside the place, closed to others, and removed if it does not get
//! there.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rustix::fs::{AtFlags, FileType, Mode, OFlags, RenameFlags};
use rustix::io::Errno;

use super::place::{Place, is_same, kind, open_in};

const PREFIX: &str = ".countersign-";
const SUFFIX: &str = ".tmp";
/// The files of a killed run are removed when they are older than this: no run takes that long between
/// creating and locking a file.
const OLD: Duration = Duration::from_secs(60);

/// A new file without a place.
pub(super) struct Temporary<'a> {
    place: &'a Place,
    name: OsString,
    file: File,
    has_place: bool,
}

impl<'a> Temporary<'a> {
    /// Creates one beside `place` with what the umask leaves of `mode`. It is locked, so that others know
    /// that it is in use.
    pub(super) fn beside(place: &'a Place, mode: u32) -> io::Result<Self> {
        remove_leftovers(place);
        loop {
            let name = OsString::from(format!("{PREFIX}{}{SUFFIX}", random()?));
            let how = OFlags::CREATE | OFlags::EXCL | OFlags::RDWR;
            match open_in(place.folder(), &name, how, Mode::from_raw_mode(mode)) {
                Ok(file) => {
                    // Not every file system can.
                    let _ = file.try_lock();
                    return Ok(Temporary { place, name, file, has_place: false });
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
    }

    pub(super) fn file(&self) -> &File {
        &self.file
    }

    /// Gives it the place, replacing anything there.
    pub(super) fn take_place(mut self) -> io::Result<()> {
        let folder = self.place.folder();
        rustix::fs::renameat(folder, &self.name, folder, self.place.name())?;
        self.has_place = true;
        Ok(())
    }

    /// Gives it the place, if nothing has it.
    pub(super) fn take_free_place(mut self) -> io::Result<()> {
        let (folder, name) = (self.place.folder(), self.place.name());
        match rustix::fs::renameat_with(folder, &self.name, folder, name, RenameFlags::NOREPLACE) {
            // Some file systems cannot; all that have hard links can do this.
            Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {
                return Ok(rustix::fs::linkat(folder, &self.name, folder, name, AtFlags::empty())?);
            }
            result => result?,
        }
        self.has_place = true;
        Ok(())
    }
}

impl Drop for Temporary<'_> {
    fn drop(&mut self) {
        if !self.has_place {
            let _ = rustix::fs::unlinkat(self.place.folder(), &self.name, AtFlags::empty());
        }
    }
}

fn random() -> io::Result<String> {
    let mut bytes = [0; 8];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(format!("{:016x}", u64::from_ne_bytes(bytes)))
}

/// Removes the files of this user's killed runs, which may hold credentials. Once for each folder.
fn remove_leftovers(place: &Place) {
    static DONE: Mutex<BTreeSet<(u64, u64)>> = Mutex::new(BTreeSet::new());
    let Ok(folder) = place.look_at_folder() else { return };
    if DONE.lock().unwrap_or_else(PoisonError::into_inner).insert((folder.st_dev, folder.st_ino)) {
        // A user who may not list the folder cannot have left much.
        let _ = remove_leftovers_in(place.folder());
    }
}

fn remove_leftovers_in(folder: &OwnedFd) -> io::Result<()> {
    let listed = open_in(folder, OsStr::new("."), OFlags::DIRECTORY, Mode::empty())?;
    for entry in rustix::fs::Dir::read_from(&listed)? {
        let entry = entry?;
        let name = OsStr::from_bytes(entry.file_name().to_bytes());
        let is_ours = name.to_str().is_some_and(|name| {
            name.strip_prefix(PREFIX).is_some_and(|rest| rest.ends_with(SUFFIX)) || name.starts_with(".new-")
        });
        if is_ours {
            // One that somebody else removes at the same time is gone as well.
            let _ = remove_leftover(folder, name);
        }
    }
    Ok(())
}

fn remove_leftover(folder: &OwnedFd, name: &OsStr) -> io::Result<()> {
    let file = open_in(folder, name, OFlags::RDONLY, Mode::empty())?;
    let found = rustix::fs::fstat(&file)?;
    let is_old = file.metadata()?.modified()?.elapsed().is_ok_and(|age| age > OLD);
    let is_own = found.st_uid == rustix::process::geteuid().as_raw() && kind(&found) == FileType::RegularFile;
    if is_own && is_old && file.try_lock().is_ok() {
        let now = rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW)?;
        if is_same(&found, &now) {
            rustix::fs::unlinkat(folder, name, AtFlags::empty())?;
        }
    }
    Ok(())
}
