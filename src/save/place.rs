//! Where a file is: its folder, held open, and its name in it. All checks and changes then concern one place,
//! whatever somebody does to the path in the meantime: a link that replaces a folder or the file cannot
//! redirect them.

use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, ErrorKind};
use std::path::{Component, Path, PathBuf};

use crate::platform::{self, Folder, How, Kind, Status};

/// As many as Linux follows (path_resolution(7)).
const MOST_LINKS: usize = 40;

/// A link that somebody else could have made, met by root.
#[derive(Debug, thiserror::Error)]
#[error("it leads through a symbolic link in a folder that other users can write to")]
pub(super) struct LinkOfOthers;

/// A name in a folder that is held open. When it is examined, the name must not belong to a symbolic link.
#[derive(Debug)]
pub(super) struct Place {
    folder: Folder,
    name: OsString,
    path: PathBuf,
}

impl Place {
    /// Where a path leads after all links, even if nothing is there yet.
    ///
    /// # Errors
    /// What the system said; for root [`LinkOfOthers`] where a link stands in a folder into which somebody else can write: who
    /// made it would have chosen what root replaces.
    pub(super) fn of(path: &Path) -> io::Result<Self> {
        let mut left: VecDeque<OsString> = parts(path);
        let mut folder = Folder::at(Path::new("."))?;
        let mut shown = path.to_owned();
        let mut links = 0;
        while let Some(part) = left.pop_front() {
            // `/` and `..` have no name.
            if Path::new(&part).file_name().is_none() {
                folder = folder.enter(&part)?;
                continue;
            }
            let found = match folder.look(&part) {
                Ok(found) => Some(found),
                Err(error) if error.kind() == ErrorKind::NotFound && left.is_empty() => None,
                Err(error) => return Err(error),
            };
            if let Some(link) = found.filter(|found| found.kind() == Kind::Link) {
                links += 1;
                if links > MOST_LINKS {
                    return Err(platform::file::too_many_links());
                }
                if !folder.status()?.lets_follow(&link) {
                    return Err(io::Error::new(ErrorKind::PermissionDenied, LinkOfOthers));
                }
                let target = folder.link_target(&part)?;
                if left.is_empty() {
                    shown = folder_of(&shown).join(&target);
                }
                parts(&target).into_iter().rev().for_each(|part| left.push_front(part));
            } else if left.is_empty() {
                return Ok(Place { folder, name: part, path: shown });
            } else {
                folder = folder.enter(&part)?;
            }
        }
        // `/`, `..` or nothing.
        Err(if path.as_os_str().is_empty() { ErrorKind::NotFound } else { ErrorKind::IsADirectory }.into())
    }

    /// The name itself in the folder of a path, even if it is a link's.
    ///
    /// # Errors
    /// What the system said.
    pub(super) fn of_name(path: &Path) -> io::Result<Self> {
        let folder = Folder::at(folder_of(path))?;
        let name = path.file_name().ok_or(ErrorKind::IsADirectory)?.to_owned();
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
    pub(super) fn folder(&self) -> &Folder {
        &self.folder
    }

    /// What has the name now, even if it is a link.
    pub(super) fn look(&self) -> io::Result<Status> {
        self.folder.look(&self.name)
    }

    /// Opens what has the name, which must not be a link, without waiting for the other end of a pipe.
    pub(super) fn open(&self, how: How) -> io::Result<File> {
        self.folder.open(&self.name, how)
    }
}

/// The folder that contains a path's last name.
pub(super) fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// A drive or a share, and the `\` that follows it, are one part.
fn parts(path: &Path) -> VecDeque<OsString> {
    let mut parts = VecDeque::new();
    let mut prefix = OsString::new();
    for part in path.components().filter(|part| *part != Component::CurDir) {
        match part {
            Component::Prefix(_) => prefix.push(part.as_os_str()),
            _ => {
                prefix.push(part.as_os_str());
                parts.push_back(std::mem::take(&mut prefix));
            }
        }
    }
    parts
}
