//! The program with a SoftHSM device behind the module that makes calls fail.

use std::path::Path;

use crate::support::desk::{Desk, SIGNKEY};
use crate::support::parts::{fault_module, softhsm_module};
use crate::support::run::Run;
use crate::support::server::Server;
use crate::support::token_files::UNSIGNED;

/// A run with faults, in the notation of tests/fault_module/lib.rs, and the log of its calls in `calls`.
pub fn faulty(server: &Server, run: Run, faults: &str) -> Run {
    behind_faults(run, &server.desk, faults)
}

/// A run on SoftHSM behind the fault module, with the log of its calls in `calls`.
pub fn behind_faults(run: Run, desk: &Desk, faults: &str) -> Run {
    variables(faults)
        .into_iter()
        .fold(run, |run, (name, value)| run.env(name, value))
        .env("FAULT_LOG", desk.path("calls"))
}

impl Run {
    /// [`behind_faults`] in a chain.
    pub fn behind_faults(self, desk: &Desk, faults: &str) -> Self {
        behind_faults(self, desk, faults)
    }
}

/// The same with another module.
pub fn behind_faults_of(module: &Path, run: Run, desk: &Desk, faults: &str) -> Run {
    behind_faults(run, desk, faults).env("FAULT_MODULE", module)
}

/// The variables that put the fault module in front of SoftHSM.
pub fn variables(faults: &str) -> [(&'static str, String); 3] {
    [
        ("COUNTERSIGN_MODULE", fault_module().display().to_string()),
        ("FAULT_MODULE", softhsm_module().to_owned()),
        ("FAULTS", faults.to_owned()),
    ]
}

pub const SIGN: [&str; 4] = ["sign", "--key", SIGNKEY, "tokens.json"];

pub const COMMAND: &str = "countersign sign --key 'pkcs11:token=officer;id=%01;type=private' tokens.json";

/// A run with faults, in the notation of tests/fault_module/lib.rs. tokens.json is AWS's sample, unsigned.
pub fn with_faults(desk: &Desk, arguments: &[&str], faults: &str) -> Run {
    desk.write("tokens.json", UNSIGNED);
    let _ = std::fs::remove_file(desk.path("calls"));
    behind_faults(desk.countersign(arguments).with_pin(), desk, faults)
}

/// How often a call was made in the last run with faults.
pub fn calls(desk: &Desk, call: &str) -> usize {
    let log = String::from_utf8(desk.read("calls")).unwrap();
    log.lines().filter(|line| line.split(' ').next() == Some(call)).count()
}

/// Asserts that the run left the file alone, and never made two calls at once.
#[track_caller]
pub fn untouched(desk: &Desk) {
    assert_eq!(desk.read("tokens.json"), UNSIGNED, "the file was changed");
    assert_eq!(calls(desk, "CONCURRENT"), 0, "two calls at once");
}
