//! `countersign import-certificate`: stores a CA-issued certificate for its key.

use std::time::SystemTime;

use countersign::certificate::Certificate;
use countersign::certificate_file;
use countersign::device::{ImportOptions, WritableDevice};
use countersign::error::Error;
use serde_json::json;

use super::context::{Context, parse_key_uris, tell};
use super::usage::UsageError;
use super::validity::when_valid;
use crate::cli::ImportCertificate;
use crate::terminal::Terminal;

pub(crate) fn run(
    arguments: &ImportCertificate,
    context: &Context,
    terminal: &Terminal,
) -> Result<(), Error> {
    let certificates = certificate_file::read(&arguments.file)?;
    let uris = parse_key_uris(&arguments.key.uris)?;
    let [uri] = &uris[..] else { return Err(UsageError::OneKey(uris.len()).into()) };
    let modules = context.load_modules(&uris, terminal)?;
    let login = context.login_to_prepare();
    let device = WritableDevice::open(&modules, uri, &login, &mut |notice| tell(&notice, terminal))?;
    terminal.say(&format!("{}, {}", device.device().describe(), device.device().module_path().display()));
    let key = device.key(uri)?;
    let ImportCertificate { replace, with_chain, force, .. } = *arguments;
    let import = ImportOptions { replace, with_chain, force };
    let stored = device.import_certificate(&key, &certificates, import)?;
    if stored.was_there {
        terminal.say("This certificate is already on the device.");
    } else {
        terminal.say("The certificate is on the device.");
    }
    let now = SystemTime::now();
    let flaws: Vec<String> = stored.flaws.iter().map(ToString::to_string).collect();
    if !flaws.is_empty() {
        terminal.warn(&format!("IAM Roles Anywhere refuses this certificate: {}", flaws.join("; ")));
    }
    for subject in &stored.replaced {
        terminal.say(&format!("Removed the older one of {subject}."));
    }
    for subject in &stored.overwritten {
        terminal.say(&format!("Took the place of {subject}, a certificate of another key."));
    }
    for above in &stored.chain {
        terminal.say(&format!("Above it: {}", above.subject()));
        if !above.is_valid_at(now) {
            terminal.warn(&format!(
                "the certificate {} above it {}",
                above.subject(),
                when_valid(above, now)
            ));
        }
    }
    terminal.report(&stored.uri)?;
    terminal.document(&json!({
        "uri": stored.uri,
        "was_there": stored.was_there,
        "flaws": flaws,
        "replaced": stored.replaced,
        "overwritten": stored.overwritten,
        "chain": stored.chain.iter().map(Certificate::subject).collect::<Vec<_>>(),
    }))
}
