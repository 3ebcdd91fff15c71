//! Kryoptic, a software device in Rust: PKCS#11 3.2, keys that require their PIN each time, and a PIN that
//! locks.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use crate::support::desk::Desk;
use crate::support::parts::build;
use crate::support::real_modules::{PIN, generate_key, initialise, pkcs11_tool};
use crate::support::run::Run;
use crate::support::token_files::UNSIGNED;

/// A desk with a Kryoptic database.
pub struct Kryoptic {
    pub desk: Desk,
    /// In the form for `env`.
    configuration: String,
}

impl Kryoptic {
    pub fn new() -> Self {
        let desk = Desk::without_device();
        let database = desk.path("token.sql");
        let slot = format!("[[slots]]\nslot = 1\ndbtype = \"sqlite\"\ndbargs = {database:?}\n");
        let file = desk.write("kryoptic.conf", slot.as_bytes());
        desk.write("pin", PIN.as_bytes());
        desk.write("wrong-pin", b"00000000");
        desk.write("tokens.json", UNSIGNED);
        let configuration = format!("KRYOPTIC_CONF={}", file.display());
        initialise(&["env", &configuration], &module(), "1");
        Kryoptic { desk, configuration }
    }

    pub fn with_key(self, id: &str, label: &str, options: &[&str]) -> Self {
        generate_key(&["env", &self.configuration], &module(), id, label, options);
        self
    }

    pub fn countersign(&self, arguments: &[&str]) -> Run {
        at(&self.desk, self.desk.countersign(arguments))
    }
}

/// A run with the device at a desk.
pub fn at(desk: &Desk, run: Run) -> Run {
    run.env("KRYOPTIC_CONF", desk.path("kryoptic.conf"))
        .env("COUNTERSIGN_MODULE", module())
        .env("COUNTERSIGN_PIN_SOURCE", "file:pin")
}

/// Changes the PIN of this configuration's device with OpenSC's tool, which restores all attempts.
pub fn change_pin(configuration: &Path, new: &str) {
    let configuration = format!("KRYOPTIC_CONF={}", configuration.display());
    let change = ["--token-label", "officer", "--login", "--pin", PIN, "--change-pin", "--new-pin", new];
    pkcs11_tool(&["env", &configuration], &module(), &change);
}

/// The module, built once.
pub fn module() -> PathBuf {
    static MODULE: OnceLock<PathBuf> = OnceLock::new();
    let module =
        || build(&["--manifest-path", "tests/kryoptic/Cargo.toml"]).join("debug/libkryoptic_module.so");
    MODULE.get_or_init(module).clone()
}
