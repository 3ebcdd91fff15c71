//! What a file has besides its bytes: owner, mode, access list and extended attributes. A file that replaces
//! it gets them too. If one of them cannot be set, nobody gets more rights than before.

use std::ffi::CString;
use std::fs::{File, Metadata, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt, fchown};
use std::path::Path;

use rustix::fs::XattrFlags;
use rustix::io::Errno;

/// The POSIX access list, as Linux keeps it.
const ACL: &str = "system.posix_acl_access";
/// They belong to the bytes, not to the name: a hash, its signature, and the capabilities of a program.
const OF_CONTENT: [&[u8]; 3] = [b"security.ima", b"security.evm", b"security.capability"];
/// No attribute of Linux is longer (xattr(7)), nor is a list of their names.
const MOST_BYTES: usize = 64 << 10;

/// The attributes of a file that is going to be replaced.
#[derive(Debug)]
pub(crate) struct Attributes {
    metadata: Metadata,
    acl: Acl,
    /// All others, except for those [`OF_CONTENT`].
    extended: Vec<(CString, Vec<u8>)>,
    unreadable: Vec<String>,
}

/// Users and groups with rights of their own.
#[derive(Debug)]
enum Acl {
    None,
    Entries(Vec<Entry>),
    /// There may be one.
    Unknown,
}

/// `struct posix_acl_xattr_entry` of Linux (`include/uapi/linux/posix_acl_xattr.h`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Entry {
    tag: u16,
    rights: u16,
    id: u32,
}

const VERSION: u32 = 2;
const GROUP_OBJ: u16 = 0x04;
const MASK: u16 = 0x10;
const OTHER: u16 = 0x20;
const NAMED: [u16; 2] = [0x02, 0x08];

impl Attributes {
    /// The attributes of an open file.
    pub(crate) fn of_file(file: &File) -> io::Result<Self> {
        let get = |name: &CString, value: &mut [u8]| rustix::fs::fgetxattr(file, name.as_c_str(), value);
        Ok(Self::read(file.metadata()?, |list| rustix::fs::flistxattr(file, list), get))
    }

    /// The attributes of a file, which need not be readable.
    pub(crate) fn of_path(path: &Path) -> io::Result<Self> {
        let get = |name: &CString, value: &mut [u8]| rustix::fs::getxattr(path, name.as_c_str(), value);
        Ok(Self::read(std::fs::metadata(path)?, |list| rustix::fs::listxattr(path, list), get))
    }

    fn read(
        metadata: Metadata,
        list: impl Fn(&mut [u8]) -> Result<usize, Errno>,
        get: impl Fn(&CString, &mut [u8]) -> Result<usize, Errno>,
    ) -> Self {
        let mut buffer = vec![0; MOST_BYTES];
        let mut value = |name: &CString| get(name, &mut buffer).map(|length| buffer[..length].to_vec());
        let acl = match CString::new(ACL).map_or(Err(Errno::INVAL), |name| value(&name)) {
            Ok(bytes) => Entry::all(&bytes).map_or(Acl::Unknown, Acl::Entries),
            Err(Errno::NODATA | Errno::OPNOTSUPP | Errno::NOSYS) => Acl::None,
            Err(_) => Acl::Unknown,
        };
        let mut names = vec![0; MOST_BYTES];
        let length = list(&mut names).unwrap_or_default();
        let (mut extended, mut unreadable) = (Vec::new(), Vec::new());
        for name in names[..length].split(|byte| *byte == 0).filter(|name| !name.is_empty()) {
            if name == ACL.as_bytes() || OF_CONTENT.contains(&name) {
                continue;
            }
            let Ok(name) = CString::new(name) else { continue };
            match value(&name) {
                Ok(value) => extended.push((name, value)),
                // Somebody removed it in the meantime.
                Err(Errno::NODATA) => {}
                Err(_) => unreadable.push(name.to_string_lossy().into_owned()),
            }
        }
        Attributes { metadata, acl, extended, unreadable }
    }

    /// Gives them to the file that replaces theirs, and returns what could not be given. Only root can give files
    /// away. Anyone else keeps the group if they are a member of it; otherwise the old group's rights are given to no
    /// other group.
    pub(crate) fn give_to(&self, file: &File) -> io::Result<Vec<String>> {
        let (uid, gid) = (self.metadata.uid(), self.metadata.gid());
        let _ = fchown(file, Some(uid), Some(gid)).or_else(|_| fchown(file, None, Some(gid)));
        let now = file.metadata()?;
        let (owner_is_kept, group_is_kept) = (now.uid() == uid, now.gid() == gid);
        let mut lost = self.unreadable.clone();

        // The old file did not have what the folder gives to new files (a default access list).
        match rustix::fs::fremovexattr(file, ACL) {
            Ok(()) | Err(Errno::NODATA | Errno::OPNOTSUPP | Errno::NOSYS) => {}
            Err(error) => return Err(error.into()),
        }
        let mut mode = self.acl.mode_without(self.metadata.mode());
        if !owner_is_kept {
            mode &= !0o4000;
        }
        if !group_is_kept {
            mode &= !0o2070;
        }
        file.set_permissions(Permissions::from_mode(mode & 0o7777))?;
        match &self.acl {
            Acl::None => {}
            Acl::Unknown => lost.push("the access list (ACL)".into()),
            Acl::Entries(entries) => {
                let bytes = Entry::bytes(entries, group_is_kept);
                if rustix::fs::fsetxattr(file, ACL, &bytes, XattrFlags::empty()).is_err() {
                    lost.push("the access list (ACL)".into());
                }
            }
        }
        let mut buffer = vec![0; MOST_BYTES];
        for (name, value) in &self.extended {
            // A label that a new file has anyway may be one that must not be set.
            let is_there = rustix::fs::fgetxattr(file, name.as_c_str(), &mut buffer[..])
                .is_ok_and(|length| buffer[..length] == value[..]);
            if !is_there && rustix::fs::fsetxattr(file, name.as_c_str(), value, XattrFlags::empty()).is_err()
            {
                lost.push(name.to_string_lossy().into_owned());
            }
        }
        Ok(lost)
    }
}

