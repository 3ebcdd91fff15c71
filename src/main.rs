//! The command line: parse, run, print the error, exit with its code.

mod cli;
mod commands;
mod lifecycle;
mod terminal;

use std::process::ExitCode;

use clap::FromArgMatches;
use countersign::environment;

use cli::{Cli, compatible};
use lifecycle::LIFECYCLE;
use terminal::Terminal;

fn main() -> ExitCode {
    LIFECYCLE.harden();
    cli::variables().iter().for_each(environment::forget_if_empty);
    environment::quieten_modules();
    let mut tree = cli::tree();
    tree.build();
    let given = compatible::read(&tree, std::env::args_os());
    given.overruled.iter().for_each(environment::forget);
    let cli = match cli::tree()
        .try_get_matches_from(given.arguments)
        .and_then(|matches| Cli::from_arg_matches(&matches))
    {
        Ok(cli) => cli,
        Err(error) => return Terminal::command_line_error(&error),
    };
    let terminal = Terminal::new(&cli.global, cli.command.wants_debug());
    let exit = match commands::run(cli, &terminal) {
        Ok(()) => 0,
        Err(error) => {
            terminal.error(&error);
            error.exit() as u8
        }
    };
    LIFECYCLE.close_devices(exit.into());
    ExitCode::from(exit)
}
