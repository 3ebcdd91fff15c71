//! Joining the approvals that several people gave to copies of one quorum approval file.

use super::change::{ListText, splice};
use super::{Signed, TokenFile, TokenFileError};

/// The first file with the approvals of the others appended, in the order of the files. One entry a user: the same
/// signature of the same user may be in several files.
///
/// # Errors
/// [`TokenFileError::NotForMerge`] for a file of another format, [`TokenFileError::OtherToken`] for one about another
/// token, [`TokenFileError::TwoSignatures`] when one user signed differently in two files. Each names the file by its
/// index.
pub fn merge(files: &[TokenFile]) -> Result<Vec<u8>, (usize, TokenFileError)> {
    let Some(first) = files.first() else { return Ok(Vec::new()) };
    let mut users: Vec<(&str, &Signed)> = Vec::new();
    let mut added: Vec<String> = Vec::new();
    for (index, file) in files.iter().enumerate() {
        let Some(approvals) = &file.approvals else { return Err((index, TokenFileError::NotForMerge)) };
        if file.tokens[0].payload != first.tokens[0].payload {
            return Err((index, TokenFileError::OtherToken));
        }
        for approval in &approvals.list {
            match users.iter().find(|(username, _)| *username == approval.username) {
                Some((_, signed)) if **signed == approval.signed => {}
                Some(_) => {
                    return Err((
                        index,
                        TokenFileError::TwoSignatures { username: approval.username.clone() },
                    ));
                }
                None => {
                    users.push((&approval.username, &approval.signed));
                    if index > 0 {
                        // As it stands there, with members that are not known.
                        added.push(file.text[approval.place.clone()].to_owned());
                    }
                }
            }
        }
    }
    let edits = match ListText::of(first) {
        Some(list) if !added.is_empty() => vec![list.append(&added)],
        _ => Vec::new(),
    };
    Ok(splice(&first.text, &edits).into_bytes())
}
