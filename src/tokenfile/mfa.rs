//! MFA files: `{"version":"2.0","tokens":[{"unsigned":"…","signed":""},…]}`, one token for each HSM of the cluster.
//!
//! Each `unsigned` is base64 of 32 bytes that ARE a SHA-256 digest: AWS's guide signs them with
//! `openssl pkeyutl -sign -pkeyopt digest:sha256`, and the samples it publishes verify only so. Hashed once more they
//! fail at the HSM.

use super::json::{Kind, Object};
use super::{Signed, Token, TokenFileError, decode_base64};
use crate::signature::Payload;

pub(super) fn tokens(text: &str, document: &Object<'_>) -> Result<Vec<Token>, TokenFileError> {
    if document.get("tokens").is_none() {
        return Err(TokenFileError::unknown_format(document.names()));
    }
    let version = document.string("version")?;
    if version != "2.0" {
        return Err(TokenFileError::Version { found: version });
    }
    let nodes = document.list("tokens")?;
    if nodes.is_empty() {
        return Err(TokenFileError::NoTokens);
    }
    nodes.into_iter().enumerate().map(|(index, node)| token(text, index, node)).collect()
}

fn token(text: &str, index: usize, node: super::json::Node<'_>) -> Result<Token, TokenFileError> {
    let place = format!("token {}", index + 1);
    if node.kind() != Kind::Object {
        return Err(TokenFileError::TokenKind { place, found: node.kind() });
    }
    let token = node.object(&place)?;
    if token.get("approval_data").is_some() {
        return Err(TokenFileError::Unsupported { what: "a quorum registration file" });
    }

    let unsigned = decode_base64(&token.string("unsigned")?).map_err(|reason| TokenFileError::NotBase64 {
        place: place.clone(),
        name: "unsigned",
        reason,
    })?;
    let digest: [u8; 32] = unsigned.try_into().map_err(|bytes: Vec<u8>| TokenFileError::DigestLength {
        place: place.clone(),
        found: bytes.len(),
    })?;

    let signed = match token.string("signed")? {
        empty if empty.is_empty() => Signed::No,
        signature => decode_base64(&signature).map_or_else(Signed::Unreadable, Signed::Yes),
    };
    let place = token.expect("signed", Kind::String)?.place(text);
    Ok(Token { payload: Payload::Digest(digest), signed, place })
}
