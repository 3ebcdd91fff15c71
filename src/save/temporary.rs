//! The file that will take a place: it is beside the place, closed to others, and removed if it does not get
//! there.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::place::Place;
use crate::platform::file::try_lock;
use crate::platform::{Folder, How, Identity, Kind, Status};

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
            let name = OsString::from(format!("{PREFIX}{:016x}{SUFFIX}", random()));
            match place.folder().create(&name, How::Write, mode) {
                Ok(file) => {
                    // Not every file system can.
                    let _ = try_lock(&file);
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
        self.place.folder().rename(&self.name, self.place.name())?;
        self.has_place = true;
        Ok(())
    }

    /// Gives it the place, if nothing has it.
    pub(super) fn take_free_place(self) -> io::Result<()> {
        self.place.folder().rename_to_free(&self.name, self.place.name())
    }
}

impl Drop for Temporary<'_> {
    fn drop(&mut self) {
        if !self.has_place {
            let _ = self.place.folder().remove(&self.name);
        }
    }
}

/// A number that nobody can guess, for a name; a name that is taken is not used. It comes from the random keys that the system
/// gives hash maps: AWS-LC collects randomness of its own for 30 ms before its first number.
fn random() -> u64 {
    RandomState::new().hash_one(())
}

/// Removes the files of this user's killed runs, which may hold credentials. Once for each folder.
fn remove_leftovers(place: &Place) {
    static DONE: Mutex<BTreeSet<Identity>> = Mutex::new(BTreeSet::new());
    let Ok(folder) = place.folder().status() else { return };
    if DONE.lock().unwrap_or_else(PoisonError::into_inner).insert(folder.identity()) {
        // A user who may not list the folder cannot have left much.
        let _ = remove_leftovers_in(place.folder());
    }
}

fn remove_leftovers_in(folder: &Folder) -> io::Result<()> {
    for name in folder.names()? {
        let is_ours = name.to_str().is_some_and(|name| {
            name.strip_prefix(PREFIX).is_some_and(|rest| rest.ends_with(SUFFIX)) || name.starts_with(".new-")
        });
        if is_ours {
            // One that somebody else removes at the same time is gone as well.
            let _ = remove_leftover(folder, &name);
        }
    }
    Ok(())
}

fn remove_leftover(folder: &Folder, name: &OsStr) -> io::Result<()> {
    let file = folder.open(name, How::Read)?;
    let found = Status::of(&file)?;
    let is_old = file.metadata()?.modified()?.elapsed().is_ok_and(|age| age > OLD);
    if found.is_own() && found.kind() == Kind::Regular && is_old && try_lock(&file).is_ok() {
        let now = folder.look(name)?;
        if found.is_same(&now) {
            folder.remove(name)?;
        }
    }
    Ok(())
}
