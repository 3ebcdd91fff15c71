//! `countersign credential-process`: credentials as AWS's SDKs ask a program for them.

use std::sync::Arc;

use countersign::credentials::{Cache, CacheError, Clock, CredentialRequest, Event, Rehearsal};
use countersign::error::Error;
use countersign::rolesanywhere::{Credentials, output};
use serde_json::json;

use super::aws;
use super::context::Context;
use crate::cli::CredentialProcess;
use crate::terminal::Terminal;

pub(crate) fn run(
    arguments: &CredentialProcess,
    context: &Context,
    terminal: &Terminal,
) -> Result<(), Error> {
    let wanted = aws::credential_options(&arguments.roles_anywhere);
    let clock = Arc::new(Clock::default());
    let observer = |event: Event<'_>| aws::tell(&event, context, terminal);
    let mut provider = aws::provider(CredentialRequest::parse(&wanted)?, context, &clock, &observer)?;
    if arguments.dry_run {
        return report(&provider.rehearse()?, terminal);
    }
    let problem = |error: CacheError| terminal.warn(&error.to_string());
    let cache = match arguments.no_cache {
        true => None,
        false => {
            Cache::open(&wanted, context.access().modules.path.as_deref(), clock).unwrap_or_else(|error| {
                problem(error);
                None
            })
        }
    };
    if let Some(credentials) = cache.as_ref().filter(|_| !arguments.refresh).and_then(Cache::read) {
        terminal.detail(&format!("from the cache, until {}", credentials.expiration().as_str()));
        return print(&credentials, terminal);
    }
    let credentials = provider.credentials()?;
    if let Some(cache) = &cache {
        cache.write(&credentials).unwrap_or_else(problem);
    }
    print(&credentials, terminal)
}

fn print(credentials: &Credentials, terminal: &Terminal) -> Result<(), Error> {
    let document = output::credential_process(credentials);
    terminal.data(document.as_bytes())?;
    terminal.data(b"\n")
}

fn report(rehearsal: &Rehearsal, terminal: &Terminal) -> Result<(), Error> {
    let chain = match rehearsal.chain.as_slice() {
        [] => "none".to_owned(),
        above => above.join(" < "),
    };
    let signature = format!(
        "{} bytes by {}, verified under the public key",
        rehearsal.signature_bytes, rehearsal.mechanism
    );
    for (what, value) in [
        ("module", &rehearsal.module),
        ("device", &rehearsal.device),
        ("key", &rehearsal.key),
        ("certificate", &rehearsal.certificate),
        ("serial", &rehearsal.serial),
        ("valid until", &rehearsal.valid_until),
        ("chain", &chain),
        ("endpoint", &rehearsal.endpoint),
        ("signature", &signature),
    ] {
        terminal.report(&format!("{what:<12} {value}"))?;
    }
    terminal.report(&format!("\ncanonical request:\n{}", rehearsal.canonical_request))?;
    terminal.report(&format!("\nstring to sign:\n{}", rehearsal.string_to_sign))?;
    terminal.say("Nothing was sent (--dry-run).");
    terminal.document(&json!(rehearsal))
}
