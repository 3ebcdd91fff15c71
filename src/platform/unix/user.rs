//! The user of this process.

use nix::unistd::{Uid, User};

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

/// The name of this computer.
pub(crate) fn host() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}
