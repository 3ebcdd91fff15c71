//! Inserting signatures into the text that was read.

use std::ops::Range;

use super::approval::Approvals;
use super::is_same_user;
use super::{TokenFile, base64};

/// Something to put into a file.
#[derive(Clone, Copy, Debug)]
pub enum Change<'a> {
    /// The signature of a token.
    Signature {
        /// Index of the token.
        token: usize,
        /// The signature, raw.
        signature: &'a [u8],
    },
    /// An approver's entry. If the user has one already, its signature is replaced, and its role if one is
    /// given.
    Approval {
        /// CloudHSM user name.
        username: &'a str,
        /// CloudHSM role, for services that require it.
        role: Option<&'a str>,
        /// The signature, raw.
        signature: &'a [u8],
    },
    /// The `PublicKey` of a CMU file, in PEM.
    PublicKey(&'a str),
}

pub(super) fn apply<'a>(file: &TokenFile, changes: impl IntoIterator<Item = Change<'a>>) -> Vec<u8> {
    let mut edits: Vec<(Range<usize>, String)> = Vec::new();
    for change in changes {
        match (change, &file.approvals, &file.public_key) {
            (Change::Signature { token, signature }, None, _) => {
                edits.extend(
                    file.tokens
                        .get(token)
                        .map(|token| (token.place.clone(), quoted(&base64::encode(signature)))),
                );
            }
            (Change::Approval { username, role, signature }, Some(approvals), _) => {
                let signature = base64::encode(signature);
                let list = ListText::of(file, approvals);
                // In an existing entry only what changes is replaced; its other members stay.
                match approvals.list.iter().find(|approval| is_same_user(&approval.username, username)) {
                    Some(approval) => {
                        edits.push((approval.signature_place.clone(), quoted(&signature)));
                        edits.extend(role.map(|role| match &approval.role_place {
                            Some(place) => (place.clone(), quoted(role)),
                            None => {
                                let end = approval.username_place.end;
                                (end..end, format!(",{}", list.member("role", role)))
                            }
                        }));
                    }
                    None => {
                        let mut members = vec![("username", username.to_owned())];
                        members.extend(role.map(|role| ("role", role.to_owned())));
                        members.push(("signature", signature));
                        edits.push(list.append(&[list.object(&members)]));
                    }
                }
            }
            (Change::PublicKey(pem), _, Some(member)) => edits.push((member.place.clone(), quoted(pem))),
            _ => {}
        }
    }
    edits.sort_by_key(|(place, _)| place.start);
    splice(&file.text, &edits).into_bytes()
}

/// The text with the ranges replaced; they must be in order and not overlap.
pub(super) fn splice(text: &str, edits: &[(Range<usize>, String)]) -> String {
    let mut output =
        String::with_capacity(text.len() + edits.iter().map(|(_, new)| new.len()).sum::<usize>());
    let mut done = 0;
    for (place, replacement) in edits {
        output.push_str(&text[done..place.start]);
        output.push_str(replacement);
        done = place.end;
    }
    output.push_str(&text[done..]);
    output
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// How the list of approvals is formatted, so that new entries look like the existing ones.
pub(super) struct ListText<'a> {
    /// Where the list is, brackets included.
    place: Range<usize>,
    /// Where its last entry ends.
    last: Option<usize>,
    /// What precedes an entry: a line end and blanks, or nothing.
    before_entry: String,
    /// What precedes a member of an entry.
    before_member: String,
    /// What precedes the closing bracket.
    before_end: &'a str,
}

impl<'a> ListText<'a> {
    pub(super) fn of(file: &'a TokenFile, approvals: &Approvals) -> Self {
        let text = &file.text;
        let place = approvals.place.clone();
        let line_start = text[..place.start].rfind('\n').map(|end| end + 1);
        // The white space before the member is that of its line; none if everything is on one line.
        let indent_of = |start: usize| {
            &text[start..start + text[start..].len() - text[start..].trim_start_matches([' ', '\t']).len()]
        };
        let line_end = if text[..place.start].ends_with("\r\n") || text[..place.start].contains("\r\n") {
            "\r\n"
        } else {
            "\n"
        };
        let (before_entry, before_member) = match (approvals.list.first(), line_start) {
            (Some(first), _) => {
                let before_entry = text[place.start + 1..first.place.start].to_owned();
                let entry = &text[first.place.clone()];
                let inside = &entry[1..];
                let before_member = inside[..inside.len() - inside.trim_start().len()].to_owned();
                (before_entry, before_member)
            }
            (None, Some(start)) => {
                let indent = indent_of(start);
                let step = if indent.is_empty() { "  " } else { indent };
                (format!("{line_end}{indent}{step}"), format!("{line_end}{indent}{step}{step}"))
            }
            (None, None) => (String::new(), String::new()),
        };
        let before_end = match (approvals.list.last(), line_start) {
            (Some(last), _) => &text[last.place.end..place.end - 1],
            (None, Some(start)) => indent_of(start),
            (None, None) => "",
        };
        ListText {
            last: approvals.list.last().map(|last| last.place.end),
            place,
            before_entry,
            before_member,
            before_end,
        }
    }

    /// An entry with these members.
    fn object(&self, members: &[(&str, String)]) -> String {
        let on_lines_or_dense = self.before_member.is_empty() || self.before_member.contains('\n');
        let separator = if on_lines_or_dense { "," } else { ", " };
        let members: Vec<String> = members.iter().map(|(name, value)| self.member(name, value)).collect();
        let end = if self.before_member.contains('\n') { self.before_entry.as_str() } else { "" };
        format!("{{{}{end}}}", members.join(separator))
    }

    /// A member, and what precedes it.
    fn member(&self, name: &str, value: &str) -> String {
        let before = if self.before_member.contains('\n') { self.before_member.as_str() } else { "" };
        let blank = if self.before_member.is_empty() { "" } else { " " };
        format!("{before}{}:{blank}{}", quoted(name), quoted(value))
    }

    /// The edit that appends entries after the last one.
    pub(super) fn append(&self, entries: &[String]) -> (Range<usize>, String) {
        let joined = entries.join(&format!(",{}", self.before_entry));
        match self.last {
            Some(end) => (end..end, format!(",{}{joined}", self.before_entry)),
            None => {
                let line_end = if self.before_entry.contains("\r\n") {
                    "\r\n"
                } else if self.before_entry.contains('\n') {
                    "\n"
                } else {
                    ""
                };
                (self.place.clone(), format!("[{}{joined}{line_end}{}]", self.before_entry, self.before_end))
            }
        }
    }
}
