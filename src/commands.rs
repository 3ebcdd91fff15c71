//! The commands, one a file: each reads its arguments, calls the library, and prints.

mod attest;
mod audit;
#[cfg(feature = "aws")]
mod aws;
mod certificate;
mod completions;
mod context;
#[cfg(feature = "aws")]
mod credential_process;
mod csr;
mod doctor;
mod import_certificate;
mod keygen;
mod list;
mod man;
mod merge;
mod public_key;
mod quorum;
#[cfg(feature = "aws")]
mod read_certificate_data;
#[cfg(feature = "aws")]
mod serve;
mod show;
mod sign;
#[cfg(feature = "aws")]
mod sign_string;
mod trial;
#[cfg(feature = "aws")]
mod update;
mod usage;
mod validity;
mod verify;

use countersign::error::Error;

use crate::cli::{Cli, Command};
use crate::lifecycle::LIFECYCLE;
use crate::terminal::Terminal;
use context::Context;

/// Runs the command that was asked for.
pub(crate) fn run(cli: Cli, terminal: &Terminal) -> Result<(), Error> {
    // The PIN is taken out of the environment first, while there is one thread.
    let so_pin_source = match &cli.command {
        Command::Keygen(arguments) => arguments.so.so_pin_source.as_deref(),
        Command::ImportCertificate(arguments) => arguments.so.so_pin_source.as_deref(),
        _ => None,
    };
    let context = Context::new(&cli.global, so_pin_source)?;
    LIFECYCLE.exit_on_signals()?;
    LIFECYCLE.survive_modules();
    countersign::device::close_at_the_end();
    match cli.command {
        Command::Sign(arguments) => sign::run(&arguments, &context, terminal),
        Command::Verify(arguments) => verify::run(&arguments, &context, terminal),
        Command::Show(arguments) => show::run(&arguments, terminal),
        Command::Merge(arguments) => merge::run(&arguments, terminal),
        Command::Audit(arguments) => audit::run(&arguments, terminal),
        Command::List(arguments) => list::run(&arguments, &context, terminal),
        Command::Doctor(arguments) => doctor::run(&arguments, &context, terminal),
        Command::PublicKey(arguments) => public_key::run(&arguments, &context, terminal),
        Command::Certificate(arguments) => certificate::run(&arguments, &context, terminal),
        Command::Keygen(arguments) => keygen::run(&arguments, &context, terminal),
        Command::Csr(arguments) => csr::run(&arguments, &context, terminal),
        Command::ImportCertificate(arguments) => import_certificate::run(&arguments, &context, terminal),
        Command::Attest(arguments) => attest::run(&arguments, &context, terminal),
        #[cfg(feature = "aws")]
        Command::CredentialProcess(arguments) => credential_process::run(&arguments, &context, terminal),
        #[cfg(feature = "aws")]
        Command::Update(arguments) => update::run(&arguments, &context, terminal),
        #[cfg(feature = "aws")]
        Command::Serve(arguments) => serve::run(&arguments, &context, terminal),
        #[cfg(feature = "aws")]
        Command::SignString(arguments) => sign_string::run(&arguments, &context, terminal),
        #[cfg(feature = "aws")]
        Command::ReadCertificateData(arguments) => read_certificate_data::run(&arguments, &context, terminal),
        Command::Completions(arguments) => completions::run(&arguments, terminal),
        Command::Man(arguments) => man::run(&arguments, terminal),
    }
}
