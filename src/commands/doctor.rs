//! `countersign doctor`: what is wrong, in the order in which one thing depends on another.

mod key;
mod p11_kit;
mod report;
mod smart_cards;
mod surroundings;

use countersign::device::{DeviceEntry, Inventory, inventory};
use countersign::error::{Error, Exit};
use countersign::uri::Uri;

use super::context::{Context, parse_key_uris};
use crate::cli::Doctor;
use crate::terminal::Terminal;
use report::Report;

pub(crate) fn run(arguments: &Doctor, context: &Context, terminal: &Terminal) -> Result<(), Error> {
    let uris = parse_key_uris(&arguments.key.uris)?;
    let mut report = Report::new(terminal);
    if context.access().modules.path.is_none() {
        p11_kit::check(&mut report)?;
    }
    smart_cards::check_that_pcscd_accepts(&mut report)?;
    // A module that was named and fails is a fault like any other: the rest is checked all the same.
    match context.load_modules_that_survive(&uris, terminal) {
        Err(error) => {
            report.error("modules", &error)?;
            smart_cards::check(&[], &mut report)?;
        }
        Ok(modules) => {
            let found = inventory(&modules, &Uri::default(), None, &mut |_| {})?;
            self::modules(&found, &mut report)?;
            let paths: Vec<String> = found.modules.iter().filter_map(|module| module.path.clone()).collect();
            smart_cards::check(&paths, &mut report)?;
            devices(&found, &mut report)?;
            let chosen = key::check(&modules, &uris, arguments.sign, &mut report)?;
            if arguments.sign && chosen {
                key::sign(&modules, &uris, context, terminal, &mut report)?;
            }
        }
    }
    surroundings::clock(&mut report)?;
    surroundings::core_dumps(&mut report)?;
    match context.pin_source(uris.first()) {
        Ok(source) => surroundings::pin_source(&source, &mut report)?,
        Err(error) => report.error("PIN source", &error)?,
    }
    report.finish()
}

fn modules(found: &Inventory, report: &mut Report<'_>) -> Result<(), Error> {
    for module in &found.modules {
        let place = module.path.as_ref().map(|path| format!(" ({path})")).unwrap_or_default();
        match &module.skipped {
            // Another module's failure is no reason that this key cannot sign.
            Some(reason) => {
                report.warning("module", format!("{}{place}: {reason}", module.name), None)?;
            }
            None => report.ok(
                "module",
                format!(
                    "{}{place}, ready after {} ms, {}",
                    module.name,
                    module.took.as_millis(),
                    match module.devices.len() {
                        0 => "no device".to_owned(),
                        1 => "1 device".to_owned(),
                        many => format!("{many} devices"),
                    }
                ),
            )?,
        }
    }
    Ok(())
}

fn devices(found: &Inventory, report: &mut Report<'_>) -> Result<(), Error> {
    let devices: Vec<&DeviceEntry> = found.modules.iter().flat_map(|module| &module.devices).collect();
    if devices.is_empty() {
        return report.fault(
            "device",
            Exit::Device,
            "none is present",
            "plug it in; a SoftHSM device is found by SOFTHSM2_CONF",
        );
    }
    for entry in devices {
        let name = entry.device.describe();
        if let Some(fault) = &entry.fault {
            report.error("device", fault)?;
        } else if entry.pin.user.locked {
            report.fault(
                "device",
                Exit::Pin,
                format!("{name}: the PIN is locked"),
                entry.device.unblocking(),
            )?;
        } else if entry.pin.login_required && !entry.pin.set {
            let advice = "set one with the device's own tool, or pkcs11-tool --init-pin";
            report.fault("device", Exit::Pin, format!("{name}: no user PIN is set"), advice)?;
        } else if entry.pin.user.final_try {
            let advice = "the next right PIN restores all tries; it is sent with --use-last-try only";
            report.warning(
                "device",
                format!("{name}: one try is left before the PIN is locked"),
                Some(advice),
            )?;
        } else if entry.pin.user.count_low {
            let found = format!("{name}: wrong PINs were tried since the last right one");
            report.warning("device", found, Some("the next right PIN restores all tries"))?;
        } else {
            let pin = match (entry.pin.login_required, entry.pin.on_device) {
                (false, _) => "no PIN needed",
                (true, true) => "the PIN is entered on the device",
                (true, false) => "PIN set",
            };
            report.ok("device", format!("{name}, {pin}  {}", entry.uri))?;
        }
    }
    Ok(())
}
