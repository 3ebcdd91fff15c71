//! Whether this user may read a file, and which group may.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use crate::platform::user;

/// Whether a file or folder can be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Access {
    Granted,
    Missing,
    /// The first of its folders that this user may not enter is the obstacle, or the file itself.
    Denied(Denied),
    /// What the system said.
    Failed(String),
}

/// Who may do what this user may not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Denied {
    /// What keeps this user out: a folder above, or the file itself.
    pub by: PathBuf,
    /// The group that may.
    pub group: Option<String>,
}

impl Denied {
    /// How to become one who may.
    pub(super) fn help(&self) -> String {
        match &self.group {
            Some(group) => joining(group),
            None => format!("as root: see who may enter {}", self.by.display()),
        }
    }
}

/// Whether the file or folder at a path can be read.
pub(super) fn to_read(path: &Path) -> Access {
    let result = match fs::metadata(path) {
        Ok(found) if found.is_dir() => fs::read_dir(path).map(|_| ()),
        Ok(_) => fs::File::open(path).map(|_| ()),
        Err(error) => Err(error),
    };
    match result {
        Ok(()) => Access::Granted,
        Err(error) if error.kind() == ErrorKind::NotFound => Access::Missing,
        Err(error) if error.kind() == ErrorKind::PermissionDenied => Access::Denied(denied(path)),
        Err(error) => Access::Failed(words_of(&error)),
    }
}

/// For a path that may not be used, by which part of it.
pub(super) fn denied(path: &Path) -> Denied {
    // The deepest part that can be examined is the one that denies access to everything below it.
    let by = path.ancestors().find(|part| fs::metadata(part).is_ok()).unwrap_or(path);
    Denied { by: by.to_owned(), group: user::group_of(by) }
}

/// How this user gets the rights of a group.
pub(super) fn joining(group: &str) -> String {
    let name = user::login_name();
    if user::is_member_of(group) {
        format!(
            "{name} is a member of the group {group} since the last login: log in again, or newgrp {group}"
        )
    } else {
        format!("as root: usermod -aG {group} {name}; then log in again")
    }
}

/// What the system said, without its number.
pub(super) fn words_of(error: &io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or(&text).to_owned()
}
