//! Which format a file has, by its shape alone and without guessing.
//!
//! | format | the member that decides | also required | may be there |
//! |---|---|---|---|
//! | MFA tokens | `tokens` | `version` 2.0 | anything |
//! | quorum registration | `tokens`, each with `approval_data` | `version` 2.0 | `signatures`, which CloudHSM
//! CLI 5.18 writes as well and this program leaves as it is |
//! | quorum approval | `token` | `version` 2.0, `approval_data`, `signatures` | `service`, `key_reference` |
//! | CMU two-factor digests | `Data` | `Version` 1.0, `PublicKey` | anything |
//!
//! A file with the deciding members of two formats contains two things that could be signed, and is refused.

use super::json::Object;
use super::json_kind::JsonKind;
use super::{Format, TokenFile, TokenFileError, approval, authdata, mfa};

/// What is signed in a file, by the member that names it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shape {
    Tokens,
    Approval,
    Authdata,
}

/// The members that decide.
const DECIDING: [(&str, Shape); 3] =
    [("tokens", Shape::Tokens), ("token", Shape::Approval), ("Data", Shape::Authdata)];

/// Members that make a file resemble a format although the deciding one is missing.
const TELLING: [(&str, Shape); 3] =
    [("signatures", Shape::Approval), ("approval_data", Shape::Approval), ("Version", Shape::Authdata)];

pub(super) fn read(text: &str, document: &Object<'_>) -> Result<TokenFile, TokenFileError> {
    let shape_of = |members: &[(&str, Shape)]| {
        let found: Vec<Shape> = members
            .iter()
            .filter(|(name, _)| document.get(name).is_some())
            .map(|(_, shape)| *shape)
            .collect();
        match found[..] {
            [] => Ok(None),
            [first, ref rest @ ..] if rest.iter().all(|other| *other == first) => Ok(Some(first)),
            _ => Err(TokenFileError::TwoFormats),
        }
    };
    let shape = match shape_of(&DECIDING)? {
        Some(shape) => Some(shape),
        None => shape_of(&TELLING)?,
    };
    let file = |format, tokens| TokenFile {
        text: text.to_owned(),
        format,
        tokens,
        approvals: None,
        public_key: None,
    };
    match shape {
        Some(Shape::Tokens) => {
            let format = tokens_format(document)?;
            let tokens = mfa::tokens(text, document, format).map_err(|error| error.within(format))?;
            Ok(file(format, tokens))
        }
        Some(Shape::Approval) => {
            let format = Format::QuorumApproval;
            let (token, approvals) = approval::read(text, document).map_err(|error| error.within(format))?;
            Ok(TokenFile { approvals: Some(approvals), ..file(format, vec![token]) })
        }
        Some(Shape::Authdata) => {
            let format = Format::Authdata;
            let (tokens, public_key) =
                authdata::read(text, document).map_err(|error| error.within(format))?;
            Ok(TokenFile { public_key: Some(public_key), ..file(format, tokens) })
        }
        None => Err(TokenFileError::UnknownFormat {
            members: document.names().take(8).map(str::to_owned).collect(),
        }),
    }
}

/// MFA and quorum registration differ in the tokens' `approval_data`: either all of them have it, or none.
fn tokens_format(document: &Object<'_>) -> Result<Format, TokenFileError> {
    let nodes = document.list("tokens").map_err(|error| error.within(Format::Mfa))?;
    let mut with_data = 0;
    let mut objects = 0;
    for (index, node) in nodes.iter().enumerate() {
        if node.kind() == JsonKind::Object {
            objects += 1;
            let place = format!("token {}", index + 1);
            let token = node.object(&place).map_err(|error| error.within(Format::Mfa))?;
            with_data += usize::from(token.get("approval_data").is_some());
        }
    }
    match with_data {
        0 => Ok(Format::Mfa),
        _ if with_data == objects => Ok(Format::QuorumRegistration),
        _ => Err(TokenFileError::MixedTokens { with_data, tokens: nodes.len() }),
    }
}
