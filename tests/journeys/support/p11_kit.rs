//! p11-kit with only a test's configuration.

use std::fs;

use crate::support::desk::Desk;
use crate::support::run::Run;

/// A run with p11-kit configured only by `modules` (file name, contents). A mount namespace puts them in
/// place of the system's configuration, because p11-kit ignores a user's configuration when root runs it.
pub fn under_p11_kit(desk: &Desk, modules: &[(&str, &str)], arguments: &[&str]) -> Run {
    let folder = desk.path("p11-kit-modules");
    fs::create_dir_all(&folder).unwrap();
    for (name, contents) in modules {
        fs::write(folder.join(name), contents).unwrap();
    }
    let script = format!("mount --bind '{}' /usr/share/p11-kit/modules && exec \"$@\"", folder.display());
    desk.countersign_after_mounting(&script, arguments).without_env("COUNTERSIGN_MODULE")
}
