//! `countersign keygen`: generates a non-exportable key on the device.

use countersign::device::{Exportability, KeySpec, NotTaken, UniqueAttribute, UserType, WritableDevice};
use countersign::error::Error;
use countersign::save::Output;
use countersign::uri::Uri;
use serde_json::json;

use super::context::{Context, parse_uri, tell};
use super::usage::UsageError;
use crate::cli::Keygen;
use crate::terminal::Terminal;

pub(crate) fn run(arguments: &Keygen, context: &Context, terminal: &Terminal) -> Result<(), Error> {
    let output = arguments.output.as_deref().map(Output::at).transpose()?;
    let uri = match &arguments.device {
        Some(text) => parse_uri(text, "--device")?,
        None => Uri::default(),
    };
    if arguments.label.as_deref() == Some("") {
        return Err(UsageError::EmptyLabel.into());
    }
    let spec = KeySpec {
        label: arguments
            .label
            .clone()
            .unwrap_or_else(|| arguments.slot.map(|slot| slot.label().to_owned()).unwrap_or_default()),
        id: match (&arguments.id, arguments.slot) {
            (Some(hex), _) => Some(parse_id(hex)?),
            (None, slot) => slot.map(|slot| vec![slot.id()]),
        },
        kind: arguments.kind,
        always_authenticate: arguments.always_authenticate,
        by_slot: arguments.slot.is_some(),
    };
    let modules = context.load_modules(std::slice::from_ref(&uri), terminal)?;
    let login = context.login_to_prepare();
    let device = WritableDevice::open(&modules, &uri, &login, &mut |notice| tell(&notice, terminal))?;
    let id = device.free_id(&spec)?;
    // A card may take a minute to do this.
    terminal.say(&format!("generating the key on {}…", device.device().describe()));
    let key = device.generate(&KeySpec { id: Some(id), ..spec })?;
    for attribute in &key.unsaid {
        // On most devices the security officer sees no private key.
        if login.user_type != UserType::SecurityOfficer {
            terminal.warn(&format!("the device does not say {attribute} of the key"));
        }
    }
    for NotTaken { what, asked, found } in &key.not_taken {
        // The label that a slot suggests was not requested.
        if *what == UniqueAttribute::Label && arguments.label.is_none() {
            continue;
        }
        let instead = match found {
            Some(found) => format!("the key has the {what} {found}"),
            None => format!("the key has no {what}"),
        };
        terminal.warn(&format!("the device did not store the {what} {asked}: {instead}"));
    }
    let leaves = match key.facts.exportability() {
        Exportability::CannotLeave => match device.device().software_store() {
            None => ", not exportable".to_owned(),
            Some(store) => format!("; the module claims that it cannot leave the device ({store})"),
        },
        _ => String::new(),
    };
    terminal.say(&format!("{}, generated on the device{leaves}:", key.public_key.describe()));
    // This comes first: whatever happens now, the key exists.
    terminal.report(&key.uri)?;
    if let Some(output) = &output {
        let written = output.write(key.public_key.spki_pem().as_bytes());
        let not_kept = written.map_err(|error| {
            Error::from(error).with_consequence(format!("The key is on the device: {}", key.uri))
        })?;
        terminal.warn_of(&not_kept);
        terminal.say(&format!("The public key is in {}.", output.path().display()));
    }
    terminal.document(&json!({
        "uri": key.uri,
        "kind": key.public_key.describe(),
        "exportable": key.facts.exportability().can_leave(),
        "made_on_device": key.facts.local,
        "always_authenticate": key.facts.always_authenticate,
        "not_said_by_device": key.unsaid,
        "not_stored_by_device": key.not_taken.iter().map(|not| not.what.to_string()).collect::<Vec<_>>(),
        "public_key_sha256": key.public_key.sha256(),
        "public_key_written": arguments.output,
    }))
}

fn parse_id(hex: &str) -> Result<Vec<u8>, UsageError> {
    let wrong = || UsageError::Id(hex.to_owned());
    if hex.is_empty()
        || !hex.len().is_multiple_of(2)
        || hex.len() > 64
        || !hex.bytes().all(|byte| byte.is_ascii_hexdigit())
    {
        return Err(wrong());
    }
    (0..hex.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).map_err(|_| wrong()))
        .collect()
}
