//! Foreign text (labels, names in files, subjects of certificates) made safe to print.

use crate::uri::redact;

/// Text without PINs and without characters that act on a terminal: labels and names come from anyone, and
/// must not move the cursor or reverse the line.
pub fn printable(text: &str) -> String {
    redact(text).chars().map(|character| if is_active(character) { '\u{fffd}' } else { character }).collect()
}

/// A name from a file, as part of a line: it must not be able to end the line, reverse it, or hide in it.
pub fn one_line(name: &str) -> String {
    let hides = |character| character == '\n' || is_active(character) || is_invisible(character);
    name.chars().map(|character| if hides(character) { '\u{fffd}' } else { character }).collect()
}

/// A JSON text in which those characters are escaped (RFC 8259 section 7): it means the same, and does
/// nothing to a terminal that shows it.
pub fn escaped_json(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        if is_active(character) || is_invisible(character) {
            for unit in character.encode_utf16(&mut [0; 2]) {
                escaped.push_str(&format!("\\u{unit:04x}"));
            }
        } else {
            escaped.push(character);
        }
    }
    escaped
}

/// Control characters of C0 and C1 except the line end, and those that change the direction of writing or end
/// a line (UAX 9).
fn is_active(character: char) -> bool {
    (character.is_control() && character != '\n')
        || matches!(character, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Characters without width: fine in running text, where they join letters, and a way to make two names look
/// alike.
fn is_invisible(character: char) -> bool {
    matches!(
        character,
        '\u{ad}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e007f}'
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_acts_on_a_terminal_is_neither_printed_nor_left_in_json() {
        for character in [
            '\u{1b}', '\u{7f}', '\u{85}', '\u{9b}', '\u{202e}', '\u{2066}', '\u{61c}', '\u{2028}', '\r', '\t',
        ] {
            let text = format!("a{character}b");
            assert_eq!((printable(&text).as_str(), one_line(&text).as_str()), ("a\u{fffd}b", "a\u{fffd}b"));
            let json = escaped_json(&serde_json::Value::from(text.as_str()).to_string());
            assert!(!json.contains(character), "{json:?}");
            assert_eq!(serde_json::from_str::<String>(&json).unwrap(), text);
        }
        let tag = serde_json::Value::from("\u{e0041}").to_string();
        assert_eq!(escaped_json(&tag), "\"\\udb40\\udc41\"");
        assert_eq!(serde_json::from_str::<String>(&escaped_json(&tag)).unwrap(), "\u{e0041}");
    }

    #[test]
    fn names_and_lines_of_any_language_stay_as_they_are() {
        for text in ["Zoë", "می\u{200c}خواهم", "שלום", "官员", "two\nlines"] {
            assert_eq!(
                (printable(text), escaped_json(text).replace("\\u200c", "\u{200c}")),
                (text.into(), text.into())
            );
        }
        assert_eq!(one_line("two\nlines and a\u{200b}b"), "two\u{fffd}lines and a\u{fffd}b");
    }
}
