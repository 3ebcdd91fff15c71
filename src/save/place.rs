//! Where a file is: its folder, held open, and its name in it. All checks and changes then concern one place,
//! whatever somebody does to the path in the meantime: a link that replaces a folder or the file cannot
//! redirect them.

use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::path::{Component, Path, PathBuf};

use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;

/// As many as Linux follows (path_resolution(7)).
const MOST_LINKS: usize = 40;
const FOLDER: OFlags = OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// A name in a folder that is held open. When it is examined, the name must not belong to a symbolic link.
#[derive(Debug)]
pub(super) struct Place {
    folder: OwnedFd,
    name: OsString,
    path: PathBuf,
}

impl Place {
    /// Where a path leads after all links, even if nothing is there yet.
    ///
    /// # Errors
    /// What the system said; for root [`Errno::PERM`] where a link stands in a folder into which somebody else can write: who
    /// made it would have chosen what root replaces.
    pub(super) fn of(path: &Path) -> io::Result<Self> {
        let mut left: VecDeque<OsString> = parts(path);
        let mut folder = rustix::fs::openat(CWD, ".", FOLDER, Mode::empty())?;
        let mut shown = path.to_owned();
        let mut links = 0;
        while let Some(part) = left.pop_front() {
            if part == "/" || part == ".." {
                folder = rustix::fs::openat(&folder, &part, FOLDER, Mode::empty())?;
                continue;
            }
            let found = match rustix::fs::statat(&folder, &part, AtFlags::SYMLINK_NOFOLLOW) {
                Ok(found) => Some(found),
                Err(Errno::NOENT) if left.is_empty() => None,
                Err(error) => return Err(error.into()),
            };
            if let Some(link) = found.filter(|found| kind(found) == FileType::Symlink) {
                links += 1;
                if links > MOST_LINKS {
                    return Err(Errno::LOOP.into());
                }
                refuse_link_of_others(&folder, &link)?;
                let target = rustix::fs::readlinkat(&folder, &part, Vec::new())?;
                let target = PathBuf::from(OsString::from_vec(target.into_bytes()));
                if left.is_empty() {
                    shown = folder_of(&shown).join(&target);
                }
                parts(&target).into_iter().rev().for_each(|part| left.push_front(part));
            } else if left.is_empty() {
                return Ok(Place { folder, name: part, path: shown });
            } else {
                folder = rustix::fs::openat(&folder, &part, FOLDER, Mode::empty())?;
            }
        }
        // `/`, `..` or nothing.
        Err(if path.as_os_str().is_empty() { Errno::NOENT } else { Errno::ISDIR }.into())
    }

    /// The name itself in the folder of a path, even if it is a link's.
    ///
    /// # Errors
    /// What the system said.
    pub(super) fn of_name(path: &Path) -> io::Result<Self> {
        let how = FOLDER.difference(OFlags::NOFOLLOW);
        let folder = rustix::fs::openat(CWD, folder_of(path), how, Mode::empty())?;
        let name = path.file_name().ok_or(Errno::ISDIR)?.to_owned();
        Ok(Place { folder, name, path: path.to_owned() })
    }

    /// The path, for messages.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Its name in the folder.
    pub(super) fn name(&self) -> &OsStr {
        &self.name
    }

    /// The folder, for calls that take a name in it.
    pub(super) fn folder(&self) -> &OwnedFd {
        &self.folder
    }

    /// What has the name now, even if it is a link.
    pub(super) fn look(&self) -> rustix::io::Result<Stat> {
        rustix::fs::statat(&self.folder, &self.name, AtFlags::SYMLINK_NOFOLLOW)
    }

    /// Opens what has the name, which must not be a link, without waiting for the other end of a pipe.
    pub(super) fn open(&self, how: OFlags) -> io::Result<File> {
        open_in(&self.folder, &self.name, how, Mode::empty())
    }

    /// The folder's own attributes.
    pub(super) fn look_at_folder(&self) -> rustix::io::Result<Stat> {
        rustix::fs::fstat(&self.folder)
    }

    /// Waits until the folder's names are on the disk.
    pub(super) fn sync_folder(&self) -> io::Result<()> {
        open_in(&self.folder, OsStr::new("."), OFlags::DIRECTORY, Mode::empty())?.sync_all()
    }
}

/// The folder that contains a path's last name.
pub(super) fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// Opens a name in a folder.
pub(super) fn open_in(folder: impl AsFd, name: &OsStr, how: OFlags, mode: Mode) -> io::Result<File> {
    let how = how | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    Ok(File::from(rustix::fs::openat(folder, name, how, mode)?))
}

/// Whether both are the same file.
pub(super) fn is_same(one: &Stat, other: &Stat) -> bool {
    (one.st_dev, one.st_ino) == (other.st_dev, other.st_ino)
}

/// What kind of file it is.
pub(super) fn kind(file: &Stat) -> FileType {
    FileType::from_raw_mode(file.st_mode)
}

fn parts(path: &Path) -> VecDeque<OsString> {
    let named = path.components().filter(|part| !matches!(part, Component::CurDir | Component::Prefix(_)));
    named.map(|part| part.as_os_str().to_owned()).collect()
}

/// As Linux does in sticky folders (`fs.protected_symlinks`), here for root in all folders.
fn refuse_link_of_others(folder: &OwnedFd, link: &Stat) -> io::Result<()> {
    if !rustix::process::geteuid().is_root() {
        return Ok(());
    }
    let folder = rustix::fs::fstat(folder)?;
    let is_roots_own = folder.st_uid == 0 && folder.st_mode & 0o022 == 0;
    let is_safe_from_others = folder.st_uid == 0 && folder.st_mode & 0o1000 != 0 && link.st_uid == 0;
    if is_roots_own || is_safe_from_others { Ok(()) } else { Err(Errno::PERM.into()) }
}
