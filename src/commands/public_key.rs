//! `countersign public-key`: the SPKI PEM that CloudHSM CLI asks for.

use countersign::error::Error;
use countersign::save::{self, Output};
use serde_json::json;

use super::context::Context;
use crate::cli::PublicKey;
use crate::terminal::Terminal;

pub(crate) fn run(arguments: &PublicKey, context: &Context, terminal: &Terminal) -> Result<(), Error> {
    let to_file = arguments.output.as_deref().filter(|path| !save::is_dash(path));
    let output = to_file.map(Output::at).transpose()?;
    let key = context.public_key(&arguments.key, terminal)?;
    let pem = key.spki_pem();
    match &output {
        Some(output) => {
            terminal.warn_of(&output.write(pem.as_bytes())?);
            terminal.say(&format!("{} written to {}", key.describe(), output.path().display()));
        }
        None if terminal.wants_json() => {}
        None => terminal.data(pem.as_bytes())?,
    }
    terminal.document(&json!({
        "kind": key.describe(),
        "public_key_sha256": key.sha256(),
        "pem": pem,
        "written": to_file.map(|path| path.display().to_string()),
    }))
}