impl Acl {
    /// The mode of a file without an access list, such that nobody may do what this file did not allow them.
    /// With an access list, the bits of the group limit everybody except the owner and others; and a user or
    /// group named in it may have fewer rights than the group or others.
    fn mode_without(&self, mode: u32) -> u32 {
        let entries = match self {
            Acl::None => return mode,
            Acl::Unknown => return mode & !0o077,
            Acl::Entries(entries) => entries,
        };
        let common = |tags: &[u16]| {
            let of_tags = entries.iter().filter(|entry| tags.contains(&entry.tag));
            of_tags.fold(0o7, |rights, entry| rights & u32::from(entry.rights))
        };
        let named = common(&NAMED);
        let (group, other) = (common(&[GROUP_OBJ, MASK]) & named, common(&[OTHER]) & named);
        mode & !0o077 | group << 3 | other
    }
}

impl Entry {
    /// All entries of an access list; `None` if it is malformed.
    fn all(bytes: &[u8]) -> Option<Vec<Self>> {
        let (version, entries) = bytes.split_first_chunk::<4>()?;
        if u32::from_le_bytes(*version) != VERSION || entries.len() % 8 != 0 {
            return None;
        }
        let entry = |bytes: &[u8]| {
            let &[t0, t1, r0, r1, i0, i1, i2, i3] = bytes else { return None };
            let (tag, rights) = (u16::from_le_bytes([t0, t1]), u16::from_le_bytes([r0, r1]));
            Some(Entry { tag, rights, id: u32::from_le_bytes([i0, i1, i2, i3]) })
        };
        entries.chunks(8).map(entry).collect()
    }

    /// The bytes for the system. The file's group has no rights if it is another one than before.
    fn bytes(entries: &[Self], group_is_kept: bool) -> Vec<u8> {
        let mut bytes = VERSION.to_le_bytes().to_vec();
        for Entry { tag, rights, id } in entries {
            let rights = if *tag == GROUP_OBJ && !group_is_kept { 0 } else { *rights };
            bytes.extend(tag.to_le_bytes().into_iter().chain(rights.to_le_bytes()).chain(id.to_le_bytes()));
        }
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::{Acl, Entry, GROUP_OBJ, MASK, OTHER};

    const USER_OBJ: u16 = 0x01;
    const USER: u16 = 0x02;

    fn list(entries: &[(u16, u16)]) -> Vec<Entry> {
        entries.iter().map(|(tag, rights)| Entry { tag: *tag, rights: *rights, id: 0 }).collect()
    }

    #[test]
    fn without_its_access_list_a_file_is_open_to_nobody_to_whom_it_was_closed() {
        for (entries, mode, expected) in [
            // The application may read it, the group may not: the mode says 640.
            (&[(USER_OBJ, 6), (USER, 4), (GROUP_OBJ, 0), (MASK, 4), (OTHER, 0)][..], 0o640, 0o600),
            // A group that may read keeps that.
            (&[(USER_OBJ, 6), (USER, 6), (GROUP_OBJ, 4), (MASK, 6), (OTHER, 0)], 0o660, 0o640),
            // One user is excluded from what all others may read.
            (&[(USER_OBJ, 6), (USER, 0), (GROUP_OBJ, 4), (MASK, 4), (OTHER, 4)], 0o644, 0o600),
            // The mask removes the group's rights.
            (&[(USER_OBJ, 6), (GROUP_OBJ, 6), (MASK, 4), (OTHER, 0)], 0o640, 0o640),
        ] {
            assert_eq!(Acl::Entries(list(entries)).mode_without(mode), expected, "{entries:?}");
        }
        assert_eq!(Acl::None.mode_without(0o640), 0o640);
        assert_eq!(Acl::Unknown.mode_without(0o644), 0o600);
    }

    #[test]
    fn an_access_list_is_read_and_written_alike_and_another_group_has_no_rights() {
        let entries = list(&[(USER_OBJ, 6), (USER, 4), (GROUP_OBJ, 4), (MASK, 4), (OTHER, 0)]);
        let bytes = Entry::bytes(&entries, true);
        assert_eq!(Entry::all(&bytes), Some(entries.clone()));
        let of_another = Entry::all(&Entry::bytes(&entries, false)).unwrap();
        assert_eq!(of_another[2], Entry { rights: 0, ..entries[2] });
        assert_eq!((Entry::all(&bytes[1..]), Entry::all(&bytes[..9]), Entry::all(b"")), (None, None, None));
    }
}
