//! Arguments that people bring from other programs. `aws_signing_helper` takes more forms, which become those of this program.
//! Options that only the other programs have get advice.

use clap::{ArgAction, Command};

/// The arguments as clap reads them, and the variables that they overrule.
pub(crate) struct Arguments {
    /// With the program's name.
    pub(crate) arguments: Vec<std::ffi::OsString>,
    /// The variables of switches that `=false` turns off: the environment does not count for these.
    pub(crate) overruled: Vec<String>,
}

/// `--switch=true` becomes the switch, and `--switch=false` is removed; `version` becomes `--version`.
pub(crate) fn read(tree: &Command, given: impl Iterator<Item = std::ffi::OsString>) -> Arguments {
    let mut given: Vec<_> = given.collect();
    if given.len() == 2 && given[1] == "version" {
        given[1] = "--version".into();
    }
    let command = given.iter().skip(1).filter_map(|argument| tree.find_subcommand(argument)).next();
    let mut overruled = Vec::new();
    let mut arguments = Vec::with_capacity(given.len());
    let mut is_over = false;
    for argument in given {
        is_over |= argument == "--";
        let switch = argument.to_str().filter(|_| !is_over).and_then(|text| {
            let (name, value) = text.strip_prefix("--")?.split_once('=')?;
            let value = value.parse::<bool>().ok()?;
            let known = [Some(tree), command].into_iter().flatten().flat_map(Command::get_arguments);
            let switch = known.filter(|known| {
                matches!(known.get_action(), ArgAction::SetTrue)
                    && (known.get_long() == Some(name)
                        || known.get_all_aliases().unwrap_or_default().contains(&name))
            });
            switch.last().map(|switch| (format!("--{name}"), value, switch))
        });
        match switch {
            Some((name, true, _)) => arguments.push(name.into()),
            Some((_, false, switch)) => {
                overruled.extend(switch.get_env().and_then(|name| name.to_str()).map(str::to_owned));
            }
            None => arguments.push(argument),
        }
    }
    Arguments { arguments, overruled }
}

/// What to do instead of an option of `aws_signing_helper` or `pkcs11-tool` that this program does not have.
pub(crate) fn instead_of(option: &str) -> Option<&'static str> {
    let name = option.trim_start_matches('-').split('=').next().unwrap_or_default();
    Some(match name {
        "cert-selector" | "use-latest-expiring-certificate" => {
            "name the certificate with --certificate: it is on a PKCS#11 device or in a file; if a key has several, countersign \
             uses the one that is valid longest"
        }
        "system-store-name" => {
            "name a key on a device with --private-key 'pkcs11:…'; the key stores of Windows and macOS are not supported"
        }
        "tpm-key-password" | "no-tpm-key-password" => {
            "name a key in a TPM with --private-key 'pkcs11:…' (through tpm2-pkcs11), and its PIN with --pin-source"
        }
        "bundle" => "name the file with the CA certificates with --intermediates",
        "pkcs8-password" => {
            "name a key on a device with --private-key 'pkcs11:…'; key files are not supported"
        }
        "pin" | "login-pin" => {
            "give the PIN with --pin-source prompt, file:PATH, env:NAME or fd:NUMBER: other users can read arguments"
        }
        "slot" | "slot-index" | "token" | "token-label" | "object" | "label" | "id" => {
            "name device and key in one URI, as --key 'pkcs11:token=officer;id=%01': countersign list prints them"
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::{instead_of, read};
    use crate::cli::options;

    fn of(arguments: &[&str]) -> (Vec<String>, Vec<String>) {
        let options = options();
        let given = ["countersign"].iter().chain(arguments).map(|argument| (*argument).into());
        let read = read(&options, given);
        let text = |argument: std::ffi::OsString| argument.into_string().unwrap();
        (read.arguments.into_iter().skip(1).map(text).collect(), read.overruled)
    }

    #[test]
    fn a_switch_can_have_a_value() {
        assert_eq!(of(&["list", "--json=true"]).0, ["list", "--json"]);
        assert_eq!(of(&["list", "--json=false", "-v"]).0, ["list", "-v"]);
        assert_eq!(of(&["version"]).0, ["--version"]);
        // Arguments that are not switches, or come after the end of the options, stay.
        for arguments in
            [&["list", "--module=true"][..], &["list", "--json=maybe"], &["show", "--", "--json=true"]]
        {
            assert_eq!(of(arguments).0, arguments);
        }
    }

    #[cfg(feature = "aws")]
    #[test]
    fn a_switch_that_is_off_is_off_whatever_its_variable_says() {
        let (arguments, overruled) = of(&["serve", "--fips=false", "--with-proxy=true"]);
        assert_eq!(arguments, ["serve", "--with-proxy"]);
        assert_eq!(overruled, ["AWS_USE_FIPS_ENDPOINT"]);
    }

    #[test]
    fn options_of_other_programs_get_advice() {
        for option in [
            "--cert-selector",
            "--system-store-name",
            "--tpm-key-password",
            "--cert-selector=x",
            "--token-label",
        ] {
            assert!(instead_of(option).is_some(), "{option}");
        }
        assert_eq!(instead_of("--frobnicate"), None);
    }
}
