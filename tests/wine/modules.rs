//! Which modules are used.

use std::fs;
use std::path::PathBuf;

use crate::desk::{Desk, Done, MODULE, built};

/// Where the Yubico PIV Tool puts its module.
const PLACE: &str = "drive_c/Program Files/Yubico/Yubico PIV Tool/bin/libykcs11.dll";

#[test]
fn modules_are_found_where_vendors_put_them() {
    let desk = Desk::new();
    let prefix = std::env::var_os("WINEPREFIX").expect("WINEPREFIX names Wine's folder");
    let module = PathBuf::from(prefix).join(PLACE);
    let _ = fs::remove_file(&module);
    Done::of(desk.countersign(&["list"]))
        .exits(3)
        .says("none is where the vendors of devices put theirs")
        .says(r"there is no C:\Program Files\Yubico\Yubico PIV Tool\bin\libykcs11.dll");
    fs::create_dir_all(module.parent().unwrap()).unwrap();
    fs::copy(built(MODULE), &module).unwrap();
    let done = Done::of(desk.countersign(&["list"]));
    fs::remove_file(&module).unwrap();
    let done = done.exits(0);
    assert!(done.stdout.contains("Key File"), "{}", done.stdout);
}

#[test]
fn what_is_not_a_module_is_told_as_such() {
    let desk = Desk::new();
    desk.write("text.dll", b"some text\n");
    fs::copy("/bin/true", desk.path("linux.dll")).unwrap();
    for (file, says) in [
        ("text.dll", "it is not a library but a text file"),
        ("linux.dll", "it is a library for Linux (ELF), and this program is for Windows (PE)"),
        ("missing.dll", "a file that ends in .dll"),
    ] {
        let path = desk.windows_path(file);
        Done::of(desk.countersign(&["list", "--module", &path])).exits(3).says(says);
    }
}

#[test]
fn what_a_module_prints_is_not_in_the_data() {
    let desk = Desk::new();
    fs::copy(built("chatty.dll"), desk.path("chatty.dll")).unwrap();
    let done = Done::of(desk.countersign(&["list", "--json", "--module", "chatty.dll"])).exits(3);
    let document: serde_json::Value = serde_json::from_str(&done.stdout).expect("JSON and nothing else");
    assert!(document.to_string().contains("C_GetFunctionList"), "{document}");
}
