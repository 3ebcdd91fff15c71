//! The programs and modules that the tests are made with.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use crate::support::clock;

pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The SoftHSM2 module of this system.
pub fn softhsm_module() -> &'static str {
    const PLACES: [&str; 3] = [
        "/usr/lib/softhsm/libsofthsm2.so",
        "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so",
        "/usr/lib/aarch64-linux-gnu/softhsm/libsofthsm2.so",
    ];
    PLACES
        .into_iter()
        .find(|path| Path::new(path).exists())
        .expect("SoftHSM2 is installed (apt install softhsm2)")
}

/// The test-only module that makes calls fail.
pub fn fault_module() -> PathBuf {
    static MODULE: OnceLock<PathBuf> = OnceLock::new();
    MODULE.get_or_init(|| example("fault_module").with_file_name("libfault_module.so")).clone()
}

/// A test-only program. `cargo test` builds it, but not when it is told to run one test file.
pub fn example(name: &str) -> PathBuf {
    let programs = Path::new(env!("CARGO_BIN_EXE_countersign")).parent().expect("a folder");
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["build", "--quiet", "--locked", "--example", name, "--target-dir"]);
    cargo.arg(programs.parent().expect("the target folder")).current_dir(root());
    if programs.ends_with("release") {
        cargo.arg("--release");
    }
    assert!(cargo.status().expect("cargo runs").success(), "{name} is built");
    programs.join("examples").join(name)
}

/// A program that must succeed; its stdout.
pub fn tool(program: &str, arguments: &[&OsStr]) -> Vec<u8> {
    let mut command = Command::new(program);
    clock::set(&mut command);
    let output = command.args(arguments).output().unwrap_or_else(|error| panic!("{program}: {error}"));
    assert!(output.status.success(), "{program} {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}
