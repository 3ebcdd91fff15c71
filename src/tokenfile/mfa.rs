//! MFA and quorum registration files: `{"version":"2.0","tokens":[{"unsigned":"…","signed":""},…]}`, one token for each
//! HSM of the cluster. In a registration file each token also has `approval_data`.
//!
//! Each `unsigned` is base64 of 32 bytes that ARE a SHA-256 digest: AWS's guide signs them with `openssl
//! pkeyutl -sign -pkeyopt digest:sha256`, and only such signatures verify in the samples that it publishes.
//! Hashed once more, they fail at the HSM. If `approval_data` is present, `unsigned` is its digest, and the
//! device can hash the data itself.

use super::json::{Node, Object};
use super::json_kind::JsonKind;
use super::{Format, Token, TokenFileError, base64};
use crate::signature::Payload;

pub(super) fn tokens(
    text: &str,
    document: &Object<'_>,
    format: Format,
) -> Result<Vec<Token>, TokenFileError> {
    document.version("version", "2.0")?;
    let nodes = document.list("tokens")?;
    if nodes.is_empty() {
        return Err(TokenFileError::NoTokens);
    }
    nodes.into_iter().enumerate().map(|(index, node)| token(text, index, node, format)).collect()
}

fn token(text: &str, index: usize, node: Node<'_>, format: Format) -> Result<Token, TokenFileError> {
    let place = format!("token {}", index + 1);
    if node.kind() != JsonKind::Object {
        return Err(TokenFileError::TokenKind { place, found: node.kind() });
    }
    let token = node.object(&place)?;
    let digest = base64::digest(&token.string("unsigned")?, &place, "unsigned")?;
    let payload = if format == Format::QuorumRegistration {
        message_of(&token, &place, "unsigned", digest)?
    } else {
        Payload::Digest(digest)
    };
    let signed = base64::signature(&token.string("signed")?);
    Ok(Token { payload, signed, place: token.expect("signed", JsonKind::String)?.place(text) })
}

/// The `approval_data` behind a digest: bytes that a device can hash and sign itself. A file whose digest
/// does not match its data would have people approve something other than it shows.
pub(super) fn message_of(
    object: &Object<'_>,
    place: &str,
    digest_name: &'static str,
    digest: [u8; 32],
) -> Result<Payload, TokenFileError> {
    let message = Payload::message(base64::decode(&object.string("approval_data")?, place, "approval_data")?);
    if message.digest() == digest {
        Ok(message)
    } else {
        Err(TokenFileError::OtherDigest { place: place.to_owned(), name: digest_name })
    }
}
