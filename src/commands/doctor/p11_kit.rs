//! p11-kit's configuration, as far as it hides a module from this program.

use std::path::{Path, PathBuf};

use countersign::error::Error;
use countersign::platform::{p11_kit_folders, user};

use super::report::Report;

/// The program's name in the sense of pkcs11.conf(5): libp11-kit is told this name.
const PROGRAM: &str = "countersign";

/// Looks for modules that are configured, but not for this program.
pub(super) fn check(report: &mut Report<'_>) -> Result<(), Error> {
    let folders = folders();
    if folders.is_empty() {
        return Ok(());
    }
    let mut kept_away = 0;
    for file in folders.iter().flat_map(|folder| module_files(folder)) {
        let Ok(text) = std::fs::read_to_string(&file) else { continue };
        let names = |option: &str| value_of(&text, option).map(|value| list_has(value, PROGRAM));
        let reason = match (names("disable-in"), names("enable-in")) {
            (Some(true), _) => "disable-in",
            (_, Some(false)) => "enable-in",
            _ => continue,
        };
        kept_away += 1;
        report.warning(
            "p11-kit",
            format!("{} keeps its module from {PROGRAM} ({reason})", file.display()),
            Some("if that is not intended, change the line; or name the module with --module PATH"),
        )?;
    }
    if kept_away == 0 {
        report.ok("p11-kit", "no module is kept from countersign (disable-in, enable-in)")?;
    }
    Ok(())
}

/// Where modules are configured: by packages, by the administrator, and by the user (p11-kit ignores the last
/// for root). None where there is no p11-kit.
fn folders() -> Vec<PathBuf> {
    let mut folders = p11_kit_folders();
    if !folders.is_empty() && !user::is_root() {
        let home = std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".config"));
        let config = std::env::var_os("XDG_CONFIG_HOME").map(PathBuf::from).or(home);
        folders.extend(config.map(|config| config.join("pkcs11/modules")));
    }
    folders
}

fn module_files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut files: Vec<PathBuf> = entries
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "module"))
        .collect();
    files.sort();
    files
}

/// The value of `name: value`.
fn value_of<'a>(text: &'a str, option: &str) -> Option<&'a str> {
    text.lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.trim() == option)
        .map(|(_, value)| value)
}

/// Names are separated by commas or blanks.
fn list_has(value: &str, name: &str) -> bool {
    value.split([',', ' ', '\t']).any(|entry| entry == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_read_as_p11_kit_writes_them() {
        let text = "# a comment\nmodule: /usr/lib/x.so\ndisable-in: firefox, countersign\n";
        let names = |text, option| value_of(text, option).map(|value| list_has(value, PROGRAM));
        assert_eq!(names(text, "disable-in"), Some(true));
        assert_eq!(names(text, "enable-in"), None);
        assert_eq!(names("enable-in: firefox", "enable-in"), Some(false));
        assert_eq!(names("disable-in: countersign-other", "disable-in"), Some(false));
    }
}
