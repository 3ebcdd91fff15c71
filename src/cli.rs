//! The command line as a tree: options, help texts, examples. Man pages and completions are made from it.

#[cfg(feature = "aws")]
mod aws;
pub(crate) mod compatible;
mod devices;
mod token_files;

#[cfg(feature = "aws")]
pub(crate) use aws::*;
pub(crate) use devices::*;
pub(crate) use token_files::*;

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

use clap::{
    Arg, ArgAction, Args, ColorChoice, Command as ClapCommand, CommandFactory, FromArgMatches, Parser,
    Subcommand, ValueEnum, ValueHint,
};

use countersign::device::UserType;

/// The groups of the help page: what a person wants, the commonest first.
const GROUPS: &[(&str, &[&str])] = &[
    ("CloudHSM token files", &["sign", "verify", "show", "merge", "audit"]),
    (
        "Devices and keys",
        &["list", "doctor", "public-key", "certificate", "keygen", "csr", "import-certificate", "attest"],
    ),
    #[cfg(feature = "aws")]
    ("AWS credentials", &["credential-process", "update", "serve", "sign-string", "read-certificate-data"]),
    ("This program", &["completions", "man", "help"]),
];

/// Sign for AWS CloudHSM and IAM Roles Anywhere with a private key that never leaves its device
///
/// The key is in a YubiKey, a smart card, an HSM, a TPM: in any PKCS#11 device. It is named by an RFC 7512 URI
/// (pkcs11:…), found through p11-kit or a given module, and signs on the device. Each signature is verified before it is
/// written.
#[derive(Debug, Parser)]
#[command(name = "countersign", version, disable_help_subcommand = false, max_term_width = 100)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Everywhere")]
pub(crate) struct Global {
    /// The PKCS#11 module (a .so file); default: all that p11-kit is configured with
    #[arg(long, global = true, env = "COUNTERSIGN_MODULE", hide_env_values = true, value_name = "PATH", alias = "pkcs11-lib", value_hint = ValueHint::FilePath)]
    pub(crate) module: Option<PathBuf>,
    /// Where the PIN comes from: prompt, file:PATH, env:NAME or fd:NUMBER; default: the key URI, then the terminal
    #[arg(
        long,
        global = true,
        env = "COUNTERSIGN_PIN_SOURCE",
        value_name = "SOURCE",
        hide_env_values = true
    )]
    pub(crate) pin_source: Option<String>,
    /// Send the PIN even if a wrong one would lock the device, or the device states that its PINs have another length
    #[arg(long, global = true)]
    pub(crate) use_last_try: bool,
    /// As whom to log in: user, crypto-user (Luna), or a vendor's number
    #[arg(long, global = true, value_name = "TYPE", default_value = "user", hide_default_value = true,
          value_parser = str::parse::<UserType>)]
    pub(crate) user_type: UserType,
    /// Give up on a device that has not answered for so long
    #[arg(long, global = true, value_name = "SECONDS", default_value_t = 120,
          value_parser = clap::value_parser!(u64).range(1..=86400))]
    pub(crate) timeout: u64,
    /// Print one JSON document on stdout
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Say nothing but warnings and errors
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub(crate) quiet: bool,
    /// Say more: modules, mechanism, what was searched
    #[arg(short, long, global = true)]
    pub(crate) verbose: bool,
    /// When to use colours (NO_COLOR is honoured too)
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    pub(crate) color: Color,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Color {
    Auto,
    Always,
    Never,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Sign(Sign),
    Verify(Verify),
    Show(Show),
    Merge(Merge),
    #[command(subcommand)]
    Audit(Audit),
    List(List),
    Doctor(Doctor),
    PublicKey(PublicKey),
    Certificate(CertificateOf),
    Keygen(Keygen),
    Csr(Csr),
    ImportCertificate(ImportCertificate),
    Attest(Attest),
    #[cfg(feature = "aws")]
    CredentialProcess(CredentialProcess),
    #[cfg(feature = "aws")]
    Update(Update),
    #[cfg(feature = "aws")]
    Serve(Serve),
    #[cfg(feature = "aws")]
    SignString(SignString),
    #[cfg(feature = "aws")]
    ReadCertificateData(ReadCertificateData),
    Completions(Completions),
    Man(Man),
}

