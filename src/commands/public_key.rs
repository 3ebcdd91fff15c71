//! `countersign public-key`: the SPKI PEM that CloudHSM CLI asks for.

use countersign::error::Error;
use countersign::save;
use serde_json::json;

use super::key::KeyOptions;
use super::terminal::Terminal;
use super::{process, tokens};
use crate::cli::PublicKey;

pub(crate) fn run(arguments: &PublicKey, options: &KeyOptions, terminal: &Terminal) -> Result<(), Error> {
    let key = options.public_key(&arguments.key, terminal)?;
    let pem = key.to_spki_pem();
    let to_file = arguments.output.as_deref().filter(|path| !tokens::is_stdin(path));
    match to_file {
        Some(path) => {
            process::undisturbed(|| save::write(path, pem.as_bytes()))?;
            terminal.say(&format!("{} written to {}", key.describe(), path.display()));
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
