//! PEM (RFC 7468) as people have it: with text around the blocks, and with lines of any length and end.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

const BEGIN: &str = "-----BEGIN ";
const DASHES: &str = "-----";

/// A block.
pub(crate) struct Block<'a> {
    /// What it says that it holds; none where its first line has no end.
    pub(crate) label: Option<&'a str>,
    /// What it holds; none where it is not base64 up to its last line.
    pub(crate) der: Option<Vec<u8>>,
}

/// The blocks of a text, in its order. What stands between them does not count (RFC 7468 section 2).
pub(crate) fn blocks(text: &str) -> impl Iterator<Item = Block<'_>> {
    text.split(BEGIN).skip(1).map(|block| match block.split_once(DASHES) {
        Some((label, rest)) => Block { label: Some(label), der: content(label, rest) },
        None => Block { label: None, der: None },
    })
}

/// What a block holds, from behind its first line on.
fn content(label: &str, block: &str) -> Option<Vec<u8>> {
    let (base64, end) = block.split_once(DASHES)?;
    end.strip_prefix("END ")?.strip_prefix(label)?.strip_prefix(DASHES)?;
    let base64: String = base64.split_ascii_whitespace().collect();
    STANDARD.decode(base64).ok()
}
