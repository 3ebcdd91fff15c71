//! The user of this process, and groups.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use nix::unistd::{Gid, Group, Uid, User, getegid, geteuid};

/// Whether it is the one who may do everything.
pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Name and number.
pub(crate) fn name() -> String {
    let uid = Uid::current();
    match User::from_uid(uid) {
        Ok(Some(user)) => format!("{} ({uid})", user.name),
        _ => uid.to_string(),
    }
}

/// The name that commands know this user by.
pub(crate) fn login_name() -> String {
    let user = User::from_uid(geteuid()).ok().flatten();
    user.map_or_else(|| format!("user {}", geteuid()), |user| user.name)
}

/// The variable of the environment that names the user's own folder.
pub(crate) const HOME: &str = "HOME";

/// The user's own folder.
pub(crate) fn home() -> Option<PathBuf> {
    std::env::var_os(HOME).filter(|home| !home.is_empty()).map(PathBuf::from)
}

/// The folder for what can be obtained again (XDG Base Directory Specification).
pub(crate) fn cache_folder() -> Option<PathBuf> {
    let base = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    base.or_else(|| Some(home().filter(|home| home.is_absolute())?.join(".cache")))
}

/// The variables of the environment that name the cache folder, for people.
pub const CACHE_VARIABLES: &str = "XDG_CACHE_HOME or HOME";

/// The group of a file, unless it is root's own, which nobody should join.
pub(crate) fn group_of(path: &Path) -> Option<String> {
    let gid = Gid::from_raw(fs::metadata(path).ok()?.gid());
    if gid.as_raw() == 0 {
        return None;
    }
    Some(Group::from_gid(gid).ok()??.name)
}

/// Whether this process has the rights of a group; root has them all.
pub(crate) fn is_in_group(name: &str) -> bool {
    let Ok(Some(group)) = Group::from_name(name) else { return true };
    let others = rustix::process::getgroups().unwrap_or_default();
    is_root() || getegid() == group.gid || others.iter().any(|gid| gid.as_raw() == group.gid.as_raw())
}

/// Whether this user is listed as a member of a group: they have its rights after the next login.
pub(crate) fn is_member_of(group: &str) -> bool {
    let user = login_name();
    matches!(Group::from_name(group), Ok(Some(group)) if group.mem.contains(&user))
}

/// The name of this computer.
pub(crate) fn host() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}
