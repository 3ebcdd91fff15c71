//! `countersign doctor`: what is wrong, in the order in which one thing depends on another.

mod key;
mod p11_kit;
mod report;
mod smart_cards;
mod surroundings;

use std::path::Path;

use countersign::device::{Absence, Inventory, ModuleKind, SmartCards, inventory};
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
    let cards = SmartCards::look();
    smart_cards::check_that_pcscd_answers(&cards, &mut report)?;
    // A named module that fails is a fault like any other: the rest is checked all the same.
    match context.load_modules_that_survive(&uris, terminal) {
        Err(error) => {
            report.error("modules", &error)?;
            smart_cards::check(&cards, false, None, &mut report)?;
        }
        Ok(modules) => match inventory(&modules, &Uri::default(), None, &mut |_| {}) {
            Err(error) => {
                smart_cards::check(&cards, true, None, &mut report)?;
                report.error("modules", &error)?;
            }
            Ok(found) => {
                self::modules(&found, &mut report)?;
                let absence = found.is_empty().then(|| modules.why_no_device(&uris)).transpose()?;
                let needs_pcscd = |path: &String| ModuleKind::at(Path::new(path)).needs_pcscd();
                let paths = found.modules.iter().filter_map(|module| module.path.as_ref());
                smart_cards::check(
                    &cards,
                    paths.into_iter().any(needs_pcscd),
                    absence.as_ref(),
                    &mut report,
                )?;
                if let Some(absence) = &absence {
                    no_device(absence, &mut report)?;
                }
                devices(&found, absence.is_some(), &mut report)?;
                // Without a device there is no key to check, unless one was asked for.
                let is_asked_for = absence.is_none() || arguments.sign || !uris.is_empty();
                let chosen = is_asked_for && key::check(&modules, &uris, arguments.sign, &mut report)?;
                if arguments.sign && chosen {
                    key::sign(&modules, &uris, context, terminal, &mut report)?;
                }
            }
        },
    }
    surroundings::clock(&mut report)?;
    surroundings::core_dumps(&mut report)?;
    surroundings::swap(&mut report)?;
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
            // Another module's failure does not keep this key from signing.
            Some(reason) => {
                let advice = module.cause.as_ref().map(|cause| cause.help());
                report.warning("module", format!("{}{place}: {reason}", module.name), advice.as_deref())?;
            }
            None => report.ok(
                "module",
                format!(
                    "{}{place}, ready after {} ms, {}",
                    module.name,
                    module.took.as_millis(),
                    match module.devices.iter().filter(|entry| entry.device.is_initialised).count() {
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

/// The likeliest cause is reported as the fault; the others may not apply.
fn no_device(absence: &Absence, report: &mut Report<'_>) -> Result<(), Error> {
    let help = match absence.causes() {
        [] => "plug it in, or name its module with --module PATH".to_owned(),
        [first, others @ ..] => {
            report.fault(first.topic(), Exit::Device, first.to_string(), &first.help())?;
            for cause in others {
                report.warning(cause.topic(), cause.to_string(), Some(&cause.help()))?;
            }
            format!("first fix the fault above ({})", first.topic())
        }
    };
    report.fault("device", Exit::Device, "none is present", &help)
}

/// `is_told`: whether the reason why none can be used was reported already.
fn devices(found: &Inventory, is_told: bool, report: &mut Report<'_>) -> Result<(), Error> {
    for slot in found.modules.iter().flat_map(|module| &module.unreadable) {
        report.error("device", &slot.clone().into())?;
    }
    for entry in found.devices().filter(|entry| entry.device.is_initialised || !is_told) {
        let name = entry.device.describe();
        if let Some(fault) = &entry.fault {
            report.error("device", fault)?;
        } else if !entry.device.is_initialised {
            let advice = entry.device.initialising();
            report.warning("device", format!("{name} is not initialized  {}", entry.uri), Some(&advice))?;
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
            let advice = "the next right PIN restores all attempts; it is sent with --use-last-try only";
            report.warning(
                "device",
                format!("{name}: one attempt is left before the PIN is locked"),
                Some(advice),
            )?;
        } else if entry.pin.user.count_low {
            let found = format!("{name}: wrong PINs were tried since the last right one");
            report.warning("device", found, Some("the next right PIN restores all attempts"))?;
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
