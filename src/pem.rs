//! PEM (RFC 7468), read leniently: with text around the blocks, and with lines of any length and end.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

const BEGIN: &str = "-----BEGIN ";
const DASHES: &str = "-----";

/// A block.
pub(crate) struct Block<'a> {
    /// Its label; none if its first line has no end.
    pub(crate) label: Option<&'a str>,
    /// Its content; none if it is not base64 up to its last line.
    pub(crate) der: Option<Vec<u8>>,
}

/// The text of a file. It is UTF-16 if it begins with that byte-order mark, as PowerShell's `>` writes it.
/// Bytes that are not text may stand between the blocks.
pub(crate) fn text(bytes: &[u8]) -> Cow<'_, str> {
    let utf_16 = |bytes: &[u8], unit: fn([u8; 2]) -> u16| {
        let (pairs, _) = bytes.as_chunks::<2>();
        String::from_utf16_lossy(&pairs.iter().map(|pair| unit(*pair)).collect::<Vec<_>>())
    };
    // Bytes of any kind may stand before a block that is not in UTF-16.
    let has_block = bytes.windows(BEGIN.len()).any(|window| window == BEGIN.as_bytes());
    match bytes {
        _ if has_block => String::from_utf8_lossy(bytes),
        [0xff, 0xfe, rest @ ..] => utf_16(rest, u16::from_le_bytes).into(),
        [0xfe, 0xff, rest @ ..] => utf_16(rest, u16::from_be_bytes).into(),
        _ => String::from_utf8_lossy(bytes),
    }
}

/// The blocks of a text, in their order. Text between them does not count (RFC 7468 section 2).
pub(crate) fn blocks(text: &str) -> impl Iterator<Item = Block<'_>> {
    text.split(BEGIN).skip(1).map(|block| match block.split_once(DASHES) {
        Some((label, rest)) => Block { label: Some(label), der: content(label, rest) },
        None => Block { label: None, der: None },
    })
}

/// The content of a block, whose text after the first line is `block`.
fn content(label: &str, block: &str) -> Option<Vec<u8>> {
    let (base64, end) = block.split_once(DASHES)?;
    end.strip_prefix("END ")?.strip_prefix(label)?.strip_prefix(DASHES)?;
    let base64: String = base64.split_ascii_whitespace().collect();
    STANDARD.decode(base64).ok()
}
