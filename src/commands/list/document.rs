//! The facts of a list.

use std::time::SystemTime;

use countersign::certificate::{Certificate, chain_of};
use countersign::device::{Cause, DeviceEntry, Inventory, Policy, UnreadableSlot};
use serde_json::{Value, json};

/// What `list --json` prints.
pub(super) fn document(found: &Inventory, causes: &[Cause]) -> Value {
    let modules: Vec<Value> = found
        .modules
        .iter()
        .map(|module| {
            json!({
                "name": module.name,
                "path": module.path,
                "skipped": module.skipped,
                "unreadable_slots": module.unreadable.iter().map(slot_json).collect::<Vec<_>>(),
                "devices": module.devices.iter().map(device_json).collect::<Vec<_>>(),
            })
        })
        .collect();
    let causes: Vec<Value> =
        causes.iter().map(|cause| json!({ "found": cause.to_string(), "help": cause.help() })).collect();
    json!({ "modules": modules, "no_device": causes })
}

fn slot_json(slot: &UnreadableSlot) -> Value {
    json!({ "slot": slot.slot, "fault": slot.error.to_string() })
}

fn device_json(entry: &DeviceEntry) -> Value {
    let keys: Vec<Value> = entry
        .keys
        .iter()
        .map(|key| {
            // Too little is known of a hidden key.
            let unfit = key.private_seen.then(|| key.facts.unfit_reasons(Policy::default()));
            let unfit: Vec<String> = unfit.iter().flatten().map(ToString::to_string).collect();
            json!({
                "uri": key.uri,
                "label": text(key.facts.label.as_deref()),
                "kind": key.facts.kind(),
                "private_key_seen": key.private_seen,
                "exportable": key.facts.exportability().can_leave(),
                "always_authenticate": key.facts.always_authenticate,
                "unfit_for_cloudhsm": unfit,
                "public_key_sha256": key.facts.public_key.as_ref().map(countersign::signature::PublicKey::sha256),
            })
        })
        .collect();
    let certificates: Vec<Value> = entry
        .certificates
        .iter()
        .map(|found| {
            let certificate = found.certificate.as_ref().ok();
            json!({
                "uri": found.uri,
                "label": text(found.label.as_deref()),
                "subject": certificate.map(|certificate| certificate.subject().to_owned()),
                "issuer": certificate.map(Certificate::issuer),
                "chain": certificate.map(|certificate| {
                    chain(certificate, entry).iter().map(Certificate::subject).collect::<Vec<_>>()
                }),
                "valid_until": certificate.map(Certificate::last_day),
                "expired": certificate.map(|certificate| certificate.not_after() < SystemTime::now()),
                "fault": found.certificate.as_ref().err(),
            })
        })
        .collect();
    json!({
        "label": entry.device.label,
        "manufacturer": entry.device.manufacturer,
        "model": entry.device.model,
        "serial": entry.device.serial,
        "uri": entry.uri,
        "slot": entry.device.slot_id(),
        "initialised": entry.device.is_initialised,
        "pin": {
            "needed": entry.pin.login_required,
            "set": entry.pin.set,
            "wrong_tried": entry.pin.user.count_low,
            "last_try": entry.pin.user.final_try,
            "locked": entry.pin.user.locked,
            "on_device": entry.pin.on_device,
        },
        "keys": keys,
        "certificates": certificates,
        "fault": entry.fault.as_ref().map(ToString::to_string),
    })
}

/// The certificates above this one, as far as they are on the same device.
pub(super) fn chain(certificate: &Certificate, device: &DeviceEntry) -> Vec<Certificate> {
    let pool: Vec<Certificate> =
        device.certificates.iter().filter_map(|entry| entry.certificate.as_ref().ok()).cloned().collect();
    chain_of(certificate, &pool, SystemTime::now())
}

/// A label, as far as it is text.
pub(super) fn text(bytes: Option<&[u8]>) -> String {
    String::from_utf8_lossy(bytes.unwrap_or_default()).into_owned()
}
