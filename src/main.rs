//! The command line: parse, run, print the error, exit with its code.

mod cli;
mod commands;
mod lifecycle;
mod terminal;

use std::alloc::System;
use std::process::ExitCode;

use countersign::environment;

use cli::compatible;
use lifecycle::LIFECYCLE;
use terminal::Terminal;
use zeroizing_alloc::ZeroAlloc;

/// Wipes freed memory. Secrets pass through the buffers of libraries (TLS, HTTP, JSON), which wipe nothing. Modules have
/// allocators of their own.
#[global_allocator]
static ALLOCATOR: ZeroAlloc<System> = ZeroAlloc(System);

fn main() -> ExitCode {
    LIFECYCLE.harden();
    let options = cli::options();
    cli::variables(&options).iter().for_each(environment::forget_if_empty);
    environment::quieten_modules();
    let given = compatible::read(&options, std::env::args_os());
    given.overruled.iter().for_each(environment::forget);
    let cli = match cli::parse(given.arguments) {
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
    terminal.finish();
    ExitCode::from(exit)
}
