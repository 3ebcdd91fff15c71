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

use clap::builder::StyledStr;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{
    Arg, ArgAction, ArgMatches, Args, ColorChoice, Command as ClapCommand, CommandFactory, FromArgMatches,
    Parser, Subcommand, ValueEnum, ValueHint,
};

use countersign::device::UserType;

/// The groups of the help page, by task, the commonest first.
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

/// Commands that open no device. They take the options for devices, as every command does, but their help pages leave them out.
const WITHOUT_DEVICE: [&str; 5] = ["show", "merge", "audit", "completions", "man"];

/// The columns of the help pages: terminals and pages of documentation have at least that many.
const COLUMNS: usize = 80;

/// Headings of options that several commands share.
mod heading {
    pub(super) const KEY: &str = "Key";
    pub(super) const OUTPUT: &str = "Output";
    pub(super) const DEVICE: &str = "Device and PIN";
    pub(super) const GENERAL: &str = "General";
}

/// Sign for AWS CloudHSM and IAM Roles Anywhere with a key that stays on its device
///
/// The private key is on a YubiKey, a smart card, an HSM, a TPM or any other PKCS#11 device, and signs there. A pkcs11: URI
/// (RFC 7512) names it. The module comes from p11-kit or from --module. Each signature is verified before it is written.
#[derive(Debug, Parser)]
#[command(
    name = "countersign",
    version,
    disable_help_subcommand = false,
    max_term_width = COLUMNS,
    after_help = "\
Run 'countersign COMMAND -h' for the options of a command, and
'countersign --help' for the options of all commands and the exit codes.",
    after_long_help = "\
Run 'countersign help COMMAND' for the details of a command, with examples.

Exit codes: 0 done, 1 other, 2 usage, 3 device, 4 key, 5 PIN, 6 signing,
7 malformed input, 8 bad signature, 9 AWS, 130 interrupted"
)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Args)]
pub(crate) struct Global {
    /// PKCS#11 module, a .so file
    ///
    /// By default, countersign asks every module that p11-kit is configured with.
    #[arg(long, help_heading = heading::DEVICE, global = true, env = "COUNTERSIGN_MODULE", hide_env_values = true, value_name = "PATH", alias = "pkcs11-lib", value_hint = ValueHint::FilePath)]
    pub(crate) module: Option<PathBuf>,
    /// PIN: prompt, file:PATH, env:NAME or fd:NUMBER
    ///
    /// By default, the PIN comes from the source that the key URI names, or else from a prompt on the terminal.
    #[arg(long, help_heading = heading::DEVICE, global = true, env = "COUNTERSIGN_PIN_SOURCE", value_name = "SOURCE", hide_env_values = true)]
    pub(crate) pin_source: Option<String>,
    /// Send the PIN at the last attempt and of any length
    ///
    /// By default, it is not sent if a wrong one would lock the device, or if the device states that its PINs have another length.
    #[arg(long, help_heading = heading::DEVICE, global = true, hide_short_help = true)]
    pub(crate) use_last_try: bool,
    /// Log in as user, crypto-user (Luna) or a vendor's number
    #[arg(long, help_heading = heading::DEVICE, global = true, hide_short_help = true, value_name = "TYPE",
          default_value = "user", hide_default_value = true, value_parser = str::parse::<UserType>)]
    pub(crate) user_type: UserType,
    /// Give up on a device that does not answer in time
    #[arg(long, help_heading = heading::DEVICE, global = true, hide_short_help = true, value_name = "SECONDS",
          default_value_t = 120, value_parser = clap::value_parser!(u64).range(1..=86400))]
    pub(crate) timeout: u64,
    /// Print one JSON document on stdout
    #[arg(long, help_heading = heading::GENERAL, global = true)]
    pub(crate) json: bool,
    /// Print only warnings and errors
    #[arg(short, long, help_heading = heading::GENERAL, global = true, conflicts_with = "verbose")]
    pub(crate) quiet: bool,
    /// Print more: modules, mechanism, what was searched
    #[arg(short, long, help_heading = heading::GENERAL, global = true)]
    pub(crate) verbose: bool,
    /// When to use color
    ///
    /// NO_COLOR is honored too.
    #[arg(long, help_heading = heading::GENERAL, global = true, hide_short_help = true, value_name = "WHEN", default_value = "auto")]
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
    /// pkcs11: URI of the private key or its certificate
    ///
    /// Can be given up to 8 times: the first key whose device is present is used.
    #[arg(long = "key", help_heading = heading::KEY, env = "COUNTERSIGN_KEY", value_name = "URI", hide_env_values = true)]
    pub(crate) uris: Vec<String>,
}

