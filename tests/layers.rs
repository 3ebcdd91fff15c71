//! The layers of src, found in the `use` lines of its files: a file imports only from layers below its own,
//! and no files import each other in a circle.

// A test that cannot continue panics.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// From the top down, in the order of CONTRIBUTING.md: modules of src, each with everything below its folder.
/// If several match a file, the longest counts. Modules on one line must not import each other.
const LAYERS: &[&[&str]] = &[
    &["main"],
    &["commands"],
    &["terminal"],
    &["cli"],
    &["lifecycle"],
    &["serving"],
    &["credentials", "signing"],
    &["rolesanywhere"],
    &["device::provision", "device::inventory"],
    &["device"],
    &["certificate_file"],
    &["audit", "certificate", "pin", "tokenfile"],
    &["save", "signature"],
    &["duration", "environment", "pem", "printable"],
    &["platform", "uri"],
    &["error"],
];

#[test]
fn a_file_imports_only_from_layers_below_its_own() {
    let imports = imports();
    let edges = imports.iter().flat_map(|(file, imported)| imported.iter().map(move |other| (file, other)));
    let upward = edges.filter(|(file, other)| {
        let ((layer, name), (other_layer, other_name)) = (place(file), place(other));
        layer > other_layer || (layer == other_layer && name != other_name)
    });
    let upward: Vec<String> = upward.map(|(file, other)| format!("{file} imports {other}")).collect();
    assert!(upward.is_empty(), "{upward:#?}");
}

