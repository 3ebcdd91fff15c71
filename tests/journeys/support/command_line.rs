//! The program's command line, as its help pages show it and as it is accepted.

use std::collections::BTreeSet;

use crate::support::desk::Desk;

/// The commands, in the order of the help page.
pub fn commands() -> Vec<String> {
    let page = help_page(&["--help"]);
    let indented = page.lines().filter_map(|line| line.strip_prefix("  "));
    let entries = indented.filter(|line| line.starts_with(|first: char| first.is_ascii_lowercase()));
    entries.filter_map(|line| line.split(' ').next()).map(str::to_owned).collect()
}

/// An option on a help page.
#[derive(Debug)]
pub struct Opt {
    /// With its dashes.
    pub name: String,
    pub default: Option<String>,
}

/// Headings of options that all commands have.
const SHARED: [&str; 2] = ["Device and PIN:", "General:"];

/// The options that a command does not share with all others.
pub fn own_options(command: &str) -> Vec<Opt> {
    let page = help_page(&["help", command]);
    let mut options: Vec<Opt> = Vec::new();
    let mut is_own = false;
    for line in page.lines().take_while(|line| !line.starts_with("Example")) {
        if line.ends_with(':') && !line.starts_with(' ') {
            is_own = !SHARED.contains(&line);
        }
        let line = line.trim();
        if !is_own {
            continue;
        } else if let Some(name) =
            line.starts_with('-').then(|| long_options(line).into_iter().next()).flatten()
        {
            options.push(Opt { name, default: None });
        } else if let (Some(default), Some(option)) = (line.strip_prefix("[default: "), options.last_mut()) {
            option.default = Some(default.trim_end_matches(']').to_owned());
        }
    }
    options
}

/// All options on the help page of a command, including other names of an option.
pub fn shown_options(command: &str) -> BTreeSet<String> {
    let page = help_page(&["help", command]);
    let named = |line: &&str| line.starts_with('-') || line.starts_with("[alias");
    let lines = page.lines().take_while(|line| !line.starts_with("Example")).map(str::trim).filter(named);
    lines.flat_map(long_options).collect()
}

/// Whether the program accepts an option of a command, even one that no help page shows. Nothing is done: the
/// line asks for help, and fails if something is wrong with it.
pub fn is_taken(command: &str, option: &str) -> bool {
    let line: Vec<&str> = command.split_whitespace().chain([option, "--help"]).collect();
    let said = Desk::without_device().countersign(&line).go().stderr();
    !["unexpected argument", "unrecognized subcommand"].iter().any(|refused| said.contains(refused))
}

pub fn help_page(arguments: &[&str]) -> String {
    Desk::without_device().countersign(arguments).go().exits(0).stdout()
}

fn long_options(text: &str) -> Vec<String> {
    let is_part_of_a_name = |character: char| character.is_ascii_alphanumeric() || character == '-';
    let words = text.split(|character| !is_part_of_a_name(character));
    words.filter(|word| word.len() > 2 && word.starts_with("--")).map(str::to_owned).collect()
}
