//! Texts that people read are pinned in `tests/pinned/`, one file for each case, to be reviewed like code.
//! After an intended change, `SNAPSHOTS=overwrite cargo test` rewrites them.

use regex::Regex;
use snapbox::Data;

use crate::support::desk::Desk;
use crate::support::parts::{fault_module, root, softhsm_module};
use crate::support::run::Done;

/// Compares everything that a run printed with the pinned file of that name. What differs from run to run
/// (the folder, a device's serial) is replaced by a word.
#[track_caller]
pub fn pinned(name: &str, desk: &Desk, command: &str, done: &Done) {
    let mut text = format!("$ {command}\n");
    for (stream, said) in [("stdout", done.stdout()), ("stderr", done.stderr())] {
        if !said.is_empty() {
            text.push_str(&format!("--- {stream}\n{}", neutral(&said, desk)));
        }
    }
    text.push_str(&format!("--- exit {}\n", done.code()));
    let expected = Data::read_from(&root().join("tests/pinned").join(format!("{name}.txt")), None).raw();
    snapbox::Assert::new().action_env("SNAPSHOTS").eq(text, expected);
}

fn neutral(text: &str, desk: &Desk) -> String {
    let text = text
        .replace(&desk.folder().display().to_string(), "DESK")
        .replace(softhsm_module(), "SOFTHSM")
        .replace(&fault_module().display().to_string(), "FAULTS");
    let text = hide_ages(&text);
    // doctor's two lines about a computer with swap space.
    let text = Regex::new(r"(?m)^warning +swap .*\n.*\n").expect("a pattern").replace_all(&text, "");
    hide_after(&hide_after(&hide_after(&text, "serial "), "serial="), "\"serial\": \"")
}

/// Replaces the hexadecimal number behind each `marker`.
fn hide_after(text: &str, marker: &str) -> String {
    let mut output = String::new();
    let mut rest = text;
    while let Some(found) = rest.find(marker) {
        let (before, after) = rest.split_at(found + marker.len());
        let digits = after.chars().take_while(char::is_ascii_hexdigit).count();
        output.push_str(before);
        output.push_str(if digits == 16 { "SERIAL" } else { &after[..digits] });
        rest = &after[digits..];
    }
    output + rest
}

/// AWS's sample is from 2023 and gets older: `1380 days old`.
fn hide_ages(text: &str) -> String {
    let (mut output, mut words) = (String::new(), text.split_inclusive(' ').peekable());
    while let Some(word) = words.next() {
        let is_old = word.trim().parse::<u32>().is_ok_and(|days| days > 1000);
        output.push_str(if is_old && words.peek() == Some(&"days ") { "MANY " } else { word });
    }
    output
}
