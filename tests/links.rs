//! The links of the pages: each leads to an existing file and heading, those in docs/ to other pages of docs/, and the book
//! has every page.

#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use regex::Regex;

/// The folders with pages.
const FOLDERS: [&str; 3] = [".", "docs", "softhsm"];

#[test]
fn every_link_leads_to_a_file_and_a_heading() {
    let pages = pages();
    // Includes pictures. Links to the web are not followed.
    let link = Regex::new(r#"(?:\]\(|\b(?:src|href)=")([^)"\s]+)"#).unwrap();
    let docs = root().join("docs").canonicalize().unwrap();
    let (mut broken, mut seen) = (Vec::new(), 0);
    for (path, text) in &pages {
        for found in link.captures_iter(&without_code(text)) {
            let target = &found[1];
            if target.contains("://") || target.starts_with("mailto:") {
                continue;
            }
            seen += 1;
            let (file, anchor) =
                target.split_once('#').map_or((target, None), |(file, anchor)| (file, Some(anchor)));
            let file = if file.is_empty() { path.clone() } else { path.parent().unwrap().join(file) };
            let Ok(file) = file.canonicalize() else {
                broken.push(format!("{}: no such file: {target}", path.display()));
                continue;
            };
            // The book and the packages have only the pages of docs.
            if path.starts_with(&docs) && !file.starts_with(&docs) {
                broken.push(format!("{}: not in docs: {target}", path.display()));
            }
            if let (Some(anchor), Some(text)) = (anchor, pages.get(&file))
                && !anchors(text).contains(anchor)
            {
                broken.push(format!("{}: no such heading: {target}", path.display()));
            }
        }
    }
    assert!(seen > 100, "most of the links were not seen: {seen}");
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn the_book_has_every_page() {
    let summary = root().join("docs/SUMMARY.md");
    let text = fs::read_to_string(&summary).unwrap();
    let listed: BTreeSet<&str> = text.split("](").skip(1).filter_map(|link| link.split(')').next()).collect();
    let docs = root().join("docs");
    let is_page = |path: &&PathBuf| path.parent() == Some(&docs) && **path != summary;
    let pages: Vec<PathBuf> = pages().into_keys().collect();
    let written: BTreeSet<&str> =
        pages.iter().filter(is_page).filter_map(|path| path.file_name()?.to_str()).collect();
    assert_eq!(listed, written);
}

fn pages() -> BTreeMap<PathBuf, String> {
    let folders = FOLDERS.map(|folder| root().join(folder).canonicalize().unwrap());
    let files =
        folders.iter().flat_map(|folder| fs::read_dir(folder).unwrap()).map(|entry| entry.unwrap().path());
    let pages = files.filter(|path| path.extension().is_some_and(|extension| extension == "md"));
    pages.map(|path| (path.clone(), fs::read_to_string(path).unwrap())).collect()
}

/// The text without blocks of code and code within lines.
fn without_code(text: &str) -> String {
    let text = Regex::new(r"(?ms)^ *```.*?^ *```$").unwrap().replace_all(text, "");
    Regex::new(r"`[^`]*`").unwrap().replace_all(&text, "code").into_owned()
}

/// The names of the headings, as GitHub and mdBook make them.
fn anchors(text: &str) -> BTreeSet<String> {
    let outside = Regex::new(r"(?ms)^ *```.*?^ *```$").unwrap().replace_all(text, "").into_owned();
    let mut found = BTreeSet::new();
    for heading in outside.lines().filter(|line| line.starts_with('#')) {
        let heading = heading.trim_start_matches('#').trim().to_lowercase();
        let kept = heading.chars().filter(|kept| kept.is_alphanumeric() || [' ', '-', '_'].contains(kept));
        let name: String = kept.map(|kept| if kept == ' ' { '-' } else { kept }).collect();
        let again = (1..).map(|number| format!("{name}-{number}"));
        let free = std::iter::once(name.clone()).chain(again).find(|name| !found.contains(name));
        found.extend(free);
    }
    found
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
