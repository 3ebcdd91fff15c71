//! The lines of a credentials file, as Python's configparser understands them (`RawConfigParser` as botocore uses it:
//! `=` or `:` after a name, names in any case, comments on lines of their own, longer values on deeper lines).

use super::setting::{Meaning, Setting};

/// A line, with its end.
pub(super) struct Line<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) role: Role,
}

/// The role of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// Blank, or a comment.
    Blank,
    /// `[…]`.
    Header {
        /// Whether it begins the profile in question.
        wanted: bool,
    },
    /// A setting that is written, in the profile in question.
    Setting(Setting),
    /// The former session token in that profile.
    FormerToken,
    /// A continuation of the value of a [`Role::Setting`] or [`Role::FormerToken`].
    RestOfSetting,
    /// Any other setting.
    Other,
    /// Not a setting. configparser refuses the file; other readers skip the line.
    Unreadable,
    /// A continuation of the value of a [`Role::Other`].
    RestOfOther,
}

impl<'a> Line<'a> {
    /// Its line end; empty if the last line has none.
    pub(super) fn end(&self) -> &'a [u8] {
        let text =
            self.bytes.iter().rposition(|byte| !matches!(byte, b'\r' | b'\n')).map_or(0, |last| last + 1);
        &self.bytes[text..]
    }

    /// The white space at its start.
    pub(super) fn indentation(&self) -> &'a [u8] {
        let text = &self.bytes[..self.bytes.len() - self.end().len()];
        &text[..text.iter().take_while(|byte| is_blank(**byte)).count()]
    }

    pub(super) fn is_blank(&self) -> bool {
        self.bytes.iter().all(|byte| is_blank(*byte))
    }
}

pub(super) fn read<'a>(file: &'a [u8], profile: &str) -> Vec<Line<'a>> {
    let mut lines: Vec<Line<'a>> = split(file);
    let mut in_section = false;
    let mut in_profile = false;
    // The setting that deeper lines belong to, and the indentation of the last line that could begin one.
    let mut current: Option<Role> = None;
    let mut depth = 0;
    for line in &mut lines {
        let indentation = line.indentation().len();
        let text = trimmed(line.bytes);
        if text.is_empty() || text.starts_with(b"#") || text.starts_with(b";") {
            continue;
        }
        if let Some(current) = current.filter(|_| indentation > depth) {
            let of_setting = matches!(current, Role::Setting(_) | Role::FormerToken);
            line.role = if of_setting { Role::RestOfSetting } else { Role::RestOfOther };
            continue;
        }
        depth = indentation;
        if let Some(name) = header(text) {
            in_section = true;
            in_profile = name == profile.as_bytes();
            current = None;
            line.role = Role::Header { wanted: in_profile };
            continue;
        }
        line.role = Role::Unreadable;
        let equals = text.iter().position(|byte| matches!(byte, b'=' | b':'));
        let name = equals.map(|equals| trimmed(&text[..equals])).filter(|name| !name.is_empty());
        if let Some(name) = name.filter(|_| in_section) {
            line.role = match Meaning::of(name) {
                Meaning::Credential(setting) if in_profile => Role::Setting(setting),
                Meaning::FormerToken if in_profile => Role::FormerToken,
                _ => Role::Other,
            };
            current = Some(line.role);
        }
    }
    lines
}

/// Splits at `\n`, `\r\n` and, as Python does, at a `\r` alone.
fn split(file: &[u8]) -> Vec<Line<'_>> {
    let mut lines = Vec::new();
    let mut rest = file;
    while !rest.is_empty() {
        let end = rest
            .iter()
            .position(|byte| matches!(byte, b'\r' | b'\n'))
            .map_or(rest.len(), |end| end + if rest[end..].starts_with(b"\r\n") { 2 } else { 1 });
        lines.push(Line { bytes: &rest[..end], role: Role::Blank });
        rest = &rest[end..];
    }
    lines
}

/// The name in a header: up to the last `]`, as in configparser. Other readers stop at the first. A header
/// with two therefore belongs to no profile that can be named, and a new one is written, which all readers
/// understand.
fn header(text: &[u8]) -> Option<&[u8]> {
    let inner = text.strip_prefix(b"[")?;
    let last = inner.iter().rposition(|byte| *byte == b']').filter(|end| *end > 0)?;
    Some(&inner[..last])
}

fn trimmed(text: &[u8]) -> &[u8] {
    let start = text.iter().take_while(|byte| is_blank(**byte)).count();
    let end = text.iter().rev().take_while(|byte| is_blank(**byte)).count();
    &text[start..text.len().saturating_sub(end).max(start)]
}

/// ASCII white space, as Python defines it.
fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t'..=b'\r' | 0x1c..=0x1f)
}
