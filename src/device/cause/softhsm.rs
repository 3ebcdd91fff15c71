//! What keeps SoftHSM's module from its devices: its configuration and the folder of its tokens.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use super::rights::{self, Access, Denied};
use crate::platform::user;

const VARIABLE: &str = "SOFTHSM2_CONF";
const OF_THE_SYSTEM: &str = "/etc/softhsm/softhsm2.conf";
/// The option that names the folder of the tokens.
const FOLDER: &str = "directories.tokendir";

/// Why SoftHSM shows no device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SoftHsmCause {
    /// The configuration is not there.
    NoFile {
        /// Where it would be.
        path: PathBuf,
    },
    /// This user may not read the configuration or the folder of the tokens.
    Denied {
        /// Which of the two.
        path: PathBuf,
        /// Who may.
        denied: Denied,
    },
    /// It names no folder.
    NoFolderNamed {
        /// The configuration.
        path: PathBuf,
    },
    /// The folder is not there, or cannot be read.
    NoFolder {
        /// The configuration.
        path: PathBuf,
        /// The folder.
        folder: PathBuf,
    },
    /// It has no device yet.
    Empty {
        /// The configuration.
        path: PathBuf,
        /// The folder.
        folder: PathBuf,
    },
}

/// What is wrong with the configuration that SoftHSM would take.
pub(super) fn cause() -> SoftHsmCause {
    let path = configuration();
    match rights::to_read(&path) {
        Access::Denied(denied) => return SoftHsmCause::Denied { path, denied },
        Access::Missing | Access::Failed(_) => return SoftHsmCause::NoFile { path },
        Access::Granted => {}
    }
    let text = fs::read(&path).unwrap_or_default();
    let Some(folder) = folder_in(&String::from_utf8_lossy(&text)) else {
        return SoftHsmCause::NoFolderNamed { path };
    };
    match rights::to_read(&folder) {
        Access::Denied(denied) => SoftHsmCause::Denied { path: folder, denied },
        Access::Missing | Access::Failed(_) => SoftHsmCause::NoFolder { path, folder },
        Access::Granted => SoftHsmCause::Empty { path, folder },
    }
}

/// The variable, the user's own, the system's: SoftHSM 2.6 takes the first that is there.
fn configuration() -> PathBuf {
    if let Some(named) = std::env::var_os(VARIABLE) {
        return PathBuf::from(named);
    }
    let home = std::env::var_os("HOME").map(|home| Path::new(&home).join(".config/softhsm2/softhsm2.conf"));
    home.filter(|path| path.exists()).unwrap_or_else(|| OF_THE_SYSTEM.into())
}

fn folder_in(text: &str) -> Option<PathBuf> {
    let options = text.lines().filter_map(|line| line.split('#').next()?.split_once('='));
    let mut folders = options.filter(|(name, _)| name.trim() == FOLDER).map(|(_, value)| value.trim());
    folders.next_back().filter(|folder| !folder.is_empty()).map(PathBuf::from)
}

impl SoftHsmCause {
    /// Whether somebody has set SoftHSM up for this run: its package alone is on many systems.
    pub(super) fn has_evidence(&self) -> bool {
        std::env::var_os(VARIABLE).is_some()
    }

    /// What to do.
    pub(super) fn help(&self) -> String {
        match self {
            SoftHsmCause::NoFile { .. } => {
                format!("set {VARIABLE} to the path of a configuration with the line: {FOLDER} = FOLDER")
            }
            SoftHsmCause::Denied { denied, .. } => {
                format!("{}; or set {VARIABLE} to a configuration of your own", denied.help())
            }
            SoftHsmCause::NoFolderNamed { path } => {
                format!("add to {} the line: {FOLDER} = FOLDER", path.display())
            }
            SoftHsmCause::NoFolder { folder, .. } => {
                format!("mkdir -p {}; or set {VARIABLE} to another configuration", folder.display())
            }
            SoftHsmCause::Empty { .. } => format!(
                "set {VARIABLE} if the device is in another configuration; a new one: softhsm2-util --init-token --free --label NAME"
            ),
        }
    }
}

impl fmt::Display for SoftHsmCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SoftHsmCause::NoFile { path } => {
                write!(f, "SoftHSM finds no configuration: {path:?} cannot be read")
            }
            SoftHsmCause::Denied { path, denied } => {
                write!(f, "SoftHSM's {path:?} may not be read by {}", user::login_name())?;
                denied.group.iter().try_for_each(|group| write!(f, ", who is not in the group {group}"))
            }
            SoftHsmCause::NoFolderNamed { path } => {
                write!(f, "SoftHSM's configuration {path:?} names no folder of tokens ({FOLDER})")
            }
            SoftHsmCause::NoFolder { path, folder } => {
                write!(f, "SoftHSM's folder of tokens {folder:?} cannot be read ({})", path.display())
            }
            SoftHsmCause::Empty { folder, .. } => {
                write!(f, "SoftHSM has no device in {folder:?}")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_folder_of_the_tokens_is_read_as_softhsm_reads_it() {
        for (text, folder) in [
            ("# directories.tokendir = /no\ndirectories.tokendir = /tokens/ # here\n", Some("/tokens/")),
            ("directories.tokendir=/a b\nobjectstore.backend = file", Some("/a b")),
            ("directories.tokendir =\n", None),
            ("nothing", None),
        ] {
            assert_eq!(folder_in(text), folder.map(PathBuf::from), "{text}");
        }
    }
}
