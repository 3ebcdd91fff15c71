//! Commands to recommend on macOS.

/// How to find out what a library lacks; its path is quoted for a shell.
pub(crate) fn how_to_see_what_lacks(library: &str) -> String {
    format!(
        "otool -L {library} lists what it needs; codesign -dv {library} and spctl -a {library} say whether macOS lets it run"
    )
}

/// How to find the path of a module.
pub(crate) const HOW_TO_FIND: &str = "brew list FORMULA lists it";

/// How to get a module, in brackets behind `--module PATH`.
pub(crate) const HOW_TO_INSTALL: &str =
    "a YubiKey: brew install yubico-piv-tool, then --module /opt/homebrew/lib/libykcs11.dylib";

/// How to find out what keeps this user from a path, which is quoted for a shell.
pub(crate) fn how_to_see_who_refuses(path: &str) -> String {
    format!("ls -lde {path} shows who may read it; the same for each folder above it")
}
