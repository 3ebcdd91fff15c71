//! The programs and modules that the tests use.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use crate::support::clock;

/// Where a system's programs are: administrators' programs are not on every user's PATH.
pub const SYSTEM_PATH: &str = "/usr/sbin:/usr/bin:/sbin:/bin";

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

/// The start of a command that runs in a mount namespace of its own, where it may mount something: as root,
/// or for a user as root of a user namespace.
pub fn where_it_may_mount() -> &'static [&'static str] {
    match rustix::process::geteuid().is_root() {
        true => &["unshare", "--mount"],
        false => &["unshare", "--mount", "--map-root-user"],
    }
}

/// A test-only program. `cargo test` builds it, except when it is told to run only one test file.
pub fn example(name: &str) -> PathBuf {
    let programs = Path::new(env!("CARGO_BIN_EXE_countersign")).parent().expect("a folder");
    let release: &[&str] = if programs.ends_with("release") { &["--release"] } else { &[] };
    build(&[&["--example", name], release].concat());
    programs.join("examples").join(name)
}

/// Has cargo build something in the target folder, and returns that folder. With COUNTERSIGN_TEST_BUILT
/// everything exists already: the system that runs the tests may have no Rust, or no permission to write
/// there.
pub fn build(what: &[&str]) -> PathBuf {
    let programs = Path::new(env!("CARGO_BIN_EXE_countersign")).parent().expect("a folder");
    let target = programs.parent().expect("the target folder");
    if std::env::var_os("COUNTERSIGN_TEST_BUILT").is_none() {
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args(["build", "--quiet", "--locked", "--target-dir"]).arg(target).args(what);
        assert!(cargo.current_dir(root()).status().expect("cargo runs").success(), "{what:?} is built");
    }
    target.to_owned()
}

/// Runs a program that must succeed; returns its stdout.
pub fn tool(program: &str, arguments: &[&OsStr]) -> Vec<u8> {
    let mut command = Command::new(program);
    clock::set(&mut command);
    let output = command.args(arguments).output().unwrap_or_else(|error| panic!("{program}: {error}"));
    assert!(output.status.success(), "{program} {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}
