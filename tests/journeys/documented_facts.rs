//! What the pages say about packages, exit codes and options, compared with the scripts and the program.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use crate::support::command_line::{commands, help_page, is_taken, shown_options};
use crate::support::documents::{Page, code};
use crate::support::parts::root;

/// The pages outside `docs/`.
const PAGES: [&str; 5] = ["README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md", "softhsm/README.md"];

/// Options that are alone in backticks and belong to another program.
const OF_OTHER_PROGRAMS: [(&str, &str); 6] = [
    ("--provider", "p11-kit server"),
    ("--signing-algorithm", "aws acm-pca"),
    ("--pid", "tpm2_ptool"),
    ("--disable-key-availability-check", "configure-pkcs11 of CloudHSM"),
    ("--change-quorum", "user change-mfa of CloudHSM CLI"),
    ("--approval", "user create of CloudHSM CLI"),
];

#[test]
fn the_readme_lists_the_packages_that_the_demo_installs() {
    let text = read("README.md");
    let (_, listed) = text.split_once("- `scripts/demo`: `").expect("a line for scripts/demo");
    assert_eq!(words(listed.split('`').next().unwrap()), packages_of("scripts/demo"));
}

/// The packages that a script installs.
fn packages_of(script: &str) -> BTreeSet<String> {
    let text = read(script).replace("\\\n", " ");
    let line = text.lines().find_map(|line| line.trim_start().strip_prefix("scripts/install-packages "));
    words(line.unwrap_or_else(|| panic!("{script} installs packages")))
}

#[test]
fn the_exit_codes_in_the_documents_and_on_the_help_page_are_those_of_the_program() {
    let source = read("src/error.rs");
    let (_, variants) = source.split_once("pub enum Exit {").expect("the exit codes");
    let variants = variants.split('}').next().unwrap().lines().filter_map(|line| line.split_once(" = "));
    let number = |text: &str| text.trim_end_matches(',').parse::<u8>().ok();
    let mut real: BTreeSet<u8> = variants.filter_map(|(_, value)| number(value)).collect();
    real.insert(0);

    let page = Page::read("docs/automation.md");
    let rows = page.rows("exit code");
    assert_eq!(rows.iter().map(|row| row[0].parse().expect("a number")).collect::<BTreeSet<u8>>(), real);
    let help = help_page(&["--help"]).replace('\n', " ");
    let (_, line) = help.split_once("Exit codes: ").expect("the exit codes");
    let codes = line.split(", ").filter_map(|code| number(code.split(' ').next()?));
    assert_eq!(codes.collect::<BTreeSet<_>>(), real);
    for name in pages() {
        for after in read(&name).split("exit code ").skip(1) {
            let digits: String = after.chars().take_while(char::is_ascii_digit).collect();
            assert!(
                digits.is_empty() || real.contains(&digits.parse().unwrap()),
                "{name}: exit code {digits}"
            );
        }
    }
}

#[test]
fn every_command_and_option_that_a_page_or_an_example_names_exists() {
    let mut uses = Uses { commands: commands(), found: BTreeMap::new(), problems: Vec::new() };
    for name in pages() {
        for part in Page::read(&name).parts() {
            part.blocks().iter().for_each(|block| uses.of_block(&name, block));
            uses.of_prose(&name, &part.prose());
        }
    }
    for command in uses.commands.clone() {
        let page = help_page(&["help", &command]);
        let examples = page.split_once("\nExample").map_or("", |(_, examples)| examples);
        // Long lines are wrapped, so a call ends where the next one begins.
        let calls = examples.split("\n  countersign ").skip(1).map(|call| call.replace(['\n', '\\'], " "));
        calls.for_each(|call| {
            uses.of_block(&format!("countersign help {command}"), &format!("$ countersign {call}"))
        });
    }
    assert!(uses.found.len() > 100, "most of the pages' options were not seen: {:?}", uses.found);

    let shown: BTreeMap<String, BTreeSet<String>> =
        uses.commands.iter().map(|command| (command.clone(), shown_options(command))).collect();
    let exists = |command: &str, option: &str| {
        shown.get(command).is_some_and(|options| options.contains(option)) || is_taken(command, option)
    };
    for ((command, option), place) in &uses.found {
        let others = || OF_OTHER_PROGRAMS.iter().any(|(other, _)| other == option);
        let is_known = match command {
            Some(command) => exists(command, option),
            None => {
                shown.values().any(|options| options.contains(option))
                    || others()
                    || uses.commands.iter().any(|command| exists(command, option))
            }
        };
        if !is_known {
            let command = command.as_deref().unwrap_or("any command");
            uses.problems.push(format!("{place}: there is no option {option} of {command}"));
        }
    }
    assert!(uses.problems.is_empty(), "{}", uses.problems.join("\n"));
}

