//! Quorum approval files: `{"version":"2.0","approval_data":"…","token":"…","signatures":[]}`. `token` is the SHA-256 of
//! `approval_data`, one for all HSMs; each approver appends an entry to `signatures`. Files of key services
//! (`key-usage`, `key-management`) also have `service` and `key_reference`, and name the approver's role.

use std::collections::HashSet;
use std::ops::Range;

use super::json::Object;
use super::json_kind::JsonKind;
use super::{Signed, Token, TokenFileError, base64, mfa, user_key};

/// One approver's entry in `signatures`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Approval {
    /// CloudHSM user name.
    pub username: String,
    /// CloudHSM role (`admin`, `crypto-user`), if the entry names it.
    pub role: Option<String>,
    /// The signature.
    pub signed: Signed,
    /// Where the entry is in the text.
    pub(super) place: Range<usize>,
    /// Where its signature's JSON string is in the text.
    pub(super) signature_place: Range<usize>,
    /// Where its user name's JSON string is in the text.
    pub(super) username_place: Range<usize>,
    /// Where its role's JSON string is in the text.
    pub(super) role_place: Option<Range<usize>>,
}

/// The approvals and where they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Approvals {
    pub(super) list: Vec<Approval>,
    /// Where the list is, brackets included.
    pub(super) place: Range<usize>,
    pub(super) service: Option<String>,
    /// A `key_reference` that is not null.
    has_key_reference: bool,
    /// All members except the approvals, as text: they are equal in all copies of one file.
    pub(super) others: Vec<(String, String)>,
}

impl Approvals {
    /// The service decides. A file that names none is for a key service if it refers to a key.
    pub(super) fn is_for_key_service(&self) -> bool {
        self.service.as_ref().map_or(self.has_key_reference, |service| service.starts_with("key-"))
    }
}

pub(super) fn read(text: &str, document: &Object<'_>) -> Result<(Token, Approvals), TokenFileError> {
    document.version("version", "2.0")?;
    let digest = base64::digest(&document.string("token")?, "the file", "token")?;
    let payload = mfa::message_of(document, "the file", "token", digest)?;
    let nodes = document.list("signatures")?;
    let place = document.expect("signatures", JsonKind::Array)?.place(text);

    let mut list: Vec<Approval> = Vec::with_capacity(nodes.len());
    let mut users = HashSet::with_capacity(nodes.len());
    for (index, node) in nodes.into_iter().enumerate() {
        let name = format!("approval {}", index + 1);
        if node.kind() != JsonKind::Object {
            return Err(TokenFileError::TokenKind { place: name, found: node.kind() });
        }
        let entry = node.object(&name)?;
        let approval = Approval {
            username: entry.string("username")?,
            role: if entry.get("role").is_some() { Some(entry.string("role")?) } else { None },
            signed: base64::signature(&entry.string("signature")?),
            place: node.place(text),
            username_place: entry.expect("username", JsonKind::String)?.place(text),
            signature_place: entry.expect("signature", JsonKind::String)?.place(text),
            role_place: entry.get("role").map(|role| role.place(text)),
        };
        if !users.insert(user_key(&approval.username)) {
            return Err(TokenFileError::ApproverTwice { username: approval.username });
        }
        list.push(approval);
    }
    let service = if document.get("service").is_some() { Some(document.string("service")?) } else { None };
    let has_key_reference = document.get("key_reference").is_some_and(|node| node.kind() != JsonKind::Null);
    let token = Token { payload, signed: Signed::No, place: place.clone() };
    let others = document.members().filter(|(name, _)| *name != "signatures");
    let others = others.map(|(name, node)| (name.to_owned(), text[node.place(text)].to_owned())).collect();
    Ok((token, Approvals { list, place, service, has_key_reference, others }))
}