/// Print a shell completion script
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  countersign completions bash >/etc/bash_completion.d/countersign")]
pub(crate) struct Completions {
    /// Shell to print it for
    pub(crate) shell: clap_complete::Shell,
}

/// Write the man pages to a folder
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  countersign man /usr/local/share/man/man1")]
pub(crate) struct Man {
    /// Folder, which must exist
    #[arg(value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(crate) folder: PathBuf,
}

/// The option with which this program starts itself, to look at a module in a separate process. No help page and no completion
/// shows it.
const IN_TRIAL: &str = "in-trial";

/// Why no command is run: the command line is wrong, or asks for help.
pub(crate) struct NotRun {
    pub(crate) error: clap::Error,
    pub(crate) text: StyledStr,
}

/// The command line of this process.
pub(crate) fn parse(arguments: Vec<OsString>) -> Result<Cli, NotRun> {
    let mut commands = options();
    // Only then: a command that is changed comes last in clap's lists of commands.
    let is_in_trial = arguments
        .iter()
        .any(|argument| argument.to_str().and_then(|argument| argument.strip_prefix("--")) == Some(IN_TRIAL));
    if is_in_trial {
        let hidden = Arg::new(IN_TRIAL).long(IN_TRIAL).hide(true).action(ArgAction::SetTrue);
        commands = commands.mut_subcommand("list", |list| list.arg(hidden));
    }
    let mut tree = with_help(commands);
    let matches = match tree.try_get_matches_from_mut(&arguments) {
        Ok(matches) => matches,
        Err(error) => return Err(explained(error, tree, &arguments)),
    };
    let mut cli = Cli::from_arg_matches(&matches).map_err(|error| explained(error, tree, &arguments))?;
    if let (Command::List(list), Some(matches)) = (&mut cli.command, matches.subcommand_matches("list")) {
        list.in_trial = is_in_trial && matches.get_flag(IN_TRIAL);
    }
    Ok(cli)
}

/// With the usage of the command itself: clap's would list what is given as required, also what only the environment gives.
/// Without a command, the summary that `-h` prints. For an option of other commands, their names.
fn explained(mut error: clap::Error, mut tree: ClapCommand, arguments: &[OsString]) -> NotRun {
    let commands = commands_with(&tree, error.get(ContextKind::InvalidArg));
    let matches = tree.clone().ignore_errors(true).try_get_matches_from(arguments);
    let mut path = Vec::new();
    let mut matches = matches.as_ref().ok();
    while let Some((name, deeper)) = matches.and_then(ArgMatches::subcommand) {
        path.push(name);
        matches = Some(deeper);
    }
    let command = path.iter().try_fold(&mut tree, |command, name| command.find_subcommand_mut(name));
    let Some(command) = command else { return NotRun { text: error.render(), error } };
    if error.kind() == ErrorKind::MissingSubcommand {
        return NotRun { text: command.render_help(), error };
    }
    if error.get(ContextKind::Usage).is_some() {
        error.insert(ContextKind::Usage, ContextValue::StyledStr(command.render_usage()));
    }
    if error.kind() == ErrorKind::UnknownArgument && error.get(ContextKind::SuggestedArg).is_none() {
        // clap's advice is to pass it as a value.
        error.remove(ContextKind::Suggested);
        if !commands.is_empty() {
            let tip = format!("it is an option of {}", commands.join(", "));
            error.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![tip.into()]));
        }
    }
    NotRun { text: error.render(), error }
}

fn commands_with(tree: &ClapCommand, option: Option<&ContextValue>) -> Vec<String> {
    let Some(ContextValue::String(option)) = option else { return Vec::new() };
    let has_it = |argument: &Arg| {
        let name = option.trim_start_matches("--");
        argument.get_long() == Some(name) || argument.get_all_aliases().unwrap_or_default().contains(&name)
    };
    let commands = tree.get_subcommands().filter(|command| command.get_arguments().any(has_it));
    commands.map(|command| command.get_name().to_owned()).collect()
}

/// The commands and options, without help pages. What the environment gives is read when this is made.
pub(crate) fn options() -> ClapCommand {
    Cli::command()
}

/// Every variable that an option takes its value from.
pub(crate) fn variables(options: &ClapCommand) -> BTreeSet<OsString> {
    fn of(command: &ClapCommand, found: &mut BTreeSet<OsString>) {
        found.extend(command.get_arguments().filter_map(|argument| argument.get_env()).map(OsStr::to_owned));
        command.get_subcommands().for_each(|command| of(command, found));
    }
    let mut found = BTreeSet::new();
    of(options, &mut found);
    found
}

