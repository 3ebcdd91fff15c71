//! The commands in a page's `console` blocks, typed in one shell on a terminal, and what they print.

use std::fs;
use std::process::Command;
use std::time::Duration;

use expectrl::{Any, Eof, Expect, Session};
use regex::Regex;
use tempfile::TempDir;

use crate::support::clock;
use crate::support::parts::{SYSTEM_PATH, root};

/// The PIN of the devices that the pages create.
const PIN: &str = "123456";
/// Marks the start and the end of each command's output.
const MARK: char = '\u{1e}';

/// A command on a page, and its output according to the page.
struct Shown {
    line: usize,
    command: String,
    output: Vec<String>,
}

/// The differences between a page and a run of it, in a shell where the pages `before` were typed already.
/// Commands that the page shows without output must succeed; their output is not compared.
pub fn differences(page: &str, before: &[&str]) -> Vec<String> {
    let folder = TempDir::with_prefix("countersign-page-").expect("a temporary folder");
    let here = format!("{}/", folder.path().display());
    let earlier: Vec<Shown> = before.iter().flat_map(|page| shown(page)).collect();
    let commands = shown(page);
    assert!(!commands.is_empty(), "{page} shows no command that is run");
    let mut script = String::new();
    for (index, shown) in earlier.iter().chain(&commands).enumerate() {
        if index == earlier.len() || index == 0 {
            script += &format!("cd {}\n", root().display());
        }
        let command = shown.command.replace("/tmp/", &here);
        script += &format!("printf '{MARK}'\n{command}\nprintf '{MARK}%s{MARK}' $?\n");
    }
    let typed = typed(&script, &folder).replace(&here, "/tmp/");
    let results: Vec<&str> = typed.split(MARK).skip(1).collect();
    let results: Vec<(&str, &str)> = results.chunks(3).map(|result| (result[0], result[1])).collect();
    assert_eq!(results.len(), earlier.len() + commands.len(), "{page}: the shell ended early: {typed}");
    for (shown, (output, code)) in earlier.iter().zip(&results) {
        assert_eq!(*code, "0", "{}: {output}", shown.command);
    }
    let results = &results[earlier.len()..];
    commands.iter().zip(results).filter_map(|(shown, result)| difference(page, shown, result)).collect()
}

fn difference(page: &str, shown: &Shown, (output, code): &(&str, &str)) -> Option<String> {
    let printed: Vec<String> = output.lines().map(|line| general(line.trim_end())).collect();
    let expected: Vec<String> = shown.output.iter().map(|line| general(line)).collect();
    let is_error = expected.iter().any(|line| line.starts_with("error: ") || line == "Verification failure");
    let same = expected.is_empty()
        || (expected.len() == printed.len()
            && expected.iter().zip(&printed).all(|(one, other)| fits(one, other)));
    (!same || (*code == "0") == is_error).then(|| {
        let (expected, printed) = (shown.output.join("\n"), output.trim_end());
        format!(
            "{page}:{}: {} shows\n{expected}\nand printed, with exit code {code},\n{printed}\n",
            shown.line, shown.command
        )
    })
}

/// `…` stands for anything.
fn fits(expected: &str, printed: &str) -> bool {
    let pattern = expected.split('…').map(regex::escape).collect::<Vec<_>>().join(".*");
    Regex::new(&format!("^{pattern}$")).expect("a pattern").is_match(printed)
}

/// A line without the parts that differ from device to device and day to day.
fn general(line: &str) -> String {
    let mut line = line.to_owned();
    for (pattern, name) in [
        (r"serial [0-9a-f]{16}\b", "serial …"),
        (r"\b[0-9a-f]{64}\b", "…"),
        (r"\b\d{4}-\d\d-\d\d([T ]\d\d:\d\d:\d\d(Z| UTC)?)?", "…"),
        (r"\b\d+ (ms|minutes?|hours?|days?|years?) (old|ago)", "…"),
        (r"\b\d+ ms\b", "…"),
        (r"/usr/lib/([a-z0-9_]+-linux-gnu/)?softhsm/libsofthsm2.so", "/usr/lib/softhsm/libsofthsm2.so"),
        // A name as openssl prints it, with blanks or without, depending on its version.
        (r"\b(C|ST|L|O|OU|CN) = ", "$1="),
        (r"[─ ]{2,}", " "),
    ] {
        line = Regex::new(pattern).expect("a pattern").replace_all(&line, name).into_owned();
    }
    line
}

/// What bash prints on a terminal where a person types the PIN when prompted.
fn typed(script: &str, folder: &TempDir) -> String {
    let file = folder.path().join("typed");
    fs::write(&file, script).expect("a file is written");
    let programs = std::path::Path::new(env!("CARGO_BIN_EXE_countersign")).parent().expect("a folder");
    let mut command = Command::new("bash");
    command.args(["--noprofile", "--norc"]).arg(&file).env_clear();
    command.env("PATH", format!("{}:{SYSTEM_PATH}", programs.display()));
    command.env("HOME", folder.path()).env("TERM", "dumb").env("NO_COLOR", "1");
    let mut terminal = Session::spawn(clock_set(command)).expect("a terminal");
    terminal.set_expect_timeout(Some(Duration::from_secs(60)));
    let mut said = String::new();
    loop {
        let found =
            terminal.expect(Any::boxed(vec![Box::new("PIN for "), Box::new(Eof)])).expect("it goes on");
        said += &String::from_utf8_lossy(found.as_bytes());
        if found.matches().next().is_none_or(|end| end != b"PIN for ") {
            // A terminal's line ends.
            return said.replace('\r', "");
        }
        let prompt = terminal.expect(": ").expect("the prompt ends");
        said += &String::from_utf8_lossy(prompt.as_bytes());
        terminal.send_line(PIN).expect("the PIN is typed");
    }
}

fn clock_set(mut command: Command) -> Command {
    clock::set(&mut command);
    command
}

/// The commands in a page's `console` blocks, except those after `<!-- not run: REASON -->`.
fn shown(page: &str) -> Vec<Shown> {
    let text = fs::read_to_string(root().join(page)).unwrap_or_else(|error| panic!("{page}: {error}"));
    let (mut found, mut in_block, mut is_run): (Vec<Shown>, bool, bool) = (Vec::new(), false, true);
    let mut goes_on = false;
    for (index, line) in text.lines().enumerate() {
        if line.starts_with("<!-- not run: ") {
            is_run = false;
        } else if line.starts_with("```") {
            if in_block {
                is_run = true;
            }
            in_block = !in_block && line == "```console";
        } else if in_block && is_run {
            let continued = goes_on;
            goes_on = false;
            match (line.strip_prefix("$ "), found.last_mut()) {
                (Some(command), _) => {
                    goes_on = command.ends_with('\\');
                    found.push(Shown { line: index + 1, command: command.to_owned(), output: Vec::new() });
                }
                (None, Some(shown)) if continued => {
                    goes_on = line.ends_with('\\');
                    shown.command += &format!("\n{line}");
                }
                (None, Some(shown)) => shown.output.push(line.to_owned()),
                (None, None) => panic!("{page}:{}: a block begins without a command", index + 1),
            }
        }
    }
    found
}
