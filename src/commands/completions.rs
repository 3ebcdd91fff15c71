//! `countersign completions`: a shell completion script, generated from the clap tree.

use countersign::error::Error;

use crate::cli::{Completions, tree};
use crate::terminal::Terminal;

pub(crate) fn run(arguments: &Completions, terminal: &Terminal) -> Result<(), Error> {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut tree(), "countersign", &mut script);
    terminal.data(&script)
}
