//! What a file has besides its bytes: owner, mode, access list and extended attributes. A file that replaces
//! it gets them too. If one of them cannot be set, nobody gets more rights than before.
//!
//! One of the files with unsafe code: copyfile(3) takes a state that its caller frees.
#![allow(unsafe_code)]

use std::fs::{File, Metadata, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt, fchown};
use std::path::Path;

use rustix::fs::{CopyfileFlags, copyfile_state_alloc, copyfile_state_free, fcopyfile};

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
            if self.file.as_ref().is_none_or(|from| copy(from, file, what).is_err()) {
                lost.push(name.to_owned());
            }
        }
        Ok(lost)
    }
}

fn copy(from: &File, to: &File, what: CopyfileFlags) -> io::Result<()> {
    let state = copyfile_state_alloc()?;
    // SAFETY: the state was made just now, and is freed once, afterwards.
    let copied = unsafe { fcopyfile(from, to, state, what) };
    // SAFETY: as above.
    let _ = unsafe { copyfile_state_free(state) };
    Ok(copied?)
}
