//! Help pages, completions and man pages, all from one tree.

use std::fs;

use crate::support::desk::Desk;
use crate::support::parts::tool;
use crate::support::pinned::pinned;

const COMMANDS: [&str; 20] = [
    "sign",
    "verify",
    "show",
    "merge",
    "audit",
    "list",
    "doctor",
    "public-key",
    "certificate",
    "keygen",
    "csr",
    "import-certificate",
    "attest",
    "credential-process",
    "update",
    "serve",
    "sign-string",
    "read-certificate-data",
    "completions",
    "man",
];

#[test]
fn every_help_page_is_as_reviewed() {
    let desk = Desk::without_device();
    let help = |arguments: &[&str], name: &str| {
        let run = desk.countersign(arguments).without_env("COUNTERSIGN_MODULE").env("COLUMNS", "100");
        pinned(name, &desk, &format!("countersign {}", arguments.join(" ")), &run.go().exits(0));
    };
    help(&["--help"], "help");
    help(&["-h"], "help_short");
    for command in COMMANDS {
        help(&["help", command], &format!("help_{command}"));
    }
}

#[test]
fn the_command_line_s_own_errors_are_as_reviewed() {
    let desk = Desk::without_device();
    for (name, arguments) in [
        ("usage_nothing", &[][..]),
        ("usage_no_file", &["sign"]),
        ("usage_unknown", &["sign", "--pin", "x", "f"]),
    ] {
        let done = desk.countersign(arguments).go();
        pinned(name, &desk, &format!("countersign {}", arguments.join(" ")), &done);
        assert_eq!(done.code(), 2);
    }
}

#[test]
fn completions_are_made_for_each_shell_and_bash_reads_them() {
    let desk = Desk::without_device();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = desk.countersign(&["completions", shell]).go().exits(0).stdout();
        assert!(script.contains("public-key"), "{shell}");
    }
    let script = desk.countersign(&["completions", "bash"]).go().stdout();
    desk.write("completions.bash", script.as_bytes());
    tool("bash", &["-n".as_ref(), desk.path("completions.bash").as_ref()]);
}

#[test]
fn man_pages_are_written_for_each_command() {
    let desk = Desk::without_device();
    fs::create_dir(desk.path("man")).unwrap();
    desk.countersign(&["man", "man"]).go().exits(0);
    for command in COMMANDS {
        let page = fs::read_to_string(desk.path(&format!("man/countersign-{command}.1"))).unwrap();
        assert!(page.contains(".SH OPTIONS") || page.contains(".SH SYNOPSIS"), "{command}");
    }
    let page = fs::read_to_string(desk.path("man/countersign.1")).unwrap();
    assert!(page.contains("PKCS#11"));
    desk.countersign(&["man", "nowhere"]).go().exits(1).says("\"nowhere\" is no folder");
}

#[test]
fn colours_are_for_terminals_and_for_whoever_asks() {
    let desk = Desk::without_device();
    assert!(!desk.countersign(&["sign", "nowhere"]).go().stderr().contains('\x1b'));
    assert!(desk.countersign(&["sign", "--color", "always", "nowhere"]).go().stderr().contains('\x1b'));
    assert!(!desk.countersign(&["sign", "--color", "never", "nowhere"]).go().stderr().contains('\x1b'));
}
