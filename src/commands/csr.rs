//! `countersign csr`: a certificate request, signed on the device; or a self-signed certificate.

use std::time::{Duration, SystemTime};

use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use countersign::certificate::{
    AlternativeName, AlternativeNames, CertificateRequest, NameKind, Subject, Validity,
};
use countersign::device::{DeviceRecord, KeyRecord, Policy};
use countersign::error::{Error, Exit, Explain};
use countersign::printable::one_line;
use countersign::save::{self, Output};
use countersign::signature::Mechanism;
use serde_json::json;

use super::context::{Context, introduce};
use super::usage::UsageError;
use crate::cli::Csr;
use crate::terminal::Terminal;

/// Clocks differ: a certificate that becomes valid now is not valid yet elsewhere.
const EARLIER: Duration = Duration::from_secs(300);

pub(crate) fn run(arguments: &Csr, context: &Context, terminal: &Terminal) -> Result<(), Error> {
    let to_file = arguments.output.as_deref().filter(|path| !save::is_dash(path));
    if to_file.is_none() && terminal.wants_json() && arguments.output.is_some() {
        return Err(UsageError::JsonAndStdout.into());
    }
    let output = to_file.map(Output::at).transpose()?;
    let names = names(arguments, terminal)?;
    // An omitted subject may also be written as an empty one.
    let written = arguments.subject.as_deref().filter(|text| names.is_empty() || !text.trim().is_empty());
    let subject: Subject = written.map_or_else(|| Ok(Subject::empty()), str::parse)?;
    if let Some(value) = subject.value_with_slashes() {
        terminal.warn(&format!(
            "{:?} is one value: the form with slashes is openssl's, attributes are separated by commas here",
            one_line(&value)
        ));
    }
    let request = CertificateRequest { subject, names, client_auth: arguments.client_auth };
    match arguments.self_signed {
        None => request.check()?,
        Some(_) => request.check_self_signed()?,
    }
    if request.subject.is_empty() {
        terminal.warn("the subject is empty: IAM Roles Anywhere accepts no certificate without one");
    }
    // A certificate is requested; what else the key is suitable for does not matter here.
    let chosen = context.choose(&arguments.key, Policy::ANY_KEY, terminal)?;
    chosen.check_shown(Policy::ANY_KEY)?;
    let mut key = context.log_in(chosen, terminal)?.signing_key(Policy::ANY_KEY)?;
    introduce(&key, Policy::ANY_KEY, terminal);
    let unsigned = match arguments.self_signed {
        None => request.for_ca(key.public_key())?,
        Some(days) => {
            let validity = Validity { from: SystemTime::now() - EARLIER, days };
            let mut serial = [0; 16];
            SystemRandom::new().fill(&mut serial).map_err(|_| NoRandomNumbers)?;
            request.self_signed(key.public_key(), validity, serial)?
        }
    };
    let payload = unsigned.payload();
    let mechanisms = Mechanism::for_payload(&payload, key.public_key());
    key.check_allowed(&mechanisms)?;
    let what = if arguments.self_signed.is_some() { "certificate" } else { "request" };
    let (signature, mechanism) =
        context.watch().signing(|| format!("the {what}"), || key.sign(&payload, &mechanisms))?;
    terminal.detail(&format!("mechanism {mechanism}"));
    let pem = unsigned.pem(&signature)?;
    match &output {
        Some(output) => {
            terminal.warn_of(&output.write(pem.as_bytes())?);
            terminal.say(&format!("The {what} is in {}.", output.path().display()));
        }
        None if terminal.wants_json() => {}
        None => terminal.data(pem.as_bytes())?,
    }
    let (device, key) = (DeviceRecord::of(key.device()), KeyRecord::of(&key));
    terminal.document(&json!({
        what: pem,
        "device": device,
        "key": key,
        "mechanism": mechanism.ckm_name(),
        "written": to_file.map(|path| path.display().to_string()),
    }))
}

/// The names of each kind, in the order of the help page.
fn names(arguments: &Csr, terminal: &Terminal) -> Result<AlternativeNames, Error> {
    let mut names = AlternativeNames::default();
    for (option, kind, texts) in [
        ("--dns", NameKind::Dns, &arguments.dns),
        ("--ip", NameKind::Ip, &arguments.ip),
        ("--email", NameKind::Email, &arguments.email),
        ("--uri", NameKind::Uri, &arguments.uri),
        ("--upn", NameKind::Upn, &arguments.upn),
    ] {
        for text in texts {
            if !names.add(AlternativeName::new(kind, text)?)? {
                terminal.warn(&format!("{option} {} is given twice and written once", one_line(text)));
            }
        }
    }
    Ok(names)
}

/// A certificate signed here has a random serial number.
#[derive(Debug, thiserror::Error)]
#[error("the operating system returned no random numbers")]
struct NoRandomNumbers;

impl Explain for NoRandomNumbers {
    fn exit(&self) -> Exit {
        Exit::Other
    }

    fn hint(&self) -> Option<String> {
        Some("this should not happen; repeat the command".into())
    }
}
