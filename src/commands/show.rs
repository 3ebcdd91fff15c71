//! `countersign show`: what a token file holds.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use countersign::error::Error;
use countersign::tokenfile::Signed;
use serde_json::json;

use super::terminal::Terminal;
use super::tokens::{self, Purpose};
use crate::cli::Show;

pub(crate) fn run(arguments: &Show, terminal: &Terminal) -> Result<(), Error> {
    let inputs = tokens::read_all(&arguments.files, Purpose::Look)?;
    let mut files = Vec::new();
    for input in &inputs {
        let tokens = input.tokens.tokens();
        let signed = tokens.iter().filter(|token| token.signed != Signed::No).count();
        terminal.report(&format!(
            "{}: {}, {} in all, {signed} signed, {} to sign",
            input.name(),
            input.tokens.format(),
            tokens.len(),
            tokens.len() - signed
        ))?;
        let mut rows = Vec::new();
        for (index, token) in tokens.iter().enumerate() {
            let unsigned = STANDARD.encode(token.payload.digest());
            let (state, signature) = match &token.signed {
                Signed::No => ("not signed".to_owned(), None),
                Signed::Yes(signature) => {
                    (format!("signed, {} bytes", signature.len()), Some(STANDARD.encode(signature)))
                }
                Signed::Unreadable(reason) => (format!("signed, but not base64: {reason}"), None),
            };
            terminal.report(&format!("  token {}  {unsigned}  {state}", index + 1))?;
            rows.push(json!({ "unsigned": unsigned, "signed": signature, "state": state }));
        }
        files.push(json!({
            "file": input.name(),
            "format": input.tokens.format().name(),
            "signed": signed,
            "to_sign": tokens.len() - signed,
            "tokens": rows,
        }));
    }
    terminal.document(&json!({ "files": files }))
}
