//! `countersign read-certificate-data`: what AWS's helper prints about a certificate, and its name in AWS's
//! logs.

use std::path::Path;

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use countersign::certificate::Certificate;
use countersign::certificate_file;
use countersign::credentials::is_uri;
use countersign::device::{CertificateEntry, inventory};
use countersign::error::Error;
use countersign::uri::{ObjectType, Uri};
use serde_json::{Map, Value, json};

use super::context::{Context, parse_uri};
use crate::cli::ReadCertificateData;
use crate::terminal::Terminal;
use countersign::printable::one_line;

pub(crate) fn run(
    arguments: &ReadCertificateData,
    context: &Context,
    terminal: &Terminal,
) -> Result<(), Error> {
    if is_uri(&arguments.certificate) {
        let uri = parse_uri(&arguments.certificate, "--certificate")?;
        on_device(uri, context, terminal)
    } else {
        in_file(Path::new(&arguments.certificate), terminal)
    }
}

/// Like the helper, takes the first certificate of the file, and prints no newline after it.
fn in_file(path: &Path, terminal: &Terminal) -> Result<(), Error> {
    let certificates = certificate_file::read(path)?;
    let Some(certificate) = certificates.first() else { return Ok(()) };
    let mut data = helper_members(certificate);
    if !terminal.wants_json() {
        terminal.data(Value::Object(data).to_string().as_bytes())?;
        // If both streams are one terminal, the JSON's line is still open.
        terminal.say("");
        say_cloudtrail(certificate, terminal);
        return Ok(());
    }
    data.insert("cloudtrail".into(), cloudtrail(certificate));
    terminal.document(&Value::Object(data))
}

fn on_device(uri: Uri, context: &Context, terminal: &Terminal) -> Result<(), Error> {
    // A key's URI also names its certificates, which share its id and often its label.
    let uri = Uri { object_type: Some(ObjectType::Certificate), ..uri };
    let modules = context.load_modules(std::slice::from_ref(&uri), terminal)?;
    let found = inventory(&modules, &uri, None, &mut |_| {})?;
    let mut devices: Vec<_> = found.modules.into_iter().flat_map(|module| module.devices).collect();
    let fault = devices.iter_mut().find_map(|device| device.fault.take());
    let entries: Vec<&CertificateEntry> = devices.iter().flat_map(|device| &device.certificates).collect();
    let mut matches = Vec::new();
    for entry in &entries {
        match &entry.certificate {
            Ok(certificate) => matches.push((certificate, own_uri(entry, &entries))),
            Err(reason) => terminal.warn(&format!("{}: {reason}", entry.uri)),
        }
    }
    terminal.report(if matches.is_empty() { "No matching identities" } else { "Matching identities" })?;
    let mut documents = Vec::new();
    for (index, (certificate, uri)) in matches.iter().enumerate() {
        let (fingerprint, subject) = (sha1(certificate), one_line(&certificate.subject()));
        terminal.report(&format!("{}) {fingerprint} \"{subject}\"", index + 1))?;
        let issuer = one_line(&certificate.issuer());
        // It contains tabs, and `report` is for lines in which nothing moves the cursor.
        if !terminal.wants_json() {
            let serial = certificate.serial_hex();
            let lines = format!("\tIssuer: \"{issuer}\"\n\tSerial: {serial}\n\tURI: {uri}\n");
            terminal.data(lines.as_bytes())?;
        }
        say_cloudtrail(certificate, terminal);
        let mut document = helper_members(certificate);
        document.insert("uri".into(), uri.as_str().into());
        document.insert("sha1".into(), fingerprint.into());
        document.insert("issuer".into(), issuer.into());
        document.insert("cloudtrail".into(), cloudtrail(certificate));
        documents.push(Value::Object(document));
    }
    terminal.document(&json!({ "certificates": documents }))?;
    fault.map_or(Ok(()), Err)
}

/// A URI for this certificate alone: a renewed certificate often shares the older one's id, and then the
/// label distinguishes them.
fn own_uri(entry: &CertificateEntry, all: &[&CertificateEntry]) -> String {
    let is_shared = all.iter().filter(|other| other.uri == entry.uri).count() > 1;
    match (is_shared, entry.uri.parse::<Uri>()) {
        (true, Ok(uri)) => Uri { object: entry.label.clone(), ..uri }.to_string(),
        _ => entry.uri.clone(),
    }
}

fn helper_members(certificate: &Certificate) -> Map<String, Value> {
    let kind = if certificate.public_key().is_rsa() { "RSA" } else { "EC" };
    let algorithms = ["SHA256", "SHA384", "SHA512"].map(|hash| format!("{kind}{hash}"));
    Map::from_iter([
        ("keyType".to_owned(), kind.into()),
        ("certificateData".to_owned(), STANDARD.encode(certificate.der()).into()),
        ("serialNumber".to_owned(), certificate.serial_decimal().into()),
        ("supportedAlgorithms".to_owned(), algorithms.to_vec().into()),
    ])
}

/// What AWS's logs call sessions of this certificate: they have its CN, and its serial number unless the
/// session is given a name (<https://docs.aws.amazon.com/rolesanywhere/latest/userguide/trust-model.html>).
fn cloudtrail(certificate: &Certificate) -> Value {
    json!({
        "subject": certificate.subject(),
        "serialNumber": certificate.serial_hex(),
        "sourceIdentity": source_identity(certificate),
    })
}

fn say_cloudtrail(certificate: &Certificate, terminal: &Terminal) {
    terminal.say(&format!(
        "CloudTrail: sourceIdentity {}, serial number {}, subject {}",
        source_identity(certificate).map_or_else(|| "none: there is no CN".into(), |name| one_line(&name)),
        certificate.serial_hex(),
        one_line(&certificate.subject()),
    ));
}

fn source_identity(certificate: &Certificate) -> Option<String> {
    certificate.common_name().map(|name| format!("CN={name}"))
}

fn sha1(certificate: &Certificate) -> String {
    let digest = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, certificate.der());
    digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}
