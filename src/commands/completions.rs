//! `countersign completions`: a completion script, made from the clap tree.

use countersign::error::Error;

use super::terminal::Terminal;
use crate::cli::{Completions, tree};

pub(crate) fn run(arguments: &Completions, terminal: &Terminal) -> Result<(), Error> {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut tree(), "countersign", &mut script);
    terminal.data(&script)
}
