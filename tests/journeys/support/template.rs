//! Things that are made once and copied: SoftHSM devices and authorities. Making one takes up to half a
//! second, and hundreds of tests need the same.

use std::cell::RefCell;
use std::collections::HashMap;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex, OnceLock};

use crate::support::clock;
use crate::support::parts::root;

/// The file of a copied device that names what it was copied from.
const ORIGIN: &str = "copied-from";

/// What is made, and with which options.
type Recipe = (&'static str, Vec<OsString>);

/// Copies a device with these options of `softhsm/provision` to a new folder.
pub fn device(folder: &Path, options: Vec<OsString>) {
    let template = template(("device", options.clone()), |folder| provision(&options, folder));
    copy_device(&template, folder);
    fs::write(folder.join(ORIGIN), template.as_os_str().as_encoded_bytes()).expect("a file is written");
}

/// Copies a device that nobody is using to a new folder.
pub fn copy_device(from: &Path, to: &Path) {
    copy(from, to);
    // These contain the name of their folder.
    let (old, new) = (from.to_str().expect("UTF-8"), to.to_str().expect("UTF-8"));
    for name in ["softhsm2.conf", "env"] {
        let text = fs::read_to_string(to.join(name)).expect("softhsm/provision wrote it");
        fs::write(to.join(name), text.replace(old, new)).expect("a file is written");
    }
}

/// Copies files that `write` creates in a folder to a new folder.
pub fn files(folder: &Path, recipe: Recipe, write: impl FnOnce(&Path)) {
    let write = |folder: &Path| {
        fs::create_dir(folder).expect("a folder is made");
        write(folder);
    };
    copy(&template(recipe, write), folder);
}

/// Restores the files in a copied device's store to their initial state, under their present names.
pub fn restore(folder: &Path) {
    let template = PathBuf::from(fs::read_to_string(folder.join(ORIGIN)).expect("a copied device"));
    for device in fs::read_dir(template.join("tokens")).expect("a folder is read") {
        let device = device.expect("a folder is read");
        let copied = folder.join("tokens").join(device.file_name());
        for file in fs::read_dir(device.path()).expect("a folder is read") {
            let file = file.expect("a folder is read");
            fs::copy(file.path(), copied.join(file.file_name())).expect("a file is copied");
        }
    }
}

/// The folder that `make` filled, now or for an earlier test. Two that one test makes from one recipe differ,
/// as two devices have different keys.
fn template(recipe: Recipe, make: impl FnOnce(&Path)) -> PathBuf {
    thread_local! {
        /// How many this test has from each recipe; a test has a thread of its own.
        static MADE: RefCell<HashMap<Recipe, usize>> = RefCell::default();
    }
    /// Each with the number in its folder's name.
    type Made = Mutex<HashMap<(Recipe, usize), (usize, Arc<OnceLock<PathBuf>>)>>;
    static TEMPLATES: OnceLock<Made> = OnceLock::new();
    let before = MADE.with_borrow_mut(|made| {
        let count = made.entry(recipe.clone()).or_default();
        *count += 1;
        *count - 1
    });
    let mut templates = TEMPLATES.get_or_init(Made::default).lock().expect("no test panics here");
    let next = templates.len();
    let (number, template) =
        templates.entry((recipe, before)).or_insert_with(|| (next, Arc::default())).clone();
    // Others may make other things in the meantime.
    drop(templates);
    let made = || {
        let folder = folder().join(number.to_string());
        make(&folder);
        folder
    };
    template.get_or_init(made).clone()
}

fn provision(options: &[OsString], folder: &Path) {
    let mut command = Command::new(root().join("softhsm/provision"));
    let output = clock::set(&mut command).args(options).arg(folder).output().expect("softhsm/provision runs");
    assert!(output.status.success(), "softhsm/provision: {}", String::from_utf8_lossy(&output.stderr));
}

/// A folder for as long as this program runs. Statics are never dropped, so each run removes the folders of
/// the last.
fn folder() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let prefix = "templates-";
        let all = Path::new(env!("CARGO_TARGET_TMPDIR"));
        for entry in fs::read_dir(all).into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let process = name.strip_prefix(prefix);
            if process.is_some_and(|process| !Path::new("/proc").join(process).exists()) {
                let _ = fs::remove_dir_all(entry.path());
            }
        }
        let folder = all.join(format!("{prefix}{}", std::process::id()));
        fs::create_dir_all(&folder).expect("a folder is made");
        folder
    })
}

/// With the permissions of files and folders.
fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).expect("a folder is made");
    for entry in fs::read_dir(from).expect("a folder is read") {
        let entry = entry.expect("a folder is read");
        let copied = to.join(entry.file_name());
        if entry.file_type().expect("a file has a type").is_dir() {
            copy(&entry.path(), &copied);
        } else {
            fs::copy(entry.path(), copied).expect("a file is copied");
        }
    }
    let rights = fs::metadata(from).expect("a folder is there").permissions();
    fs::set_permissions(to, rights).expect("rights are set");
}
