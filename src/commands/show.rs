//! `countersign show`: the contents of a token file.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use countersign::error::Error;
use countersign::signing::{Purpose, read_all};
use countersign::tokenfile::{Format, Signed, TokenFile};
use serde_json::{Value, json};

use super::quorum;
use crate::cli::Show;
use crate::terminal::Terminal;

pub(crate) fn run(arguments: &Show, terminal: &Terminal) -> Result<(), Error> {
    let inputs = read_all(&arguments.files, Purpose::Look)?;
    let mut files = Vec::new();
    for input in &inputs {
        let file = input.file()?;
        files.push(match file.format() {
            Format::QuorumApproval => show_approvals(&input.name(), file, terminal)?,
            _ => show_tokens(&input.name(), file, terminal)?,
        });
    }
    terminal.document(&json!({ "files": files }))
}

fn show_tokens(name: &str, file: &TokenFile, terminal: &Terminal) -> Result<Value, Error> {
    let tokens = file.tokens();
    let signed = tokens.iter().filter(|token| token.signed != Signed::No).count();
    let to_sign = tokens.len() - signed;
    terminal.report(&format!(
        "{name}: {}, {} in all, {signed} signed, {to_sign} to sign",
        file.format(),
        tokens.len()
    ))?;
    let mut rows = Vec::new();
    for (index, token) in tokens.iter().enumerate() {
        let unsigned = STANDARD.encode(token.payload.digest());
        let (state, signature) = state(&token.signed);
        terminal.report(&format!("  token {}  {unsigned}  {state}", index + 1))?;
        rows.push(json!({ "unsigned": unsigned, "signed": signature, "state": state }));
    }
    if let Some(text) = file.public_key_text() {
        terminal.report(if text.is_empty() { "  PublicKey is empty" } else { "  PublicKey is filled" })?;
    }
    Ok(json!({
        "file": name, "format": file.format().name(), "signed": signed, "to_sign": to_sign, "tokens": rows,
        "public_key": file.public_key_text(),
    }))
}

fn show_approvals(name: &str, file: &TokenFile, terminal: &Terminal) -> Result<Value, Error> {
    let token = STANDARD.encode(file.tokens()[0].payload.digest());
    let lines = quorum::describe(file);
    terminal.report(&format!("{name}: {}", file.format()))?;
    terminal.report(&format!("  token  {token}"))?;
    for line in &lines {
        terminal.report(&format!("  {line}"))?;
    }
    for warning in quorum::warnings(file) {
        terminal.warn(&warning);
    }
    let approvals: Vec<Value> = file
        .approvals()
        .iter()
        .map(|approval| {
            let (state, signature) = state(&approval.signed);
            json!({ "username": approval.username, "role": approval.role, "signature": signature, "state": state })
        })
        .collect();
    Ok(json!({
        "file": name, "format": file.format().name(), "token": token, "service": file.service(), "says": lines,
        "approvals": approvals,
    }))
}

fn state(signed: &Signed) -> (String, Option<String>) {
    match signed {
        Signed::No => ("not signed".into(), None),
        Signed::Yes(signature) => {
            (format!("signed, {} bytes", signature.len()), Some(STANDARD.encode(signature)))
        }
        Signed::Unreadable(reason) => (format!("signed, but not base64: {reason}"), None),
    }
}
