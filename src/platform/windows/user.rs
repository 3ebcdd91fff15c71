//! The user of this process. Groups do not say who may use a device there.
//!
//! One of the files with unsafe code: the names of the user and the computer have no safe function.
#![allow(unsafe_code)]

use std::path::{Path, PathBuf};

use windows_sys::Win32::System::SystemInformation::{ComputerNameDnsHostname, GetComputerNameExW};
use windows_sys::Win32::System::WindowsProgramming::GetUserNameW;

use super::text;

/// Whether it may do everything now: the system, or an administrator who was asked and agreed.
pub fn is_root() -> bool {
    super::security::is_administrator()
}

/// Name and security identifier.
pub(crate) fn name() -> String {
    match super::security::own_sid() {
        Ok(sid) => format!("{} ({sid})", login_name()),
        Err(_) => login_name(),
    }
}

/// The name that commands know this user by.
pub(crate) fn login_name() -> String {
    // SAFETY: the buffer has that many units.
    named(|buffer, length| unsafe { GetUserNameW(buffer, length) }).unwrap_or_else(|| "this user".into())
}

/// The variable of the environment that names the user's own folder.
pub(crate) const HOME: &str = "USERPROFILE";

/// The user's own folder.
pub(crate) fn home() -> Option<PathBuf> {
    std::env::var_os(HOME).filter(|home| !home.is_empty()).map(PathBuf::from)
}

/// The folder for what can be obtained again, on this computer alone.
pub(crate) fn cache_folder() -> Option<PathBuf> {
    std::env::var_os("LOCALAPPDATA").map(PathBuf::from).filter(|path| path.is_absolute())
}

/// The variables of the environment that name the cache folder, for people.
pub const CACHE_VARIABLES: &str = "LOCALAPPDATA";

/// The group of a file: none has one that matters.
pub(crate) fn group_of(_path: &Path) -> Option<String> {
    None
}

/// Whether this process has the rights of a group.
pub(crate) fn is_in_group(_name: &str) -> bool {
    true
}

/// Whether this user is listed as a member of a group.
pub(crate) fn is_member_of(_group: &str) -> bool {
    false
}

/// The name of this computer.
pub(crate) fn host() -> String {
    // SAFETY: the buffer has that many units.
    named(|buffer, length| unsafe { GetComputerNameExW(ComputerNameDnsHostname, buffer, length) })
        .unwrap_or_else(|| "unknown".into())
}

/// No such name is longer than 256 units.
fn named(call: impl FnOnce(*mut u16, &mut u32) -> i32) -> Option<String> {
    let (mut buffer, mut length) = ([0; 260], 260);
    let is_there = call(buffer.as_mut_ptr(), &mut length) != 0;
    is_there.then(|| text::read(&buffer).to_string_lossy().into_owned())
}
