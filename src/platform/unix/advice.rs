//! Commands to recommend.

use std::path::Path;

pub(crate) use super::own::{HOW_TO_FIND, HOW_TO_INSTALL, how_to_see_what_lacks, how_to_see_who_refuses};

/// A path as part of a command to paste.
pub(crate) fn quoted(path: &Path) -> String {
    let text = path.to_string_lossy();
    let is_plain = |character: char| character.is_ascii_alphanumeric() || "/._-+".contains(character);
    if text.chars().all(is_plain) { text.into_owned() } else { format!("'{}'", text.replace('\'', "'\\''")) }
}

/// How its owner closes a file to others: what to do with "it".
pub(crate) fn how_to_close(_path: &Path) -> String {
    "chmod 600 it".into()
}

/// The same for a folder.
pub(crate) fn how_to_close_folder(path: &Path) -> String {
    format!("chmod 700 {path:?}")
}

/// How the system's administrator becomes a file's owner: what to do with "it".
pub fn how_to_own(_path: &Path) -> String {
    "chown root it".into()
}

/// How to find the program that holds a file.
pub(crate) const HOW_TO_SEE_HOLDER: &str = "find out who holds it (fuser)";

/// How a user gets to read a file.
pub(crate) const HOW_TO_READ: &str = "let its owner give you the right to read it (chmod u+r, chown)";

/// What to do where this program may open no more files.
pub(crate) const MORE_FILES: &str = "raise the limit (ulimit -n), or name fewer";

/// What to do where this user may run no more threads.
pub const MORE_THREADS: &str = "end some, or raise the limit (ulimit -u)";

/// How a crash is kept from writing the memory to a disk.
pub const NO_DUMPS: &str = "ulimit -c 0";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_to_paste_is_quoted_where_it_must_be() {
        assert_eq!(quoted(Path::new("/usr/lib/libx-1.so+2")), "/usr/lib/libx-1.so+2");
        assert_eq!(quoted(Path::new("/a b/it's.so")), "'/a b/it'\\''s.so'");
    }
}