/// The options that pages mention.
struct Uses {
    commands: Vec<String>,
    /// The command, if one is named, and the option, with a place where they are.
    found: BTreeMap<(Option<String>, String), String>,
    problems: Vec<String>,
}

impl Uses {
    /// Lines in a block of code that call the program.
    fn of_block(&mut self, place: &str, block: &str) {
        for line in block.replace("\\\n", " ").lines() {
            let (is_typed, line) = match line.strip_prefix("$ ") {
                Some(line) => (true, line),
                None => (false, line),
            };
            let words: Vec<&str> = line.split_whitespace().collect();
            let is_program = |word: &&str| word.rsplit(['/', '(']).next() == Some("countersign");
            for (at, _) in words.iter().enumerate().filter(|(_, word)| is_program(word)) {
                self.of_call(place, &words[at + 1..], is_typed);
            }
        }
    }

    /// Texts in backticks: a call of the program, a command with options, or only an option.
    fn of_prose(&mut self, place: &str, text: &str) {
        assert!(text.matches('`').count().is_multiple_of(2), "{place}: a backtick is missing in {text}");
        for code in code(text) {
            let words: Vec<&str> = code.split_whitespace().collect();
            match words.first() {
                Some(&"countersign") => self.of_call(place, &words[1..], true),
                Some(first) if first.starts_with("--") => self.add(place, None, first),
                Some(first) if self.commands.iter().any(|command| command == first) => {
                    self.of_call(place, &words, true);
                }
                _ => {}
            }
        }
    }

    /// `words` follow the program's name. If they are not typed, they may be prose about the program.
    fn of_call(&mut self, place: &str, words: &[&str], is_typed: bool) {
        let Some(&first) = words.first() else { return };
        let command = match words.get(1) {
            _ if first.starts_with('-') => String::new(),
            Some(second) if first == "audit" => format!("audit {second}"),
            _ => first.to_owned(),
        };
        let is_command = first.starts_with('-') || self.commands.iter().any(|command| command == first);
        if !is_command {
            if is_typed && first != "…" {
                self.problems.push(format!("{place}: there is no command {first}"));
            }
            return;
        }
        let ends = |word: &str| word.starts_with(['|', '>', '<', '&', ';', '#']) || word.ends_with(';');
        for word in words.iter().take_while(|word| !ends(word)) {
            let is_short =
                word.len() == 2 && word.starts_with('-') && word.as_bytes()[1].is_ascii_alphabetic();
            if is_short || word.starts_with("--") {
                self.add(place, Some(command.clone()), word);
            }
        }
    }

    fn add(&mut self, place: &str, command: Option<String>, word: &str) {
        let option = word.split('=').next().unwrap_or_default().trim_end_matches([',', '.', ':', ')', '\'']);
        self.found.entry((command, option.to_owned())).or_insert_with(|| place.to_owned());
    }
}

/// All pages, from the repository's root.
fn pages() -> Vec<String> {
    let entries = fs::read_dir(root().join("docs")).expect("a folder").flatten();
    let names = entries.map(|entry| format!("docs/{}", entry.file_name().display()));
    PAGES.map(str::to_owned).into_iter().chain(names.filter(|name| name.ends_with(".md"))).collect()
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn words(text: &str) -> BTreeSet<String> {
    text.split_whitespace().map(str::to_owned).collect()
}
