//! Commands to recommend. They are for any shell.

use std::path::Path;

use super::security::own_sid;

/// A path as part of a command to paste. None of them contains a quotation mark.
pub(crate) fn quoted(path: &Path) -> String {
    format!("\"{}\"", path.display())
}

/// How to find the path of a module.
pub(crate) const HOW_TO_FIND: &str = "its installer puts it below C:\\Program Files";

/// How to get a module, in brackets behind `--module PATH`.
pub(crate) const HOW_TO_INSTALL: &str = "a YubiKey: install the Yubico PIV Tool, then --module \"C:\\Program Files\\Yubico\\Yubico PIV Tool\\bin\\libykcs11.dll\"";

/// How to find out what a library lacks.
pub(crate) fn how_to_see_what_lacks(library: &str) -> String {
    format!("{library} or a DLL that it needs may be missing: put those that came with it into its folder")
}

/// How to find out what keeps this user from a path.
pub(crate) fn how_to_see_who_refuses(path: &str) -> String {
    format!("icacls {path} shows who may read it")
}

/// How its owner closes a file to others.
pub(crate) fn how_to_close(path: &Path) -> String {
    let (path, sid) = (path.display(), own_sid().unwrap_or("YOUR-SID"));
    format!("icacls \"{path}\" /reset; then icacls \"{path}\" /inheritance:r /grant:r \"*{sid}:F\"")
}

/// The same for a folder.
pub(crate) fn how_to_close_folder(path: &Path) -> String {
    let (path, sid) = (path.display(), own_sid().unwrap_or("YOUR-SID"));
    format!("icacls \"{path}\" /reset; then icacls \"{path}\" /inheritance:r /grant:r \"*{sid}:(OI)(CI)F\"")
}

/// How the administrators become a file's owners.
pub fn how_to_own(path: &Path) -> String {
    format!("takeown /f \"{}\" /a", path.display())
}

/// How to find the program that holds a file.
pub(crate) const HOW_TO_SEE_HOLDER: &str =
    "find out who holds it (Resource Monitor, CPU, Associated Handles)";

/// How a user gets to read a file.
pub(crate) const HOW_TO_READ: &str =
    "let its owner give you the right to read it (icacls FILE /grant USER:R)";

/// What to do where this program may open no more files.
pub(crate) const MORE_FILES: &str = "end other programs, or name fewer";

/// What to do where this user may run no more threads.
pub const MORE_THREADS: &str = "end some";

/// How a crash is kept from writing the memory to a disk: the program has asked for that.
pub const NO_DUMPS: &str = "switch off Windows Error Reporting for this program";
