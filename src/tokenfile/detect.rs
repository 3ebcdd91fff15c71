//! Which format a file has, by its shape alone and without guessing: each format has top-level members that no other
//! one has, and a file with those of two is refused.

use super::json::Object;
use super::json_kind::JsonKind;
use super::{Format, TokenFile, TokenFileError, approval, authdata, mfa};

/// The members that tell the formats apart.
const MARKS: [(&str, &[&str]); 3] = [
    ("tokens", &["tokens"]),
    ("approval", &["token", "signatures", "approval_data"]),
    ("authdata", &["Data", "Version"]),
];

pub(super) fn read(text: &str, document: &Object<'_>) -> Result<TokenFile, TokenFileError> {
    let has = |names: &[&str]| names.iter().any(|name| document.get(name).is_some());
    let found: Vec<&str> = MARKS.iter().filter(|(_, names)| has(names)).map(|(group, _)| *group).collect();
    match found[..] {
        ["tokens"] => {
            let format = tokens_format(document)?;
            let tokens = mfa::tokens(text, document, format).map_err(|error| error.within(format))?;
            Ok(TokenFile { text: text.to_owned(), format, tokens, approvals: None, public_key: None })
        }
        ["approval"] => {
            let format = Format::QuorumApproval;
            let (token, approvals) = approval::read(text, document).map_err(|error| error.within(format))?;
            let tokens = vec![token];
            Ok(TokenFile {
                text: text.to_owned(),
                format,
                tokens,
                approvals: Some(approvals),
                public_key: None,
            })
        }
        ["authdata"] => {
            let format = Format::Authdata;
            let (tokens, public_key) =
                authdata::read(text, document).map_err(|error| error.within(format))?;
            Ok(TokenFile {
                text: text.to_owned(),
                format,
                tokens,
                approvals: None,
                public_key: Some(public_key),
            })
        }
        [] => Err(TokenFileError::UnknownFormat {
            members: document.names().take(8).map(str::to_owned).collect(),
        }),
        _ => Err(TokenFileError::TwoFormats),
    }
}

/// MFA and quorum registration differ in the tokens' `approval_data`: all of them have it, or none.
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
