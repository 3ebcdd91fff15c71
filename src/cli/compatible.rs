//! Arguments as people bring them from `aws_signing_helper`, whose parser knows more forms, turned into those of this
//! program; and what to say of options that it has and this program has not.

use clap::{ArgAction, Command};

/// The arguments as clap reads them, and the variables that they overrule.
pub(crate) struct Arguments {
    /// With the program's name.
    pub(crate) arguments: Vec<std::ffi::OsString>,
    /// Of switches that are off by `=false`: what the environment says does not count.
    pub(crate) overruled: Vec<String>,
}

/// `--switch=true` is the switch, and `--switch=false` is none; `version` is `--version`.
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

/// What to do instead of an option that `aws_signing_helper` has and this program refuses on purpose.
pub(crate) fn instead_of(option: &str) -> Option<&'static str> {
    let name = option.trim_start_matches('-').split('=').next().unwrap_or_default();
    Some(match name {
        "cert-selector" | "use-latest-expiring-certificate" => {
            "certificates are found on PKCS#11 devices and in files: --certificate names one; of several for one key the one \
             that is valid longest is taken"
        }
        "system-store-name" => {
            "the key stores of Windows and macOS are not used: --private-key 'pkcs11:…' names a key on a device"
        }
        "tpm-key-password" | "no-tpm-key-password" => {
            "keys in a TPM are used through tpm2-pkcs11: --private-key 'pkcs11:…' names one, and its PIN comes by --pin-source"
        }
        "bundle" => "--intermediates names the file with the certificates above",
        "pkcs8-password" => "keys in files are not used: --private-key 'pkcs11:…' names a key on a device",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::{instead_of, read};
    use crate::cli::tree;

    fn of(arguments: &[&str]) -> (Vec<String>, Vec<String>) {
        let mut tree = tree();
        tree.build();
        let given = ["countersign"].iter().chain(arguments).map(|argument| (*argument).into());
        let read = read(&tree, given);
        let text = |argument: std::ffi::OsString| argument.into_string().unwrap();
        (read.arguments.into_iter().skip(1).map(text).collect(), read.overruled)
    }

    #[test]
    fn switches_have_values_if_somebody_gives_them_one() {
        assert_eq!(of(&["list", "--json=true"]).0, ["list", "--json"]);
        assert_eq!(of(&["list", "--json=false", "-v"]).0, ["list", "-v"]);
        assert_eq!(of(&["version"]).0, ["--version"]);
        // What is no switch, or stands behind the end of the options, stays.
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
    fn options_of_the_helper_that_are_refused_have_a_word_of_advice() {
        for option in ["--cert-selector", "--system-store-name", "--tpm-key-password", "--cert-selector=x"] {
            assert!(instead_of(option).is_some(), "{option}");
        }
        assert_eq!(instead_of("--frobnicate"), None);
    }
}
