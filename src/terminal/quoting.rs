//! Recognizes a command line whose quotes went wrong: each program splits a `credential_process` in its own
//! way.

/// What is wrong with the quotes, and what to do.
pub(crate) fn advice(arguments: &[String]) -> Option<String> {
    let value = |argument: &String| match argument.split_once('=') {
        Some((option, value)) if option.starts_with("--") => value.to_owned(),
        _ => argument.clone(),
    };
    let values: Vec<String> = arguments.iter().map(value).collect();
    let is_quoted = |value: &&String| {
        let inner = value.trim_start_matches(['\'', '"', '`', '\u{2018}', '\u{2019}', '\u{201c}']);
        inner.len() < value.len() && inner.to_ascii_lowercase().starts_with("pkcs11:")
    };
    if let Some(quoted) = values.iter().find(is_quoted) {
        let quote = quoted.chars().next().unwrap_or_default();
        return Some(format!(
            "the quote {quote} before pkcs11: reached countersign as part of the URI: the program that started it does not remove quotes \
             or cuts the command at the ;. {CONFIG}"
        ));
    }
    if values.iter().any(|value| value.contains("\n") && value.contains("--")) {
        return Some(format!(
            "an argument holds a line end and further options: write the whole command on one line. {CONFIG}"
        ));
    }
    let is_cut = |value: &&String| value.to_ascii_lowercase().starts_with("pkcs11:") && !value.contains(';');
    let is_last = |value: &&String| values.last() == Some(*value);
    values
        .iter()
        .filter(is_cut)
        .any(|value| is_last(&value))
        .then(|| "put the URI in single quotes: the shell ends the command at a ;".to_owned())
}

/// The way without a `;`.
const CONFIG: &str =
    "credential-process --config FILE --role NAME takes all options from a file, so that no ; is needed";

#[cfg(test)]
mod tests {
    use super::advice;

    fn of(arguments: &[&str]) -> Option<String> {
        advice(&arguments.iter().map(|argument| (*argument).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn quotes_that_went_wrong_are_recognized() {
        for (arguments, said) in [
            (&["--certificate", "'pkcs11:token=server"][..], "the quote ' before pkcs11:"),
            (&["--certificate='pkcs11:token=server;id=%01'"], "the quote ' before pkcs11:"),
            (&["--private-key", "\"pkcs11:token=a\""], "the quote \" before pkcs11:"),
            (&["--private-key", "pkcs11:token=a\n--certificate b.pem"], "on one line"),
            (&["--certificate", "pkcs11:token=server"], "in single quotes"),
        ] {
            assert!(of(arguments).is_some_and(|advice| advice.contains(said)), "{arguments:?}");
        }
        for arguments in
            [&["--certificate", "pkcs11:token=a;id=%01"][..], &["--key", "pkcs11:token=a", "-v"], &["file"]]
        {
            assert_eq!(of(arguments), None, "{arguments:?}");
        }
    }
}