#[test]
fn only_one_folder_knows_which_operating_system_this_is() {
    let words = ["std::os::", "rustix::", "nix::", "libc::", "signal_hook::", "os::unix", "os::windows"];
    let conditions = ["cfg(unix", "cfg(windows", "target_os", "target_family"];
    let mut found = Vec::new();
    for (name, text) in files(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src")), "") {
        let is_platform = name == "platform" || name.starts_with("platform::");
        let lines = text.lines().filter(|line| !line.trim_start().starts_with("//"));
        for line in lines.filter(|_| !is_platform) {
            if words.iter().chain(&conditions).any(|word| line.contains(word)) {
                found.push(format!("{name}: {}", line.trim()));
            }
        }
    }
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn no_files_import_each_other_in_a_circle() {
    let mut left = imports();
    // A file that imports none of the remaining ones is in no circle.
    while let Some(free) = left.iter().find(|(_, imported)| imported.is_empty()).map(|(file, _)| file.clone())
    {
        left.remove(&free);
        left.values_mut().for_each(|imported| _ = imported.remove(&free));
    }
    // Nor is one that none of the remaining ones import.
    loop {
        let imported: BTreeSet<String> = left.values().flatten().cloned().collect();
        let before = left.len();
        left.retain(|file, _| imported.contains(file));
        if left.len() == before {
            break;
        }
    }
    assert!(left.is_empty(), "{left:#?}");
}

#[test]
fn the_table_in_contributing_has_the_same_order() {
    let page = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/CONTRIBUTING.md")).expect("a page");
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `src/")?.split(['.', '/', '`']).next());
    let rows: Vec<&str> = rows.collect();
    assert!(rows.is_sorted_by_key(|name| place(name).0), "{rows:?}");
    let listed = LAYERS.iter().flat_map(|names| names.iter()).filter(|name| !name.contains("::"));
    let missing: Vec<_> = listed.filter(|name| !rows.contains(name)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn the_drawing_on_the_librarys_front_page_has_the_same_layers() {
    let page = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/src/lib.rs")).expect("a page");
    let drawing = page.split("//! ```text\n").nth(1).and_then(|rest| rest.split("//! ```").next());
    let drawn: Vec<&str> = drawing.expect("a drawing").lines().map(|line| &line["//!   ".len()..]).collect();
    let is_of_library = |name: &&str| page.contains(&format!("mod {};", name.split("::").next().unwrap()));
    let of_library = LAYERS.iter().filter(|names| names.iter().all(is_of_library));
    let layers: Vec<String> = of_library.map(|names| names.join("   ")).collect();
    assert_eq!(drawn.len(), layers.len(), "{drawn:#?}");
    for (line, names) in drawn.iter().zip(&layers) {
        assert!(line.starts_with(&format!("{names}  ")), "{line:?} does not begin with {names:?}");
    }
}

/// The layer of a file, and the entry that put it there.
fn place(file: &str) -> (usize, &'static str) {
    let named =
        LAYERS.iter().enumerate().flat_map(|(layer, names)| names.iter().map(move |name| (layer, *name)));
    let fits = named.filter(|(_, name)| file == *name || file.starts_with(&format!("{name}::")));
    fits.max_by_key(|(_, name)| name.len()).unwrap_or_else(|| panic!("{file} is in no layer"))
}

/// For each file of src, the files from which it imports, as module paths: `device::session`.
fn imports() -> BTreeMap<String, BTreeSet<String>> {
    let files = files(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src")), "");
    let imported = |file: &String, text: &str| {
        let paths = uses(text).into_iter().filter(|(is_public, _)| !is_public);
        let targets = paths.filter_map(|(_, path)| resolve(&absolute(&path, file), &files));
        targets.filter(|target| target != file).collect()
    };
    files.iter().map(|(file, text)| (file.clone(), imported(file, text))).collect()
}

/// Sources by module path, without their tests, which see everything that they test.
fn files(folder: &Path, prefix: &str) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder).expect("a folder of sources") {
        let path = entry.expect("a folder of sources").path();
        let name = format!("{prefix}{}", path.file_stem().expect("a name").to_string_lossy());
        let is_of_tests = name.ends_with("tests");
        if is_of_tests || name == "lib" {
            continue;
        }
        if path.is_dir() {
            found.extend(files(&path, &format!("{name}::")));
        } else {
            let source = fs::read_to_string(&path).expect("a source");
            found.insert(name, source.split("#[cfg(test)]").next().unwrap_or_default().to_owned());
        }
    }
    found
}

/// The `use` declarations of a source, one for each name, and whether they are re-exports.
fn uses(text: &str) -> Vec<(bool, String)> {
    let code: String =
        text.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n");
    let mut found = Vec::new();
    for declaration in code.split_inclusive(';') {
        let declaration = declaration.trim_end_matches(';');
        let Some(start) = declaration.rfind("use ").filter(|_| !declaration.contains('"')) else { continue };
        let before = declaration[..start].lines().next_back().unwrap_or_default().trim();
        // `enum Cause {` ends in the same way.
        let is_visibility = before.starts_with("pub") && (before.ends_with("pub") || before.ends_with(')'));
        if before.is_empty() || is_visibility {
            let tree: String = declaration[start + 4..].split_whitespace().collect::<Vec<_>>().join(" ");
            found.extend(expand(&tree).into_iter().map(|path| (before.starts_with("pub"), path)));
        }
    }
    found
}

/// Turns `a::{b, c::{d}}` into `a::b` and `a::c::d`.
fn expand(tree: &str) -> Vec<String> {
    let Some((head, rest)) = tree.split_once('{') else {
        return vec![tree.split(" as ").next().unwrap_or_default().trim().to_owned()];
    };
    let inner = rest.trim_end().strip_suffix('}').expect("balanced braces");
    let (mut parts, mut depth) = (vec![String::new()], 0);
    for character in inner.chars() {
        depth += i32::from(character == '{') - i32::from(character == '}');
        match character {
            ',' if depth == 0 => parts.push(String::new()),
            _ => parts.last_mut().expect("never empty").push(character),
        }
    }
    let paths = parts.iter().map(|part| part.trim()).filter(|part| !part.is_empty()).flat_map(expand);
    paths.map(|path| format!("{head}{path}").replace("::self", "")).collect()
}

/// The path from the root of src.
fn absolute(path: &str, file: &str) -> String {
    let mut parts: Vec<&str> = path.split("::").collect();
    let mut base: Vec<&str> = file.split("::").filter(|part| *part != "main").collect();
    match parts[0] {
        "crate" | "countersign" => {
            base.clear();
            parts.remove(0);
        }
        "self" => _ = parts.remove(0),
        "super" => {
            while parts.first() == Some(&"super") {
                base.pop();
                parts.remove(0);
            }
        }
        _ => {}
    }
    base.extend(parts);
    base.join("::")
}

/// The file that defines the item at a path; none for another crate's.
fn resolve(path: &str, files: &BTreeMap<String, String>) -> Option<String> {
    if files.contains_key(path) {
        return Some(path.to_owned());
    }
    let (parent, name) = path.rsplit_once("::")?;
    let file = resolve(parent, files)?;
    if file != parent {
        return Some(file);
    }
    // If its folder's file only re-exports it, it belongs to the other file.
    let passed_on = uses(&files[parent]).into_iter().filter(|(is_public, _)| *is_public);
    let mut origins = passed_on.map(|(_, origin)| absolute(&origin, parent));
    let origin = origins.find(|origin| origin.rsplit("::").next() == Some(name) && origin != path);
    origin.map_or(Some(file), |origin| resolve(&origin, files))
}
