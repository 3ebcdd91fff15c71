//! `countersign sign-string`: checks that the key signs, without sending anything.

use std::time::SystemTime;

use countersign::certificate::CertificateError;
use countersign::credentials::key_and_certificate;
use countersign::device::{DeviceRecord, KeyRecord, KeyRequest, Policy};
use countersign::error::{Error, Exit, Explain};
use countersign::rolesanywhere::test_string;
use countersign::signature::{Hash, Mechanism, Payload};
use serde_json::json;

use super::context::Context;
use crate::cli::{Digest, SignString, SignatureFormat};
use crate::terminal::Terminal;

pub(crate) fn run(arguments: &SignString, context: &Context, terminal: &Terminal) -> Result<(), Error> {
    if terminal.wants_json() && arguments.format == SignatureFormat::Bin {
        return Err(SignatureAndJson.into());
    }
    let (key_uri, certificate) =
        key_and_certificate(arguments.private_key.as_deref(), arguments.certificate.as_deref(), None)?;
    let request =
        KeyRequest { uris: vec![key_uri], policy: Policy::ANY_KEY, certificate: certificate.named()? };
    let mut chosen = context.access().choose(&request, &|event| context.tell(&event, terminal))?;
    let candidates = match arguments.certificate {
        Some(_) => Some(certificate.read(&chosen)?),
        None => None,
    };
    let now = SystemTime::now();
    // Before the PIN is used, if the device shows enough without it.
    if let Some(candidates) = &candidates {
        chosen.prefer(candidates.public_keys());
    }
    if let Some(candidates) = candidates.as_ref().filter(|candidates| !candidates.may_show_after_login()) {
        candidates.leaf_of_key(chosen.public_key(), now)?;
    }
    let mut key = context.log_in(chosen, terminal)?.signing_key(Policy::ANY_KEY)?;
    if let Some(candidates) = candidates {
        let candidates = certificate.read_after_login(candidates, &key)?;
        let leaf = candidates.leaf_of_key(Some(key.public_key()), now)?;
        terminal.detail(&format!("certificate {}, serial {}", leaf.subject(), leaf.serial_decimal()));
    }
    let hash = match arguments.digest {
        Digest::Sha256 => Hash::Sha256,
        Digest::Sha384 => Hash::Sha384,
        Digest::Sha512 => Hash::Sha512,
    };
    let bytes = test_string(key.public_key()).map_err(CertificateError::from)?;
    let payload = Payload::Message { hash, bytes };
    let mechanisms = Mechanism::for_payload(&payload, key.public_key());
    key.check_allowed(&mechanisms)?;
    terminal.debug(&format!("digest to sign: {}", hex(&payload.digest())));
    let (signature, mechanism) =
        context.watch().signing(|| "the test text".into(), || key.sign(&payload, &mechanisms))?;
    terminal.say(&format!(
        "{}, {}: signed by {mechanism}, verified under the public key",
        key.uri(),
        key.facts().kind()
    ));
    let text = hex(&signature);
    if terminal.wants_json() {
        let (device, key) = (DeviceRecord::of(key.device()), KeyRecord::of(&key));
        return terminal.document(&json!({
            "signature": text,
            "mechanism": mechanism.ckm_name(),
            "device": device,
            "key": key,
        }));
    }
    match arguments.format {
        SignatureFormat::Json => terminal.data(format!("\"{text}\"").as_bytes()),
        SignatureFormat::Text => terminal.data(text.as_bytes()),
        SignatureFormat::Bin => terminal.data(&signature),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Both would go to stdout.
#[derive(Debug, thiserror::Error)]
#[error("the signature's bytes and the JSON document cannot both go to stdout")]
struct SignatureAndJson;

impl Explain for SignatureAndJson {
    fn exit(&self) -> Exit {
        Exit::Usage
    }

    fn hint(&self) -> Option<String> {
        Some("leave --json or --format bin out".into())
    }
}