impl Command {
    /// Whether `--debug` was given, which only the commands for AWS know.
    pub(crate) fn wants_debug(&self) -> bool {
        match self {
            #[cfg(feature = "aws")]
            Command::CredentialProcess(arguments) => arguments.roles_anywhere.debug,
            #[cfg(feature = "aws")]
            Command::Update(arguments) => arguments.roles_anywhere.debug,
            #[cfg(feature = "aws")]
            Command::Serve(arguments) => arguments.roles_anywhere.debug,
            #[cfg(feature = "aws")]
            Command::SignString(arguments) => arguments.debug,
            #[cfg(feature = "aws")]
            Command::ReadCertificateData(arguments) => arguments.debug,
            _ => false,
        }
    }
}

/// Which key.
#[derive(Debug, Args)]
pub(crate) struct Key {
    /// The private key or its certificate; up to 8 times: the first one whose device is present is used
    #[arg(long = "key", env = "COUNTERSIGN_KEY", value_name = "URI", hide_env_values = true)]
    pub(crate) uris: Vec<String>,
}

/// Print a completion script for a shell
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  countersign completions bash > /etc/bash_completion.d/countersign")]
pub(crate) struct Completions {
    /// The shell
    pub(crate) shell: clap_complete::Shell,
}

/// Write the man pages into a folder
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  countersign man /usr/local/share/man/man1")]
pub(crate) struct Man {
    /// The folder, which must exist
    #[arg(value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(crate) folder: PathBuf,
}

/// What this program gives to itself, to look at a module in a process of its own. It is in no help page and no completion.
const IN_TRIAL: &str = "in-trial";

/// The command line of this process.
pub(crate) fn parse(arguments: Vec<OsString>) -> Result<Cli, clap::Error> {
    let mut tree = tree();
    // Only then: a command that is changed comes last in clap's lists of commands.
    let is_in_trial = arguments
        .iter()
        .any(|argument| argument.to_str().and_then(|argument| argument.strip_prefix("--")) == Some(IN_TRIAL));
    if is_in_trial {
        let hidden = Arg::new(IN_TRIAL).long(IN_TRIAL).hide(true).action(ArgAction::SetTrue);
        tree = tree.mut_subcommand("list", |list| list.arg(hidden));
    }
    let matches = tree.try_get_matches_from(arguments)?;
    let mut cli = Cli::from_arg_matches(&matches)?;
    if let (Command::List(list), Some(matches)) = (&mut cli.command, matches.subcommand_matches("list")) {
        list.in_trial = is_in_trial && matches.get_flag(IN_TRIAL);
    }
    Ok(cli)
}

/// Every variable that an option takes its value from.
pub(crate) fn variables() -> BTreeSet<OsString> {
    fn of(command: &ClapCommand, found: &mut BTreeSet<OsString>) {
        found.extend(command.get_arguments().filter_map(|argument| argument.get_env()).map(OsStr::to_owned));
        command.get_subcommands().for_each(|command| of(command, found));
    }
    let mut found = BTreeSet::new();
    of(&Cli::command(), &mut found);
    found
}

/// The tree, with the help page grouped by what a person wants.
pub(crate) fn tree() -> ClapCommand {
    let mut tree = Cli::command();
    let mut commands = String::new();
    for &(heading, names) in GROUPS {
        commands.push_str(&format!("{heading}:\n"));
        for name in names {
            let about = tree.find_subcommand(name).and_then(ClapCommand::get_about);
            let about =
                about.map_or_else(|| "Print this page, or a command's".to_owned(), ToString::to_string);
            commands.push_str(&format!("  {name:<21} {about}\n"));
        }
        commands.push('\n');
    }
    let after = "countersign help COMMAND says more of a command, with examples.\n\
                 Exit codes: 0 done, 1 other, 2 usage, 3 device, 4 key, 5 PIN, 6 signing, 7 malformed input, \
                 8 bad signature, 9 AWS, 130 interrupted";
    tree = tree.help_template(format!(
        "{{about-with-newline}}\n{{usage-heading}} {{usage}}\n\n{commands}{{options}}\n\n{after}\n"
    ));
    tree.color(ColorChoice::Auto)
}
