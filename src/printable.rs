//! Text of others (labels, names in files, subjects of certificates) made safe to print.

use crate::uri::redact;

/// Text without PINs and without control characters: labels and names are anybody's bytes, and must not be able to
/// move the cursor.
pub fn printable(text: &str) -> String {
    let harmless =
        |character: char| if character.is_control() && character != '\n' { '\u{fffd}' } else { character };
    redact(text).chars().map(harmless).collect()
}

/// A name out of a file, as part of a line: it must not be able to end the line, turn it round, or hide in it.
pub fn one_line(name: &str) -> String {
    let invisible = |character: char| {
        character.is_control()
            || matches!(character, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
    };
    name.chars().map(|character| if invisible(character) { '\u{fffd}' } else { character }).collect()
}
