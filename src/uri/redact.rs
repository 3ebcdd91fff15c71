//! Takes PINs out of text that may quote a URI, well-formed or not.

/// Hides what follows any `pin-value=` in `text`, as `pin-value=…`.
///
/// `pin-value=` is found in any mixture of upper and lower case, and if part or all of it is percent-encoded.
/// Everything up to the next white space is hidden. If a quote was opened before, everything up to the
/// closing quote is hidden, including white space. A quote counts as closing only before white space, the
/// end, or punctuation that leads there, because a PIN may contain quotes. This also hides the rest of the
/// URI, and more than the PIN if its end is unclear: an unclosed quote hides everything to the end.
///
/// A malformed URI with white space in its PIN is hidden completely only inside quotes: quote every URI in a
/// message.
#[must_use]
pub fn redact(text: &str) -> String {
    let mut redacted = String::with_capacity(text.len());
    let mut quote = None;
    let mut before = None;
    let mut rest = text;
    while let Some(character) = rest.chars().next() {
        if let Some(secret) = after_pin_value(rest) {
            redacted.push_str("pin-value=…");
            rest = &secret[secret_length(secret, quote)..];
            before = None;
            continue;
        }
        let after = &rest[character.len_utf8()..];
        match quote {
            Some(open) if character == open && closes(before, after) => quote = None,
            None if is_quote(character) && opens(before) => quote = Some(character),
            // A stray quote should hide no more than its own line.
            Some(_) if character == '\n' => quote = None,
            _ => {}
        }
        redacted.push(character);
        before = Some(character);
        rest = after;
    }
    redacted
}

/// What follows `pin-value=` at the start of `text`, in any encoding; none if it is not there.
fn after_pin_value(text: &str) -> Option<&str> {
    let mut rest = text.as_bytes();
    for expected in *b"pin-value=" {
        let (byte, after) = match rest {
            [b'%', high, low, after @ ..] => {
                let digit = |byte: u8| char::from(byte).to_digit(16);
                ((digit(*high)? << 4 | digit(*low)?) as u8, after)
            }
            [byte, after @ ..] => (*byte, after),
            [] => return None,
        };
        if !byte.eq_ignore_ascii_case(&expected) {
            return None;
        }
        rest = after;
    }
    text.get(text.len() - rest.len()..)
}

/// How much of `secret` to hide when `quote` is open.
fn secret_length(secret: &str, quote: Option<char>) -> usize {
    let mut before = None;
    for (at, character) in secret.char_indices() {
        let ends = match quote {
            Some(open) => character == open && closes(before, &secret[at + character.len_utf8()..]),
            // Only ASCII white space: other kinds may be part of a PIN.
            None => character.is_ascii_whitespace(),
        };
        if ends {
            return at;
        }
        before = Some(character);
    }
    secret.len()
}

fn is_quote(character: char) -> bool {
    matches!(character, '\'' | '"' | '`')
}

/// Whether a quote after this character can open.
fn opens(before: Option<char>) -> bool {
    before.is_none_or(|before| before.is_ascii_whitespace() || "([{<=:,".contains(before))
}

/// Whether a quote between these can close.
fn closes(before: Option<char>, after: &str) -> bool {
    before != Some('\\')
        && after
            .trim_start_matches(|character| ",.;:!?)]}>".contains(character))
            .chars()
            .next()
            .is_none_or(|next| next.is_ascii_whitespace())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_without_a_pin_stays_as_it_is() {
        for text in
            ["", "pkcs11:token=t?pin-source=file:/p", "no pin-value here", "it's 100 %", "pin-value", "é%zz"]
        {
            assert_eq!(redact(text), text);
        }
    }

    #[test]
    fn a_pin_is_hidden_up_to_white_space() {
        assert_eq!(
            redact("key pkcs11:?pin-value=QX&ZQ;a'b\"c not found"),
            "key pkcs11:?pin-value=… not found"
        );
        assert_eq!(redact("pin-value=QX\nnext"), "pin-value=…\nnext");
        assert_eq!(redact("pkcs11:?pin-value=QX\u{a0}ZQ"), "pkcs11:?pin-value=…");
    }

    #[test]
    fn a_pin_in_quotes_is_hidden_with_its_spaces() {
        assert_eq!(redact("bad 'pkcs11:?pin-value=12 34': why"), "bad 'pkcs11:?pin-value=…': why");
        assert_eq!(
            redact("`pkcs11:token=a b?pin-value=1 2` is bad"),
            "`pkcs11:token=a b?pin-value=…` is bad"
        );
        assert_eq!(redact("key=\"pkcs11:?pin-value=1 2\"."), "key=\"pkcs11:?pin-value=…\".");
    }

    #[test]
    fn a_quote_within_a_pin_does_not_end_it() {
        assert_eq!(redact("bad 'pkcs11:?pin-value=12'34' here"), "bad 'pkcs11:?pin-value=…' here");
        assert_eq!(redact("Some(\"pin-value=12\\\" 34\")"), "Some(\"pin-value=…\")");
    }

    #[test]
    fn a_quote_that_nothing_closes_hides_everything() {
        assert_eq!(redact("bad 'pkcs11:?pin-value=12 34 and more"), "bad 'pkcs11:?pin-value=…");
    }

    #[test]
    fn any_case_and_any_encoding_of_the_name_is_found() {
        for name in ["pin-value=", "PIN-Value=", "pin%2dvalue=", "pin-value%3D", "%70%49n-value="] {
            assert_eq!(redact(&format!("a;{name}QXZQ b")), "a;pin-value=… b", "{name}");
        }
    }

    #[test]
    fn every_pin_is_hidden() {
        assert_eq!(redact("pin-value=QX pin-value=ZQ"), "pin-value=… pin-value=…");
        assert_eq!(redact("'pin-value=QX' 'pin-value=Z Q'"), "'pin-value=…' 'pin-value=…'");
        assert_eq!(redact("pin-value=pin-value=QX"), "pin-value=…");
    }

    #[test]
    fn hiding_twice_changes_nothing_more() {
        let once = redact("bad 'pkcs11:?pin-value=12 34': why");
        assert_eq!(redact(&once), once);
    }
}
