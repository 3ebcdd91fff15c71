//! `countersign certificate`: the certificate that belongs to a key, as PEM.

use std::time::SystemTime;

use countersign::certificate::{self, Certificate, certificates_to_pem};
use countersign::device::{Chosen, KeyError, Policy, StoredCertificate};
use countersign::error::Error;
use countersign::save::{self, Output};
use countersign::signature::PublicKey;
use countersign::uri::{ObjectType, Uri};
use serde_json::json;

use super::context::Context;
use super::validity::when_valid;
use crate::cli::CertificateOf;
use crate::terminal::Terminal;

pub(crate) fn run(arguments: &CertificateOf, context: &Context, terminal: &Terminal) -> Result<(), Error> {
    let to_file = arguments.output.as_deref().filter(|path| !save::is_dash(path));
    let output = to_file.map(Output::at).transpose()?;
    let chosen = context.choose(&arguments.key, Policy::ANY_KEY, terminal)?;
    let uri = chosen.uri.shown();
    let device = chosen.device.describe();
    let Found { key, candidates, all } = find(chosen, context, terminal)?;
    let now = SystemTime::now();
    let Some(leaf) = certificate::identity_of(key.as_ref(), candidates, now) else {
        let there = all.iter().map(Certificate::subject).collect();
        return Err(KeyError::NoCertificate { uri, device, there }.into());
    };
    if !leaf.is_valid_at(now) {
        let when = when_valid(&leaf, now);
        terminal.warn(&format!("the certificate is not valid now: its time {when}"));
    }
    let chain = certificate::chain_of(&leaf, &all, now);
    for above in chain.iter().filter(|above| arguments.chain && !above.is_valid_at(now)) {
        terminal.warn(&format!("the certificate {} above it {}", above.subject(), when_valid(above, now)));
    }
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

/// The selected key, the certificates that may belong to it, and all that are there.
struct Found {
    key: Option<PublicKey>,
    candidates: Vec<Certificate>,
    all: Vec<Certificate>,
}

/// The key is not needed if the URI says which certificates belong to it. A PIN is requested only if the
/// device hides them, or the public key too.
fn find(chosen: Chosen, context: &Context, terminal: &Terminal) -> Result<Found, Error> {
    let named = named_in(&chosen.uri);
    if chosen.hides_certificates()? {
        let open = context.log_in(chosen, terminal)?;
        let certificates = |uri: &Uri| open.certificates(uri).map(without_names);
        let all = certificates(&Uri::default())?;
        return Ok(match named {
            Some(uri) => Found { key: None, candidates: certificates(&uri)?, all },
            None => Found { key: Some(open.public_key(Policy::ANY_KEY)?), candidates: all.clone(), all },
        });
    }
    let certificates = |uri: &Uri| chosen.certificates(uri).map(without_names);
    let all = certificates(&Uri::default())?;
    if chosen.uri.object_type != Some(ObjectType::Certificate)
        && let Some(key) = chosen.public_key()
    {
        return Ok(Found { key: Some(key.clone()), candidates: all.clone(), all });
    }
    if let Some(uri) = named {
        return Ok(Found { key: None, candidates: certificates(&uri)?, all });
    }
    let key = context.log_in(chosen, terminal)?.public_key(Policy::ANY_KEY)?;
    Ok(Found { key: Some(key), candidates: all.clone(), all })
}

/// What selects the certificates in a URI that makes the key unnecessary: a certificate's own attributes, or
/// the key's id.
fn named_in(uri: &Uri) -> Option<Uri> {
    if uri.object_type == Some(ObjectType::Certificate) {
        return Some(uri.clone());
    }
    uri.id.as_ref().map(|id| Uri { id: Some(id.clone()), ..Uri::default() })
}

fn without_names(stored: Vec<StoredCertificate>) -> Vec<Certificate> {
    stored.into_iter().map(|stored| stored.certificate).collect()
}
