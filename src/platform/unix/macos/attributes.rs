//! What a file has besides its bytes: owner, mode, access list and extended attributes. A file that replaces
//! it gets them too. If one of them cannot be set, nobody gets more rights than before.
//!
//! One of the files with unsafe code: copyfile(3) takes a pointer to a state, which may be null.
#![allow(unsafe_code)]

use std::fs::{File, Metadata, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt, fchown};
use std::path::Path;
use std::ptr;

use rustix::fs::{CopyfileFlags, fcopyfile};

/// The attributes of a file that is going to be replaced.
#[derive(Debug)]
pub(crate) struct Attributes {
    metadata: Metadata,
    /// None if it cannot be read.
    file: Option<File>,
}

impl Attributes {
    /// The attributes of an open file.
    pub(crate) fn of_file(file: &File) -> io::Result<Self> {
        Ok(Attributes { metadata: file.metadata()?, file: Some(file.try_clone()?) })
    }

    /// The attributes of a file, which need not be readable.
    pub(crate) fn of_path(path: &Path) -> io::Result<Self> {
        Ok(Attributes { metadata: std::fs::metadata(path)?, file: File::open(path).ok() })
    }

    /// Gives them to the file that replaces theirs, and returns what could not be given. Only root can give files
    /// away. Anyone else keeps the group if they are a member of it; otherwise the old group's rights are given to no
    /// other group.
    pub(crate) fn give_to(&self, file: &File) -> io::Result<Vec<String>> {
        let (uid, gid) = (self.metadata.uid(), self.metadata.gid());
        let _ = fchown(file, Some(uid), Some(gid)).or_else(|_| fchown(file, None, Some(gid)));
        let now = file.metadata()?;
        let mut mode = self.metadata.mode();
        if now.uid() != uid {
            mode &= !0o4000;
        }
        if now.gid() != gid {
            mode &= !0o2070;
        }
        file.set_permissions(Permissions::from_mode(mode & 0o7777))?;
        let mut lost = Vec::new();
        for (what, name) in
            [(CopyfileFlags::ACL, "the access list (ACL)"), (CopyfileFlags::XATTR, "the extended attributes")]
        {
            // SAFETY: both are open files, and a null state asks for nothing (copyfile(3)).
            let copy = |from: &File| unsafe { fcopyfile(from, file, ptr::null_mut(), what) };
            if !self.file.as_ref().is_some_and(|from| copy(from).is_ok()) {
                lost.push(name.to_owned());
            }
        }
        Ok(lost)
    }
}
