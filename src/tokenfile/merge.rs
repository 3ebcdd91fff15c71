//! Joining the approvals that several people gave to copies of one quorum approval file.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use super::change::{ListText, splice};
use super::{Approval, TokenFile, TokenFileError, user_key};

/// The first file with the approvals of the others appended, in the order of the files. There is one entry
/// for each user: several files may contain the same signature of the same user.
///
/// # Errors
/// [`TokenFileError::NotForMerge`] for a file of another format, [`TokenFileError::OtherToken`] for one about another
/// token, [`TokenFileError::OtherMember`] for one that differs in more than its approvals,
/// [`TokenFileError::TwoSignatures`] when one user signed differently, or in another role, in two files. Each names the
/// file by its index.
pub fn merge(files: &[TokenFile]) -> Result<Vec<u8>, (usize, TokenFileError)> {
    let Some(first) = files.first() else { return Ok(Vec::new()) };
    let Some(base) = &first.approvals else { return Err((0, TokenFileError::NotForMerge)) };
    let mut users: BTreeMap<String, &Approval> = BTreeMap::new();
    let mut added: Vec<String> = Vec::new();
    for (index, file) in files.iter().enumerate() {
        let Some(approvals) = &file.approvals else { return Err((index, TokenFileError::NotForMerge)) };
        if file.tokens[0].payload != first.tokens[0].payload {
            return Err((index, TokenFileError::OtherToken));
        }
        if let Some(member) = different_member(&approvals.others, &base.others) {
            return Err((index, TokenFileError::OtherMember { member }));
        }
        for approval in &approvals.list {
            match users.entry(user_key(&approval.username)) {
                Entry::Occupied(user)
                    if user.get().signed == approval.signed && user.get().role == approval.role => {}
                Entry::Occupied(_) => {
                    return Err((
                        index,
                        TokenFileError::TwoSignatures { username: approval.username.clone() },
                    ));
                }
                Entry::Vacant(place) => {
                    place.insert(approval);
                    if index > 0 {
                        // As it is in its file, with any members that are not known here.
                        added.push(file.text[approval.place.clone()].to_owned());
                    }
                }
            }
        }
    }
    let edits = if added.is_empty() { Vec::new() } else { vec![ListText::of(first, base).append(&added)] };
    Ok(splice(&first.text, &edits).into_bytes())
}

/// A member that only one of them has, or that differs in more than white space.
fn different_member(ours: &[(String, String)], theirs: &[(String, String)]) -> Option<String> {
    type Texts<'a> = BTreeMap<&'a str, &'a str>;
    fn texts(members: &[(String, String)]) -> Texts<'_> {
        members.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect()
    }
    // Members nested too deeply to be parsed are compared as text.
    let value = |texts: &Texts<'_>, name: &str| -> Option<Result<serde_json::Value, String>> {
        let text = *texts.get(name)?;
        Some(serde_json::from_str(text).map_err(|_| text.to_owned()))
    };
    let (our_texts, their_texts) = (texts(ours), texts(theirs));
    let names = ours.iter().chain(theirs).map(|(name, _)| name);
    let mut differing = names.filter(|name| value(&our_texts, name) != value(&their_texts, name));
    differing.next().cloned()
}
