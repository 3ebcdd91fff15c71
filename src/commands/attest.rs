//! `countersign attest`: what proves that a key is in its device, and what the device merely claims.

use countersign::certificate::{
    Attestation, Certificate, attestation_of, certificates_to_pem, chain_at_any_time,
};
use countersign::certificate_file;
use countersign::device::{DeviceRecord, KeyRecord, Policy, SigningKey};
use countersign::error::Error;
use countersign::save::Output;
use serde_json::{Value, json};

use super::context::Context;
use crate::cli::Attest;
use crate::terminal::Terminal;

pub(crate) fn run(arguments: &Attest, context: &Context, terminal: &Terminal) -> Result<(), Error> {
    let output = arguments.output.as_deref().map(Output::at).transpose()?;
    let roots = match &arguments.root {
        Some(path) => Some(certificate_file::read(path)?),
        None => None,
    };
    let chosen = context.choose(&arguments.key, Policy::ANY_KEY, terminal)?;
    let key = context.log_in(chosen, terminal)?.signing_key(Policy::ANY_KEY)?;
    terminal.report(&format!("{}: {}", key.uri(), key.facts().kind()))?;
    claims(&key, terminal)?;
    let statement = statement_of(&key)?;
    let proof = match (&roots, &statement) {
        (Some(roots), _) => Some(verify(&key, roots)?),
        (None, Some(_)) => {
            terminal.report(
                "attested:  by a certificate that was not checked: --root FILE names whom to trust",
            )?;
            None
        }
        (None, None) => {
            terminal.report("attested:  no; what the device claims is all there is")?;
            None
        }
    };
    if let Some(proof) = &proof {
        report(proof, terminal)?;
    }
    match (&output, &statement) {
        (Some(output), Some(chain)) => {
            terminal.warn_of(&output.write(certificates_to_pem(chain)?.as_bytes())?);
            terminal.say(&format!("The attestation is in {}.", output.path().display()));
        }
        (Some(output), None) => {
            let path = output.path().display();
            terminal.warn(&format!("there is no attestation to be written: {path} is as it was"));
        }
        (None, _) => {}
    }
    let (device, key) = ((DeviceRecord::of(key.device()), KeyRecord::of(&key)), claims_json(&key));
    terminal.document(&json!({
        "device": device.0,
        "key": device.1,
        "claims": key,
        "attestation": proof.as_ref().map(proof_json),
        "attestation_there": statement.is_some(),
        "written": output.as_ref().filter(|_| statement.is_some()).map(|output| output.path().display().to_string()),
    }))
}

/// Verifies that the key was generated in a device of one of the makers in `roots`.
pub(crate) fn verify(key: &SigningKey, roots: &[Certificate]) -> Result<Attestation, Error> {
    Ok(Attestation::verify(key.public_key(), &key.certificates()?, roots)?)
}

/// The key's attestation and the certificates above it, as the device gives them.
fn statement_of(key: &SigningKey) -> Result<Option<Vec<Certificate>>, Error> {
    let all = key.certificates()?;
    Ok(attestation_of(key.public_key(), &all).map(|statement| {
        let chain = chain_at_any_time(statement, &all);
        std::iter::once(statement.clone()).chain(chain).collect()
    }))
}

fn claims(key: &SigningKey, terminal: &Terminal) -> Result<(), Error> {
    let facts = key.facts();
    let said = |value: Option<bool>| match value {
        Some(true) => "yes",
        Some(false) => "NO",
        None => "not stated",
    };
    for (claim, value) in [
        ("generated on the device (CKA_LOCAL)", facts.local),
        ("sensitive (CKA_SENSITIVE)", facts.sensitive),
        ("always was (CKA_ALWAYS_SENSITIVE)", facts.always_sensitive),
        ("never could leave (CKA_NEVER_EXTRACTABLE)", facts.never_extractable),
        ("cannot leave (not CKA_EXTRACTABLE)", facts.extractable.map(|can_leave| !can_leave)),
    ] {
        terminal.report(&format!("claimed:   {claim}: {}", said(value)))?;
    }
    Ok(())
}

fn claims_json(key: &SigningKey) -> Value {
    let facts = key.facts();
    json!({
        "local": facts.local,
        "sensitive": facts.sensitive,
        "always_sensitive": facts.always_sensitive,
        "extractable": facts.extractable,
        "never_extractable": facts.never_extractable,
    })
}

fn report(proof: &Attestation, terminal: &Terminal) -> Result<(), Error> {
    let named = |name: Result<&str, u8>| match name {
        Ok(name) => name.to_owned(),
        Err(number) => format!("number {number}, which is not known here"),
    };
    let fips = |is_fips| if is_fips { "yes".to_owned() } else { "no".to_owned() };
    for (what, value) in [
        ("generated in the device, attested by", Some(proof.root.clone())),
        ("serial number", proof.serial.clone()),
        ("firmware", proof.firmware.clone()),
        ("form factor", proof.form_factor.map(|form| named(form.name()))),
        ("FIPS device", proof.fips.map(fips)),
        ("PIN", proof.pin_policy.map(|policy| named(policy.name()))),
        ("touch", proof.touch_policy.map(|policy| named(policy.name()))),
    ] {
        terminal.report(&format!("attested:  {what}: {}", value.as_deref().unwrap_or("not stated")))?;
    }
    Ok(())
}

fn proof_json(proof: &Attestation) -> Value {
    // A number if there is no name.
    let named = |name: Result<&str, u8>| name.map_or_else(Value::from, Value::from);
    json!({
        "root": proof.root,
        "serial": proof.serial.as_ref().map(|serial| serial.parse().map_or_else(|_| json!(serial), |number: u64| json!(number))),
        "firmware": proof.firmware,
        "form_factor": proof.form_factor.map(|form| named(form.name())),
        "fips": proof.fips,
        "pin_policy": proof.pin_policy.map(|policy| named(policy.name())),
        "touch_policy": proof.touch_policy.map(|policy| named(policy.name())),
    })
}
