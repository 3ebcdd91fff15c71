//! What keeps a module from its YubiHSM 2: the module's configuration, and the connector that it names.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use super::rights::words_of;
use crate::printable::printable;

/// What the module looks for in the current folder, before the variable.
const IN_THIS_FOLDER: &str = "yubihsm_pkcs11.conf";
const VARIABLE: &str = "YUBIHSM_PKCS11_CONF";
/// yubihsm-connector's own port.
const USUAL_CONNECTOR: &str = "http://127.0.0.1:12345";

/// Why a YubiHSM is not seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum YubiHsmCause {
    /// There is no configuration.
    NotConfigured,
    /// The configuration cannot be read.
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        reason: String,
    },
    /// A line of it is not one that the module takes.
    Malformed {
        /// The file.
        path: PathBuf,
        /// The line's number, from 1.
        line: usize,
    },
    /// It names no connector.
    NoConnector {
        /// The file.
        path: PathBuf,
    },
    /// The module does not take it, and all that can be seen of it is right.
    Refused {
        /// The file.
        path: PathBuf,
        /// The connectors that it names.
        connectors: Vec<String>,
    },
    /// No device behind any of the connectors.
    NoDevice {
        /// The connectors.
        connectors: Vec<String>,
    },
}

/// `is_started`: whether the module took its configuration.
pub(super) fn cause(is_started: bool) -> YubiHsmCause {
    let named = std::env::var_os(VARIABLE).map(PathBuf::from);
    let here = Path::new(IN_THIS_FOLDER);
    let Some(path) = here.exists().then(|| here.to_owned()).or(named) else {
        return YubiHsmCause::NotConfigured;
    };
    match fs::read(&path) {
        Err(error) => YubiHsmCause::Unreadable { path, reason: words_of(&error) },
        Ok(text) => judge(path, &String::from_utf8_lossy(&text), is_started),
    }
}

fn judge(path: PathBuf, text: &str, is_started: bool) -> YubiHsmCause {
    let mut connectors = Vec::new();
    for (index, line) in text.lines().map(str::trim).enumerate() {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (option, value) = line.split_once(['=', ' ', '\t', ':']).unwrap_or((line, ""));
        let value =
            value.trim_matches(|character: char| character.is_whitespace() || "=\"'".contains(character));
        match (option.trim(), value) {
            ("connector", url) if has_known_scheme(url) => connectors.push(printable(url)),
            // Flags stand alone; all others have a value.
            (option, "") if !["debug", "dinout", "libdebug"].contains(&option) => {
                return YubiHsmCause::Malformed { path, line: index + 1 };
            }
            ("connector", _) => return YubiHsmCause::Malformed { path, line: index + 1 },
            (option, _) if !OPTIONS.contains(&option) && !is_started => {
                return YubiHsmCause::Malformed { path, line: index + 1 };
            }
            _ => {}
        }
    }
    match (connectors.is_empty(), is_started) {
        (true, _) => YubiHsmCause::NoConnector { path },
        (false, false) => YubiHsmCause::Refused { path, connectors },
        (false, true) => YubiHsmCause::NoDevice { connectors },
    }
}

/// The options of yubihsm_pkcs11.conf (yubihsm-shell 2.7).
const OPTIONS: [&str; 12] = [
    "cacert",
    "cert",
    "connector",
    "debug",
    "debug-file",
    "device-pubkey",
    "dinout",
    "key",
    "libdebug",
    "noproxy",
    "proxy",
    "timeout",
];

fn has_known_scheme(url: &str) -> bool {
    ["http://", "https://", "yhusb://"].iter().any(|scheme| url.starts_with(scheme))
}

impl YubiHsmCause {
    /// Whether somebody has set a YubiHSM up here.
    pub(super) fn has_evidence(&self) -> bool {
        *self != YubiHsmCause::NotConfigured
    }

    /// What a check of it is called.
    pub(super) fn topic(&self) -> &'static str {
        match self {
            YubiHsmCause::NoDevice { .. } => "connector",
            _ => "YubiHSM",
        }
    }

    /// What to do.
    pub(super) fn help(&self) -> String {
        let line = format!("connector = {USUAL_CONNECTOR}");
        match self {
            YubiHsmCause::NotConfigured => {
                format!("set {VARIABLE} to the path of a file with the line: {line}")
            }
            YubiHsmCause::Unreadable { .. } => {
                format!("set {VARIABLE} to the path of a file that this user can read, with the line: {line}")
            }
            YubiHsmCause::Malformed { .. } => format!("correct the line; one that is right: {line}"),
            YubiHsmCause::NoConnector { path } => format!("add to {} the line: {line}", path.display()),
            YubiHsmCause::Refused { connectors, .. } => format!(
                "correct the file ({VARIABLE} names another); whether the connector answers: {}",
                question(connectors)
            ),
            YubiHsmCause::NoDevice { connectors } => format!(
                "make sure that yubihsm-connector runs there (the file of {VARIABLE} says where), with a YubiHSM plugged in: {}",
                question(connectors)
            ),
        }
    }
}

/// A command that shows whether a connector and its device are there.
fn question(connectors: &[String]) -> String {
    match connectors.iter().find(|url| url.starts_with("http")) {
        Some(url) => format!("curl {}/connector/status says status=OK", url.trim_end_matches('/')),
        None => "lsusb -d 1050:0030 lists it, and this user must be able to open it".into(),
    }
}

impl fmt::Display for YubiHsmCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            YubiHsmCause::NotConfigured => write!(
                f,
                "the YubiHSM's module has no configuration: {VARIABLE} is not set, and {IN_THIS_FOLDER} is not in this folder"
            ),
            YubiHsmCause::Unreadable { path, reason } => {
                write!(f, "the configuration of the YubiHSM's module, {path:?}, cannot be read: {reason}")
            }
            YubiHsmCause::Malformed { path, line } => {
                write!(f, "line {line} of the configuration of the YubiHSM's module, {path:?}, is malformed")
            }
            YubiHsmCause::NoConnector { path } => {
                write!(f, "the configuration of the YubiHSM's module, {path:?}, names no connector")
            }
            YubiHsmCause::Refused { path, .. } => {
                write!(f, "the YubiHSM's module does not accept its configuration, {path:?}")
            }
            YubiHsmCause::NoDevice { connectors } => {
                write!(f, "no YubiHSM answers through the connector {}", connectors.join(", or "))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_that_the_module_would_refuse_is_found() {
        let judged = |text: &str, is_started| judge("c".into(), text, is_started);
        let malformed = |line| YubiHsmCause::Malformed { path: "c".into(), line };
        let one = vec!["http://127.0.0.1:12345".to_owned()];
        for (text, expected) in [
            ("", YubiHsmCause::NoConnector { path: "c".into() }),
            ("# a comment\n\ndebug\n", YubiHsmCause::NoConnector { path: "c".into() }),
            ("connector\n", malformed(1)),
            ("debug\nconnector = 127.0.0.1\n", malformed(2)),
            ("connecter = http://127.0.0.1:12345\n", malformed(1)),
            ("\nthis is not a configuration\n", malformed(2)),
            (
                "connector = \"http://127.0.0.1:12345\"\ntimeout = x\n",
                YubiHsmCause::Refused { path: "c".into(), connectors: one.clone() },
            ),
        ] {
            assert_eq!(judged(text, false), expected, "{text:?}");
        }
        // What the module took is not judged again.
        let taken = judged("connector=http://127.0.0.1:12345\nnew-option = 1\n", true);
        assert_eq!(taken, YubiHsmCause::NoDevice { connectors: one });
    }
}
