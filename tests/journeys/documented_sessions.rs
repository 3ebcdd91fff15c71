//! The `console` blocks of the pages: each command is typed, on a throw-away device, and must print what the
//! page shows.

use std::collections::BTreeSet;
use std::fs;

use crate::support::console::differences;
use crate::support::parts::root;

/// The page that creates the device in `/tmp/officer`, which others continue with.
const SOFTHSM: &str = "docs/try-it.md";

/// The pages that are typed, each with those that precede it.
const TYPED: [(&str, &[&str]); 9] = [
    (SOFTHSM, &[]),
    ("docs/quorum.md", &[]),
    ("docs/cmu.md", &[SOFTHSM]),
    ("docs/key-uris.md", &[SOFTHSM]),
    ("docs/audit-log.md", &[SOFTHSM]),
    ("docs/automation.md", &[SOFTHSM]),
    ("docs/file-safety.md", &[]),
    ("docs/what-is-signed.md", &[SOFTHSM]),
    ("docs/prepare-a-device.md", &[]),
];

#[track_caller]
fn shows_what_runs(page: &str) {
    let (_, before) = TYPED.iter().find(|(typed, _)| *typed == page).expect("a page that is typed");
    let differences = differences(page, before);
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

#[test]
fn the_page_about_softhsm_shows_what_runs() {
    shows_what_runs(SOFTHSM);
}

#[test]
fn the_page_about_quorums_shows_what_runs() {
    shows_what_runs("docs/quorum.md");
}

#[test]
fn the_page_about_the_older_cmu_shows_what_runs() {
    shows_what_runs("docs/cmu.md");
}

#[test]
fn the_page_about_key_uris_shows_what_runs() {
    shows_what_runs("docs/key-uris.md");
}

#[test]
fn the_page_about_the_audit_log_shows_what_runs() {
    shows_what_runs("docs/audit-log.md");
}

#[test]
fn the_page_about_automation_shows_what_runs() {
    shows_what_runs("docs/automation.md");
}

#[test]
fn the_page_about_file_safety_shows_what_runs() {
    shows_what_runs("docs/file-safety.md");
}

#[test]
fn the_page_about_what_is_signed_shows_what_runs() {
    shows_what_runs("docs/what-is-signed.md");
}

#[test]
fn the_page_about_preparing_a_device_shows_what_runs() {
    shows_what_runs("docs/prepare-a-device.md");
}

#[test]
fn a_block_that_is_not_typed_says_why() {
    let typed: BTreeSet<&str> = TYPED.iter().map(|(page, _)| *page).collect();
    let entries = fs::read_dir(root().join("docs")).expect("a folder").flatten();
    let names = entries.map(|entry| format!("docs/{}", entry.file_name().display()));
    let pages = names.filter(|name| name.ends_with(".md")).chain(["README.md".into()]);
    let mut problems = Vec::new();
    for page in pages.filter(|page| !typed.contains(page.as_str())) {
        let text = fs::read_to_string(root().join(&page)).expect("a page");
        let lines: Vec<&str> = text.lines().collect();
        for (index, _) in lines.iter().enumerate().filter(|(_, line)| **line == "```console") {
            if !lines[index.saturating_sub(1)].starts_with("<!-- not run: ") {
                problems.push(format!(
                    "{page}:{}: this block is not typed by a test, and does not say why",
                    index + 1
                ));
            }
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}
