//! `docs/troubleshooting.md` and the errors in the source: each contains everything that the other has.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use regex::Regex;

use crate::support::parts::root;

const PAGE: &str = "docs/troubleshooting.md";

/// Stands for a placeholder.
const ANYTHING: &str = "…";

#[test]
fn every_error_has_its_entry_in_the_troubleshooting_page() {
    let entries = entries();
    let (mut missing, mut seen) = (Vec::new(), 0);
    for (file, texts) in errors() {
        seen += texts.len();
        let is_shown = |text: &String| entries.iter().any(|entry| explains(entry, text, texts.len() > 1));
        missing.extend(
            texts.iter().filter(|text| !is_shown(text)).map(|text| format!("{}: {text}", file.display())),
        );
    }
    assert!(seen > 200, "most of the errors were not seen: {seen}");
    assert!(missing.is_empty(), "{PAGE} has no entry for\n{}", missing.join("\n"));
}

/// A message with several endings has an entry for each. If a message contains a choice, each part is in an
/// entry.
fn explains(entry: &str, text: &str, is_part: bool) -> bool {
    let start = text.strip_suffix(ANYTHING).unwrap_or(text);
    if is_part {
        pattern(text).is_match(entry)
    } else {
        entry == text || start != text && entry.starts_with(start)
    }
}

#[test]
fn every_entry_of_the_troubleshooting_page_is_a_message_of_the_program() {
    let in_source = sources().into_iter().flat_map(|path| literals(&fs::read_to_string(path).unwrap()));
    let texts: BTreeSet<String> =
        in_source.map(|text| neutral(&text)).filter(|text| has_words(text)).collect();
    let patterns: Vec<Regex> =
        texts.iter().map(|text| Regex::new(&format!("^{}$", pattern(text))).unwrap()).collect();
    let parts: Vec<String> =
        errors().into_iter().filter(|(_, texts)| texts.len() > 1).flat_map(|(_, texts)| texts).collect();
    let is_said = |entry: &String| {
        patterns.iter().any(|pattern| pattern.is_match(entry))
            || parts.iter().any(|part| explains(entry, part, true))
    };
    let stale: Vec<String> = entries().into_iter().filter(|entry| !is_said(entry)).collect();
    assert!(stale.is_empty(), "{PAGE} explains what the program does not say: {stale:#?}");
}

fn pattern(text: &str) -> Regex {
    let pieces: Vec<String> = text.split(ANYTHING).map(regex::escape).collect();
    Regex::new(pieces.join(".*").trim()).unwrap()
}

/// The first column of the page's tables.
fn entries() -> BTreeSet<String> {
    let page = fs::read_to_string(root().join(PAGE)).unwrap();
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `"));
    let messages = rows.filter_map(|row| row.split(" | ").next());
    let entries: BTreeSet<String> =
        messages.map(|message| message.trim_matches('`').trim().to_owned()).collect();
    assert_eq!(
        entries.len(),
        page.lines().filter(|line| line.starts_with("| `")).count(),
        "an entry is there twice"
    );
    entries
}

/// The texts of each `#[error(…)]` in the source. `transparent`, and an error whose text a function composes,
/// have none.
fn errors() -> Vec<(PathBuf, Vec<String>)> {
    let mut found = Vec::new();
    for path in sources() {
        let source = fs::read_to_string(&path).unwrap();
        for after in source.split("#[error(").skip(1) {
            let texts = literals(until_closed(after))
                .iter()
                .map(|literal| neutral(literal))
                .filter(|text| has_words(text))
                .collect();
            found.push((path.strip_prefix(root()).unwrap().to_owned(), texts));
        }
    }
    found
}

/// The text up to the parenthesis that closes one opened before it.
fn until_closed(text: &str) -> &str {
    let (mut depth, mut in_literal, mut is_escaped) = (1, false, false);
    for (at, character) in text.char_indices() {
        match character {
            _ if is_escaped => is_escaped = false,
            '\\' if in_literal => is_escaped = true,
            '"' => in_literal = !in_literal,
            '(' if !in_literal => depth += 1,
            ')' if !in_literal => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return &text[..at];
        }
    }
    panic!("an attribute has no end: {text}");
}

/// The string literals of a source text, as they are written.
fn literals(source: &str) -> Vec<String> {
    let source = source.replace("'\"'", "");
    let (mut found, mut literal, mut is_escaped) = (Vec::new(), None::<String>, false);
    for character in source.chars() {
        match literal.take() {
            None if character == '"' => literal = Some(String::new()),
            None => {}
            Some(text) if character == '"' && !is_escaped => found.push(text),
            Some(text) => literal = Some(text + character.encode_utf8(&mut [0; 4])),
        }
        is_escaped = character == '\\' && !is_escaped && literal.is_some();
    }
    found
}

/// With one sign for each placeholder, or for several side by side.
fn neutral(literal: &str) -> String {
    let text = literal.replace("{{", "\u{1}").replace("}}", "\u{2}");
    let mut pieces = text.split('{');
    let mut neutral = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        neutral.push_str(ANYTHING);
        neutral.push_str(piece.split_once('}').map_or("", |(_, rest)| rest));
    }
    let neutral =
        neutral.replace("\\\"", "\"").replace("\\\n", "").replace('\u{1}', "{").replace('\u{2}', "}");
    let neutral = neutral.split_whitespace().collect::<Vec<_>>().join(" ");
    neutral.replace("… …", ANYTHING)
}

/// Whether it has at least two words: shorter literals join parts.
fn has_words(text: &str) -> bool {
    let is_word = |word: &&str| word.chars().filter(|character| character.is_alphabetic()).count() > 1;
    text.split(|character: char| !character.is_alphabetic()).filter(is_word).count() > 1
}

fn sources() -> Vec<PathBuf> {
    fn below(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                below(&path, found);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }
    let mut found = Vec::new();
    below(&root().join("src"), &mut found);
    found.sort();
    found
}
