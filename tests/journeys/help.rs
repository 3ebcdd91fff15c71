//! Help pages, completions and man pages, all generated from one tree.

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

/// The command lines of all help pages, without the help option itself.
fn pages() -> Vec<Vec<&'static str>> {
    let commands = COMMANDS.map(|command| vec![command]);
    commands.into_iter().chain([vec![], vec!["audit", "verify"]]).collect()
}

#[test]
fn every_help_page_is_as_reviewed() {
    let desk = Desk::without_device();
    let help = |arguments: &[&str], name: &str| {
        let run = desk.countersign(arguments).without_env("COUNTERSIGN_MODULE").env("COLUMNS", "80");
        pinned(name, &desk, &format!("countersign {}", arguments.join(" ")), &run.go().exits(0));
    };
    for page in pages() {
        let name = page.join("_");
        let name = if page.is_empty() { "help".to_owned() } else { format!("help_{name}") };
        help(&[&page[..], &["--help"]].concat(), &name);
        help(&[&page[..], &["-h"]].concat(), &format!("{name}_short"));
    }
}

#[test]
fn help_fits_a_terminal_of_80_columns_and_its_summary_one_screen() {
    let desk = Desk::without_device();
    let page_of = |arguments: &[&str], columns: &str| {
        let run = desk.countersign(arguments).env("COLUMNS", columns).env("COUNTERSIGN_USERNAME", "alice");
        run.go().exits(0).stdout()
    };
    for page in pages() {
        for option in ["-h", "--help"] {
            let arguments = [&page[..], &[option]].concat();
            let at_80 = page_of(&arguments, "80");
            let too_long: Vec<&str> = at_80.lines().filter(|line| line.chars().count() > 80).collect();
            assert!(too_long.is_empty(), "{arguments:?}: {too_long:#?}");
            let words = |page: &str| page.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
            assert_eq!(words(&at_80), words(&page_of(&arguments, "60")), "{arguments:?} breaks words");
            assert!(option != "-h" || at_80.lines().count() <= 41, "{arguments:?} is long:\n{at_80}");
        }
        let long = page_of(&[&page[..], &["--help"]].concat(), "80");
        assert_eq!(page_of(&[&["help"], &page[..]].concat(), "80"), long, "{page:?}");
    }
}

#[test]
fn the_command_line_s_own_errors_are_as_reviewed() {
    let desk = Desk::without_device();
    for (name, arguments) in [
        ("usage_nothing", &[][..]),
        ("usage_no_file", &["sign"]),
        ("usage_no_audit_command", &["audit"]),
        ("usage_unknown", &["sign", "--pin", "x", "f"]),
        ("usage_unknown_command", &["sing", "f"]),
        ("usage_similar", &["sign", "--public-key", "x", "f"]),
        ("usage_of_other_commands", &["show", "--dry-run", "f"]),
        ("usage_of_other_programs", &["sign", "--token-label", "officer", "f"]),
    ] {
        let run = desk.countersign(arguments).env("COUNTERSIGN_USERNAME", "alice").env("COLUMNS", "80");
        let done = run.go();
        pinned(name, &desk, &format!("countersign {}", arguments.join(" ")), &done);
        assert_eq!(done.code(), 2);
    }
}

#[test]
fn without_a_command_the_summary_of_the_help_is_printed() {
    let desk = Desk::without_device();
    for page in [&[][..], &["audit"]] {
        let summary = desk.countersign(&[page, &["-h"]].concat()).go().exits(0).stdout();
        assert_eq!(desk.countersign(page).go().exits(2).stderr().trim_end(), summary.trim_end());
    }
    let document = desk.countersign(&["--json"]).go().exits(2).json();
    assert_eq!(document["error"]["exit"], 2, "{document:#}");
}

#[test]
fn completions_are_written_for_each_shell_and_bash_reads_them() {
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
    let page = fs::read_to_string(desk.path("man/countersign-sign.1")).unwrap();
    let (_, option) = page.split_once("allow\\-exportable\\fR\n").expect("an option that -h leaves out");
    assert!(option.starts_with("Accept a key"), "{option}");
    let page = fs::read_to_string(desk.path("man/countersign.1")).unwrap();
    assert!(page.contains("PKCS#11"));
    desk.countersign(&["man", "nowhere"]).go().exits(1).says("\"nowhere\" is not a folder");
}

#[test]
fn colors_are_for_terminals_and_on_request() {
    let desk = Desk::without_device();
    assert!(!desk.countersign(&["sign", "nowhere"]).go().stderr().contains('\x1b'));
    assert!(desk.countersign(&["sign", "--color", "always", "nowhere"]).go().stderr().contains('\x1b'));
    assert!(!desk.countersign(&["sign", "--color", "never", "nowhere"]).go().stderr().contains('\x1b'));
}
