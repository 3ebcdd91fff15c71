//! `countersign certificate`: the certificate that belongs to a key, as PEM.

use std::time::SystemTime;

use countersign::certificate::{self, Certificate, certificates_to_pem};
use countersign::device::{Chosen, KeyError, Policy};
use countersign::error::Error;
use countersign::save::{self, Output};
use countersign::signature::PublicKey;
use countersign::uri::{ObjectType, Uri};
use serde_json::json;

use super::context::Context;
use crate::cli::CertificateOf;
use crate::terminal::Terminal;

pub(crate) fn run(arguments: &CertificateOf, context: &Context, terminal: &Terminal) -> Result<(), Error> {
    let to_file = arguments.output.as_deref().filter(|path| !save::is_dash(path));
    let output = to_file.map(Output::at).transpose()?;
    let chosen = context.choose(&arguments.key, Policy::ANY_KEY, terminal)?;
    let uri = chosen.uri.shown();
    let device = chosen.device.describe();
    let all: Vec<Certificate> =
        chosen.certificates(&Uri::default())?.into_iter().map(|stored| stored.certificate).collect();
    let (key, candidates) = key_and_candidates(chosen, context, terminal)?;
    let now = SystemTime::now();
    let Some(leaf) = certificate::identity_of(key.as_ref(), candidates, now) else {
        let there = all.iter().map(Certificate::subject).collect();
        return Err(KeyError::NoCertificate { uri, device, there }.into());
    };
    if !leaf.is_valid_at(now) {
        let when = if leaf.not_after() < now {
            format!("ended on {}", leaf.last_day())
        } else {
            format!("begins on {}", leaf.first_day())
        };
        terminal.warn(&format!("the certificate is not valid now: its time {when}"));
    }
    let chain = certificate::chain_of(&leaf, &all);
    let with_chain = std::iter::once(&leaf).chain(chain.iter().filter(|_| arguments.chain));
    let pem = certificates_to_pem(with_chain)?;
    match &output {
        Some(output) => {
            terminal.warn_of(&output.write(pem.as_bytes())?);
            terminal.say(&format!("{} written to {}", leaf.subject(), output.path().display()));
        }
        None if terminal.wants_json() => {}
        None => terminal.data(pem.as_bytes())?,
    }
    terminal.document(&json!({
        "subject": leaf.subject(),
        "issuer": leaf.issuer(),
        "serial": leaf.serial_decimal(),
        "valid_from": leaf.first_day(),
        "valid_until": leaf.last_day(),
        "chain": chain.iter().map(Certificate::subject).collect::<Vec<_>>(),
        "public_key_sha256": leaf.public_key().sha256(),
        "pem": pem,
        "written": to_file.map(|path| path.display().to_string()),
    }))
}

/// The key that is meant, and the certificates that may be its own. The key is not needed where the URI says which they are;
/// a PIN is only asked for where the device hides the public key too.
fn key_and_candidates(
    chosen: Chosen,
    context: &Context,
    terminal: &Terminal,
) -> Result<(Option<PublicKey>, Vec<Certificate>), Error> {
    let certificates = |uri: &Uri| -> Result<Vec<Certificate>, Error> {
        Ok(chosen.certificates(uri)?.into_iter().map(|stored| stored.certificate).collect())
    };
    if chosen.uri.object_type == Some(ObjectType::Certificate) {
        return Ok((None, certificates(&chosen.uri)?));
    }
    let all = certificates(&Uri::default())?;
    if let Some(key) = chosen.public_key() {
        return Ok((Some(key.clone()), all));
    }
    if let Some(id) = &chosen.uri.id {
        return Ok((None, certificates(&Uri { id: Some(id.clone()), ..Uri::default() })?));
    }
    let key = context.log_in(chosen, terminal)?.public_key(Policy::ANY_KEY)?;
    Ok((Some(key), all))
}
