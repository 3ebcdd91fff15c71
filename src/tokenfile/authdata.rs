//! The two-factor files of the older CloudHSM management utility (CMU, Client SDK 3):
//! `{"Version":"1.0","PublicKey":"","Data":[{"HsmId":"…","Digest":"…","Signature":""},…]}`. Each `Digest` is
//! base64 of 32 bytes that are signed as they are. createUser and changePswd require `PublicKey`, loginHSM
//! does not.

use std::ops::Range;

use super::json::Object;
use super::json_kind::JsonKind;
use super::{Token, TokenFileError, base64};
use crate::signature::Payload;

/// The `PublicKey` of a file: a PEM as one JSON string, or empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PublicKeyMember {
    pub(super) text: String,
    /// Where the JSON string is in the text, quotes included.
    pub(super) place: Range<usize>,
}

pub(super) fn read(
    text: &str,
    document: &Object<'_>,
) -> Result<(Vec<Token>, PublicKeyMember), TokenFileError> {
    document.version("Version", "1.0")?;
    let public_key = PublicKeyMember {
        text: document.string("PublicKey")?,
        place: document.expect("PublicKey", JsonKind::String)?.place(text),
    };
    let nodes = document.list("Data")?;
    if nodes.is_empty() {
        return Err(TokenFileError::NoTokens);
    }
    let mut tokens = Vec::with_capacity(nodes.len());
    for (index, node) in nodes.into_iter().enumerate() {
        let place = format!("token {}", index + 1);
        if node.kind() != JsonKind::Object {
            return Err(TokenFileError::TokenKind { place, found: node.kind() });
        }
        let entry = node.object(&place)?;
        let payload = Payload::Digest(base64::digest(&entry.string("Digest")?, &place, "Digest")?);
        let signed = base64::signature(&entry.string("Signature")?);
        tokens.push(Token {
            payload,
            signed,
            place: entry.expect("Signature", JsonKind::String)?.place(text),
        });
    }
    Ok((tokens, public_key))
}
