//! Commands to recommend on Linux.

/// How to find out what a library lacks; its path is quoted for a shell.
pub(crate) fn how_to_see_what_lacks(library: &str) -> String {
    format!("ldd -r {library} shows what it lacks")
}

/// How to find the path of a module.
pub(crate) const HOW_TO_FIND: &str = "dpkg -L PACKAGE lists it";

/// How to get a module, in brackets behind `--module PATH`.
pub(crate) const HOW_TO_INSTALL: &str = "a YubiKey on Debian: apt install ykcs11, then --module libykcs11.so";

/// How to find out what keeps this user from a path, which is quoted for a shell.
pub(crate) fn how_to_see_who_refuses(path: &str) -> String {
    format!("namei -l {path} shows which folder or file refuses")
}
