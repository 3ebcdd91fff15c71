//! The keys that a person presses, as text that shows what cannot be part of a PIN.

use std::collections::VecDeque;
use std::io::{self, Read};

/// Keys that rpassword acts on: Enter, Backspace, Ctrl-C, Ctrl-D, Ctrl-U and Ctrl-W.
const EDITING: &[u8] = b"\r\n\x08\x7f\x03\x04\x15\x17";

/// The keys of a terminal as UTF-8 text, in which U+FFFD stands for each control character and for each byte
/// that is not UTF-8. rpassword drops control characters and, after a byte of Latin-1, swallows the bytes
/// that follow, even Enter; the rest would be sent and cost an attempt.
pub(super) struct Keys<R> {
    terminal: R,
    /// Read from the terminal, not looked at yet.
    typed: VecDeque<u8>,
    /// Ready to be handed out.
    text: VecDeque<u8>,
}

impl<R: Read> Keys<R> {
    pub(super) fn of(terminal: R) -> Self {
        // No character is longer than this.
        Keys { terminal, typed: VecDeque::with_capacity(4), text: VecDeque::with_capacity(4) }
    }

    /// The next byte; none at the end.
    fn next_byte(&mut self) -> io::Result<Option<u8>> {
        if let Some(byte) = self.typed.pop_front() {
            return Ok(Some(byte));
        }
        let mut byte = [0];
        Ok((self.terminal.read(&mut byte)? == 1).then_some(byte[0]))
    }

    /// Puts the next character into `text`; nothing at the end.
    fn next_character(&mut self) -> io::Result<()> {
        let Some(first) = self.next_byte()? else { return Ok(()) };
        let mut bytes = [first, 0, 0, 0];
        let length = match first {
            0xc2..=0xdf => 2,
            0xe0..=0xef => 3,
            0xf0..=0xf4 => 4,
            _ => 1,
        };
        let mut read = 1;
        while read < length {
            match self.next_byte()? {
                Some(byte) if byte & 0xc0 == 0x80 => bytes[read] = byte,
                Some(byte) => {
                    self.typed.push_front(byte);
                    break;
                }
                None => break,
            }
            read += 1;
        }
        let is_text = match std::str::from_utf8(&bytes[..read]) {
            Ok(text) => EDITING.contains(&first) || !text.contains(char::is_control),
            Err(_) => false,
        };
        self.text.extend(if is_text { &bytes[..read] } else { "\u{fffd}".as_bytes() });
        bytes.fill(0);
        Ok(())
    }
}

impl<R: Read> Read for Keys<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.text.is_empty() {
            self.next_character()?;
        }
        self.text.read(buffer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(typed: &[u8]) -> String {
        let mut text = String::new();
        Keys::of(typed).read_to_string(&mut text).unwrap();
        text
    }

    #[test]
    fn text_and_editing_keys_are_left_as_they_are() {
        for typed in ["1234\n", "1\u{7f}2\u{8}3\r", "\u{3}", "\u{4}", "\u{15}\u{17}", "é€𝄞\n"] {
            assert_eq!(text(typed.as_bytes()), typed);
        }
    }

    #[test]
    fn keys_that_are_not_text_show_and_swallow_no_other_key() {
        assert_eq!(text(b"caf\xe9\n"), "caf\u{fffd}\n");
        assert_eq!(text(b"\xe9\x89x\n"), "\u{fffd}x\n");
        assert_eq!(text(b"\xf0\n"), "\u{fffd}\n");
        assert_eq!(text(b"\xff\xc0\n"), "\u{fffd}\u{fffd}\n");
        assert_eq!(text(b"12\x1b[A\n"), "12\u{fffd}[A\n");
        assert_eq!(text(b"1\t2\x012"), "1\u{fffd}2\u{fffd}2");
        // A C1 control character.
        assert_eq!(text("1\u{9b}2".as_bytes()), "1\u{fffd}2");
    }
}
