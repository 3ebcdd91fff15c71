//! The units of `packaging/systemd`, judged by systemd itself. Their effect can only be seen where systemd
//! runs.

use std::fs;
use std::process::Command;

use crate::support::desk::Desk;
use crate::support::parts::{root, where_it_may_mount};

const UNITS: [&str; 2] = ["countersign-serve.service", "countersign-update.service"];

/// systemd's own score of what a service could do to the system, in tenths; 96 without any hardening.
const MOST_EXPOSED: &str = "18";

fn text_of(unit: &str) -> String {
    fs::read_to_string(root().join("packaging/systemd").join(unit)).expect("a unit is read")
}

/// The words of ExecStart= after the program, with systemd's specifiers filled in.
fn arguments(desk: &Desk, unit: &str) -> Vec<String> {
    let text = text_of(unit).replace("\\\n", " ");
    let line = text.lines().find_map(|line| line.strip_prefix("ExecStart=")).expect("ExecStart=");
    let folder = desk.folder().to_str().unwrap();
    let words = line.split_whitespace().skip(1);
    words.map(|word| word.replace("%d", folder).replace("%S", folder).replace("%%", "%")).collect()
}

#[test]
fn systemd_finds_no_fault_in_the_units_and_little_exposure() {
    let desk = Desk::without_device();
    for unit in UNITS {
        // systemd requires the program to exist.
        let text = text_of(unit).replace("/usr/local/bin/countersign", env!("CARGO_BIN_EXE_countersign"));
        let path = desk.write(unit, text.as_bytes());
        for how in [&["verify", "--man=no"][..], &["security", "--offline=yes", "--threshold", MOST_EXPOSED]]
        {
            // It creates a folder below /run where systemd does not run.
            let mut analyze = Command::new("env");
            analyze.args(where_it_may_mount());
            analyze.args(["sh", "-c", "mount -t tmpfs none /run && exec systemd-analyze \"$@\"", "sh"]);
            let output = analyze.args(how).arg(&path).output().expect("env runs");
            let said = [output.stdout, output.stderr].concat();
            assert!(output.status.success(), "{how:?}: {}", String::from_utf8_lossy(&said));
            assert!(how[0] != "verify" || said.is_empty(), "{}", String::from_utf8_lossy(&said));
        }
    }
}

#[test]
fn the_units_give_options_that_the_program_knows_and_a_pin_file_as_systemd_makes_it() {
    let desk = Desk::without_device();
    for (unit, code) in UNITS.into_iter().zip([1, 3]) {
        let arguments = arguments(&desk, unit);
        assert!(arguments.contains(&format!("file:{}/pin", desk.folder().display())), "{arguments:?}");
        let done = desk.countersign(&arguments).env("COUNTERSIGN_MODULE", "/nowhere.so").go().exits(code);
        assert!(!done.stderr().contains("--help"), "{}", done.stderr());
    }
}

#[test]
fn the_example_of_a_configuration_is_one_that_serve_reads() {
    let desk = Desk::without_device();
    let example = root().join("packaging/serve.toml");
    let arguments = ["serve", "--config", example.to_str().unwrap(), "--port", "0"];
    // It continues to the device, which is missing.
    let done = desk.countersign(&arguments).env("COUNTERSIGN_MODULE", "/nowhere.so").go().exits(3);
    assert!(done.stderr().contains("/nowhere.so"), "{}", done.stderr());
}

#[test]
fn every_setting_of_the_units_has_its_reason() {
    for unit in UNITS {
        let service = text_of(unit)
            .split_once("[Service]\n")
            .unwrap()
            .1
            .split_once("\n[Install]")
            .unwrap()
            .0
            .to_owned();
        for block in service.split("\n\n") {
            assert!(block.lines().any(|line| line.starts_with("# ")), "{unit}: {block}");
        }
    }
}
