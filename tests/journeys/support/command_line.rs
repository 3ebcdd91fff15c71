//! The program's command line, as its help pages show it.

use crate::support::desk::Desk;

/// The commands, in the order of the help page.
pub fn commands() -> Vec<String> {
    let page = help_page(&["--help"]);
    let indented = page.lines().filter_map(|line| line.strip_prefix("  "));
    let entries = indented.filter(|line| line.starts_with(|first: char| first.is_ascii_lowercase()));
    entries.filter_map(|line| line.split(' ').next()).map(str::to_owned).collect()
}

fn help_page(arguments: &[&str]) -> String {
    Desk::without_device().countersign(arguments).go().exits(0).stdout()
}
