//! Text from the network, made safe to show to people.

/// One line of at most `most` characters. White space and control characters become one blank, and characters
/// that are invisible or change the direction of writing (Unicode's Cf) are removed, so that nothing can be
/// faked with them.
pub(super) fn one_line(text: &str, most: usize) -> String {
    let mut line = String::new();
    let mut length = 0;
    let mut blank = false;
    for character in text.chars().filter(|character| !is_invisible(*character)) {
        if character.is_whitespace() || character.is_control() {
            blank = !line.is_empty();
            continue;
        }
        length += 1 + usize::from(blank);
        if length > most {
            line.push('…');
            break;
        }
        if blank {
            line.push(' ');
            blank = false;
        }
        line.push(character);
    }
    line
}

fn is_invisible(character: char) -> bool {
    matches!(character, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
        | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{61c}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_text_becomes_one_short_line() {
        assert_eq!(one_line("\r\n a\t\tb\u{1b}[31m\u{202e}c\n", 80), "a b [31mc");
        assert_eq!(one_line("éééé", 3), "ééé…");
        assert_eq!(one_line("ab cd", 3), "ab…");
        assert_eq!(one_line("abc \n", 3), "abc");
        assert_eq!(one_line("", 3), "");
    }
}