/// The tree, with help pages that fit a terminal.
pub(crate) fn tree() -> ClapCommand {
    with_help(options())
}

/// Builds the tree: no option can be added afterwards.
fn with_help(tree: ClapCommand) -> ClapCommand {
    let mut tree = tree.mut_subcommands(for_terminals);
    let mut commands = String::new();
    for &(heading, names) in GROUPS {
        commands.push_str(&format!("{heading}:\n"));
        for name in names {
            let about = tree.find_subcommand(name).and_then(ClapCommand::get_about);
            let about = about
                .map_or_else(|| "Print this page or the page of a command".to_owned(), ToString::to_string);
            commands.push_str(&format!("  {name:<21}  {about}\n"));
        }
        commands.push('\n');
    }
    tree = for_terminals(tree.help_template(format!(
        "{{about-with-newline}}\n{{usage-heading}} {{usage}}\n\n{commands}Options:\n{{options}}{{after-help}}\n"
    )));
    // The options that all commands share reach the commands as copies, so that only the front page is without them in -h.
    tree.build();
    let own = ["help", "version"];
    tree = tree.mut_args(|argument| {
        let is_own = argument.get_long().is_some_and(|name| own.contains(&name));
        argument.hide_short_help(!is_own)
    });
    tree.mut_subcommands(sorted).color(ColorChoice::Auto)
}

/// Built, with `--help` beside the other general options, and without the options for devices if it opens none.
fn sorted(command: ClapCommand) -> ClapCommand {
    let opens_a_device = !WITHOUT_DEVICE.contains(&command.get_name());
    fn each(command: ClapCommand, opens_a_device: bool) -> ClapCommand {
        command.mut_subcommands(|command| each(command, opens_a_device)).mut_args(|argument| {
            let is_for_devices = argument.get_help_heading() == Some(heading::DEVICE);
            let is_help = matches!(argument.get_action(), ArgAction::Help);
            let argument = if is_help { argument.help_heading(heading::GENERAL) } else { argument };
            if is_for_devices && !opens_a_device { argument.hide(true) } else { argument }
        })
    }
    each(command, opens_a_device)
}

/// With one line for each option in `-h`: the variable that an option takes its value from is in `--help` alone. A missing
/// command is an error whatever options there are.
fn for_terminals(command: ClapCommand) -> ClapCommand {
    command.arg_required_else_help(false).mut_subcommands(for_terminals).mut_args(|argument| {
        let text =
            argument.get_long_help().or(argument.get_help()).map(ToString::to_string).unwrap_or_default();
        match argument
            .get_env()
            .filter(|_| !argument.is_hide_env_set())
            .map(|name| name.display().to_string())
        {
            Some(variable) => argument.hide_env(true).long_help(format!("{text}\n\n[env: {variable}]")),
            // clap_mangen 0.3 leaves out the short text of an option that -h does not show.
            None if argument.is_hide_short_help_set() => argument.long_help(text),
            None => argument,
        }
    })
}

#[cfg(test)]
mod tests {
    use clap::Command;

    use super::tree;

    /// The words of a line that a shell would run: quotes are single, and nothing is behind a redirection.
    fn words(line: &str) -> Vec<String> {
        let (mut words, mut is_quoted) = (vec![String::new()], false);
        for character in line.chars() {
            let last = words.last_mut().unwrap();
            match character {
                '\'' => is_quoted = !is_quoted,
                ' ' if !is_quoted && !last.is_empty() => words.push(String::new()),
                ' ' if !is_quoted => {}
                character => last.push(character),
            }
        }
        words.into_iter().take_while(|word| !word.starts_with('>')).filter(|word| !word.is_empty()).collect()
    }

    #[test]
    fn every_example_is_a_command_line_that_the_program_accepts() {
        let tree = tree();
        let commands = tree
            .get_subcommands()
            .flat_map(|command| [vec![command], command.get_subcommands().collect()].concat());
        let texts =
            commands.flat_map(|command: &Command| [command.get_after_help(), command.get_after_long_help()]);
        let mut seen = 0;
        for text in texts.flatten() {
            let text = text.to_string().replace("\\\n", "");
            for line in text.lines().filter_map(|line| line.strip_prefix("  ")) {
                let call = &line[line.find("countersign ").expect("a call of the program")..];
                assert!(!call.contains('…'), "{call} cannot be pasted");
                if let Err(error) = tree.clone().try_get_matches_from(words(call)) {
                    panic!("{call}: {error}");
                }
                seen += 1;
            }
        }
        assert!(seen > 30, "{seen} examples");
    }
}
