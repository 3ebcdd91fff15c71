//! `countersign list`: modules, devices, keys and certificates as a tree, each with a URI to paste.

mod document;

use std::time::SystemTime;

use countersign::device::{
    Absence, CertificateEntry, DeviceEntry, Exportability, Inventory, KeyEntry, inventory,
};
use countersign::error::Error;
use countersign::uri::Uri;
use serde_json::json;

use super::context::{Context, parse_uri, tell};
use crate::cli::List;
use crate::terminal::Terminal;
use document::{chain, document, text};

pub(crate) fn run(arguments: &List, context: &Context, terminal: &Terminal) -> Result<(), Error> {
    let uri = match &arguments.uri {
        Some(text) => parse_uri(text, "URI")?,
        None => Uri::default(),
    };
    if arguments.in_trial {
        return only_look(&uri, context, terminal);
    }
    let modules = context.load_modules_that_survive(std::slice::from_ref(&uri), terminal)?;
    let login = arguments.login.then(|| &context.access().login);
    let found = inventory(&modules, &uri, login, &mut |notice| tell(&notice, terminal))?;
    for line in tree(&found) {
        terminal.report(&line)?;
    }
    if !arguments.login
        && found
            .modules
            .iter()
            .flat_map(|module| &module.devices)
            .any(|device| device.keys.iter().any(|key| !key.private_seen))
    {
        terminal.say("Private keys are hidden until login: countersign list --login shows whether they can leave the device.");
    }
    let absence = match found.is_empty() {
        true => modules.why_no_device(std::slice::from_ref(&uri))?,
        false => Absence::default(),
    };
    if found.is_empty() {
        say_that_none_is_there(&absence, terminal);
    }
    terminal.document(&document(&found, absence.causes()))?;
    // Everything is printed; the exit code says that something is missing.
    let unreadable =
        found.modules.iter().flat_map(|module| &module.unreadable).next().cloned().map(Error::from);
    let fault = found.modules.into_iter().flat_map(|module| module.devices).find_map(|device| device.fault);
    match fault.or(unreadable) {
        Some(fault) => Err(fault),
        None => Ok(()),
    }
}

fn say_that_none_is_there(absence: &Absence, terminal: &Terminal) {
    match absence.causes().first() {
        Some(cause) => {
            terminal.say(&format!("No device is present: {cause}"));
            terminal.say("countersign doctor checks everything that a device needs.");
            terminal.say(&format!("help: {}", cause.help()));
        }
        None => terminal.say("No such device is present. countersign doctor says why"),
    }
}

/// Runs in a separate process (`trial.rs`): what is found does not matter, only that it ends.
fn only_look(uri: &Uri, context: &Context, terminal: &Terminal) -> Result<(), Error> {
    if let Ok(modules) = context.load_modules(std::slice::from_ref(uri), terminal) {
        let _ = inventory(&modules, &Uri::default(), None, &mut |_| {});
    }
    terminal.document(&json!({ "tried": true }))
}

fn tree(found: &Inventory) -> Vec<String> {
    let mut lines = Vec::new();
    for module in &found.modules {
        let path = module.path.as_deref().unwrap_or_default();
        match &module.skipped {
            Some(reason) => lines.push(format!("{}  {path}  skipped: {reason}", module.name)),
            None if module.devices.is_empty() && module.unreadable.is_empty() => {
                lines.push(format!("{}  {path}  no device", module.name))
            }
            None => lines.push(format!("{}  {path}", module.name)),
        }
        let count = module.devices.len() + module.unreadable.len();
        for (index, slot) in module.unreadable.iter().enumerate() {
            let bar = if index + 1 == count { "└─" } else { "├─" };
            lines.push(format!("{bar} slot {} cannot be read: {}", slot.slot, slot.error));
        }
        for (index, device) in module.devices.iter().enumerate() {
            let last = module.unreadable.len() + index + 1 == count;
            lines.push(format!("{} {}", if last { "└─" } else { "├─" }, device_line(device)));
            let bar = if last { "   " } else { "│  " };
            let rows = rows(device);
            for (index, row) in rows.iter().enumerate() {
                lines.push(format!("{bar}{} {row}", if index + 1 == rows.len() { "└─" } else { "├─" }));
            }
        }
    }
    lines
}

fn device_line(entry: &DeviceEntry) -> String {
    let pin = &entry.pin;
    let state = if !entry.device.is_initialised {
        "NOT INITIALIZED"
    } else if !pin.login_required {
        "no PIN needed"
    } else if pin.user.locked {
        "PIN LOCKED"
    } else if !pin.set {
        "PIN not set"
    } else if pin.user.final_try {
        "PIN set, ONE ATTEMPT LEFT"
    } else if pin.user.count_low {
        "PIN set, wrong PINs were tried"
    } else {
        "PIN set"
    };
    format!("{}, {state}  {}", entry.device.describe(), entry.uri)
}

/// The objects of a device in columns.
fn rows(entry: &DeviceEntry) -> Vec<String> {
    let keys = entry.keys.iter().map(|key| {
        let kind = if key.private_seen { "key" } else { "public key" };
        [kind.to_owned(), text(key.facts.label.as_deref()), key_facts(key), key.uri.clone()]
    });
    let certificates = entry.certificates.iter().map(|certificate| {
        [
            "cert".to_owned(),
            text(certificate.label.as_deref()),
            certificate_facts(certificate, entry),
            certificate.uri.clone(),
        ]
    });
    let table: Vec<[String; 4]> = keys.chain(certificates).collect();
    let width = |column: usize| table.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths = [width(0), width(1), width(2)];
    table
        .iter()
        .map(|[kind, label, facts, uri]| {
            let [a, b, c] = widths;
            format!("{kind:a$}  {label:b$}  {facts:c$}  {uri}")
        })
        .collect()
}

fn key_facts(key: &KeyEntry) -> String {
    let mut facts = vec![key.facts.kind()];
    match key.facts.exportability() {
        Exportability::CannotLeave => facts.push("not exportable".into()),
        Exportability::CanLeave => facts.push("EXPORTABLE".into()),
        Exportability::Unknown => {}
    }
    if key.facts.always_authenticate == Some(true) {
        facts.push("PIN for each signature".into());
    }
    facts.join(", ")
}

fn certificate_facts(entry: &CertificateEntry, device: &DeviceEntry) -> String {
    match &entry.certificate {
        Ok(certificate) => {
            let until =
                if certificate.not_after() < SystemTime::now() { "EXPIRED on" } else { "valid until" };
            let chain: Vec<String> =
                chain(certificate, device).iter().map(|above| format!(" < {}", above.subject())).collect();
            format!("{}{}, {until} {}", certificate.subject(), chain.concat(), certificate.last_day())
        }
        Err(reason) => reason.clone(),
    }
}
