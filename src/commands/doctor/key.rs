//! The key that would sign, its certificate and, on request, a signature.

use std::time::{Duration, Instant, SystemTime};

use countersign::device::{
    CertificateEntry, Exportability, Inventory, KeyEntry, KeyRequest, Modules, Policy, choose, inventory,
};
use countersign::duration::in_words;
use countersign::error::{Error, Exit, Explain};
use countersign::signature::{Mechanism, Payload};
use countersign::uri::Uri;

use super::report::Report;
use crate::commands::context::{Context, tell};
use crate::terminal::Terminal;

/// Renewing a certificate takes people some days.
const SOON: Duration = Duration::from_secs(30 * 86400);

/// Which key is selected, and what can be seen of it without a PIN. True if a key could be chosen.
pub(super) fn check(
    modules: &Modules,
    uris: &[Uri],
    must_sign: bool,
    report: &mut Report<'_>,
) -> Result<bool, Error> {
    let request = KeyRequest { uris: uris.to_vec(), policy: Policy::default(), certificate: None };
    let chosen = match choose(modules, &request) {
        Ok(chosen) => chosen,
        // Without a URI there may be no answer, and nobody asked the question.
        Err(error) if uris.is_empty() => {
            match must_sign {
                false => report.warning("key", format!("not named, and {error}"), error.hint().as_deref())?,
                true => report.error("key", &error)?,
            }
            return Ok(false);
        }
        Err(error) => {
            report.error("key", &error)?;
            return Ok(false);
        }
    };
    for uri in &chosen.passed_over {
        report.warning("key", format!("not present: {}", uri.shown()), None)?;
    }
    match chosen.public_key() {
        Some(key) => {
            report.ok("key", format!("{} on {}", key.describe(), chosen.device.describe()))?;
            // It may still be suitable for AWS credentials.
            if let Err(unfit) = chosen.check_shown(Policy::default()) {
                report.warning("key", unfit.to_string(), unfit.hint().as_deref())?;
            }
        }
        None if must_sign => {
            report.ok("key", format!("on {}, which shows its keys after the login", chosen.device.describe()))?;
        }
        None if chosen.shows_several() => report.warning(
            "key",
            format!("several are on {}, and none is named", chosen.device.describe()),
            Some("name one with --key URI: countersign list prints the URI of each"),
        )?,
        None => report.warning(
            "key",
            format!(
                "none is seen on {} without a login: whether {} is there is not known",
                chosen.device.describe(),
                if uris.is_empty() { "one" } else { "the one that is named" }
            ),
            Some("countersign list --login asks for the PIN and shows the keys; countersign doctor --sign uses one too"),
        )?,
    }
    let id = chosen.facts().and_then(|facts| facts.id.clone()).or_else(|| chosen.uri.id.clone());
    let device = Uri { object_type: None, object: None, id, ..chosen.device_uri() };
    let found = inventory(modules, &device, None, &mut |_| {})?;
    certificates(&found, report)?;
    Ok(true)
}

/// Signs a meaningless text, and verifies the signature.
pub(super) fn sign(
    modules: &Modules,
    uris: &[Uri],
    context: &Context,
    terminal: &Terminal,
    report: &mut Report<'_>,
) -> Result<(), Error> {
    match try_signing(modules, uris, context, terminal) {
        Ok(found) => report.ok("signature", found),
        Err(error) => report.error(error.topic().unwrap_or("signature"), &error),
    }
}

fn try_signing(
    modules: &Modules,
    uris: &[Uri],
    context: &Context,
    terminal: &Terminal,
) -> Result<String, Error> {
    // A key that nobody named must be one that `sign` would accept; a key that was named is tried in any
    // case.
    let policy = match uris {
        [] => Policy::default(),
        _ => Policy::ANY_KEY,
    };
    let chosen = choose(modules, &KeyRequest { uris: uris.to_vec(), policy, certificate: None })?;
    let mut key =
        chosen.log_in(&context.access().login, &mut |notice| tell(&notice, terminal))?.signing_key(policy)?;
    let payload = Payload::message(b"countersign doctor: a test signature without meaning");
    let mechanisms = Mechanism::for_payload(&payload, key.public_key());
    key.check_allowed(&mechanisms)?;
    let start = Instant::now();
    let (_, mechanism) = context.watch().signing(|| "a trial".into(), || key.sign(&payload, &mechanisms))?;
    let exportability = match (key.facts().exportability(), key.device().software_store()) {
        (Exportability::CannotLeave, None) => "cannot leave the device".to_owned(),
        (Exportability::CannotLeave, Some(store)) => {
            format!("the module claims that it cannot leave the device ({store})")
        }
        (Exportability::CanLeave, _) => {
            "CAN LEAVE the device, so that sign refuses it without --allow-exportable".to_owned()
        }
        (Exportability::Unknown, _) => "the device does not say whether it can leave".to_owned(),
    };
    Ok(format!(
        "{} signed by {mechanism} in {} ms, verified under its public key; {exportability}",
        key.uri(),
        start.elapsed().as_millis()
    ))
}

fn certificates(found: &Inventory, report: &mut Report<'_>) -> Result<(), Error> {
    for device in found.modules.iter().flat_map(|module| &module.devices) {
        for entry in &device.certificates {
            certificate(entry, &device.keys, report)?;
        }
    }
    Ok(())
}

fn certificate(entry: &CertificateEntry, keys: &[KeyEntry], report: &mut Report<'_>) -> Result<(), Error> {
    let topic = "certificate";
    let certificate = match &entry.certificate {
        Ok(certificate) => certificate,
        Err(reason) => return report.warning(topic, format!("{} cannot be read: {reason}", entry.uri), None),
    };
    let named = format!("{} ({})", certificate.subject(), entry.uri);
    let of_same_id: Vec<&KeyEntry> = keys
        .iter()
        .filter(|key| key.facts.id.is_some() && key.facts.id == entry.id)
        .filter(|key| key.facts.public_key.is_some())
        .collect();
    let is_own = |key: &&KeyEntry| key.facts.is_certified_by(certificate);
    if !of_same_id.is_empty() && !of_same_id.iter().any(is_own) {
        return report.fault(
            topic,
            Exit::Key,
            format!("{named} has the id of a key that is not its own"),
            "put the right certificate on the device under this id",
        );
    }
    let now = SystemTime::now();
    let last_day = certificate.last_day();
    match certificate.not_after().duration_since(now) {
        Err(_) => report.warning(
            topic,
            format!("{named} expired on {last_day}"),
            Some("CloudHSM's files do not need it; AWS IAM Roles Anywhere refuses it"),
        ),
        Ok(left) if left < SOON => report.warning(
            topic,
            format!("{named} is valid for {} more, until {last_day}", in_words(left)),
            Some("renew it"),
        ),
        Ok(_) => report.ok(topic, format!("{named}, valid until {last_day}")),
    }
}
