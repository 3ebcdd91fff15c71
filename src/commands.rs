//! The commands, one a file: each reads its arguments, calls the library, and prints.

mod approval;
mod audit;
mod completions;
mod detached;
mod doctor;
mod key;
mod list;
mod man;
mod merge;
pub(crate) mod process;
mod public_key;
mod show;
mod sign;
mod stderr;
pub(crate) mod terminal;
mod tokens;
mod usage;
mod verify;
mod watch;

use countersign::error::Error;

use crate::cli::{Cli, Command};
use key::KeyOptions;
use terminal::Terminal;

/// Runs the command that was asked for.
pub(crate) fn run(cli: Cli, terminal: &Terminal) -> Result<(), Error> {
    // The PIN is taken out of the environment first, while there is one thread.
    let options = KeyOptions::new(&cli.global)?;
    process::exit_on_signals();
    match cli.command {
        Command::Sign(arguments) => sign::run(&arguments, &options, terminal),
        Command::Verify(arguments) => verify::run(&arguments, &options, terminal),
        Command::Show(arguments) => show::run(&arguments, terminal),
        Command::Merge(arguments) => merge::run(&arguments, terminal),
        Command::Audit(arguments) => audit::run(&arguments, terminal),
        Command::List(arguments) => list::run(&arguments, &options, terminal),
        Command::Doctor(arguments) => doctor::run(&arguments, &options, terminal),
        Command::PublicKey(arguments) => public_key::run(&arguments, &options, terminal),
        Command::Completions(arguments) => completions::run(&arguments, terminal),
        Command::Man(arguments) => man::run(&arguments, terminal),
    }
}
