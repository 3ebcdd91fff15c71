//! `countersign credential-process`: credentials in the form that AWS's SDKs expect from a program.

use std::sync::Arc;

use countersign::credentials::{
    Cache, CacheEvent, Clock, CredentialOptions, Event, Rehearsal, credentials_through,
};
use countersign::error::Error;
use countersign::platform::user::CACHE_VARIABLES;
use countersign::rolesanywhere::{Credentials, output};
use countersign::serving::RoleOptions;
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
    terminal.keep_words_from_data();
    let given = aws::credential_options(&arguments.roles_anywhere);
    let wanted = match &arguments.config {
        Some(path) => RoleOptions::one_of_file(path, arguments.role.as_deref(), &given)?.options,
        None => given,
    };
    let clock = Arc::new(Clock::default());
    let observer = |event: Event<'_>| aws::tell(&event, context, terminal);
    let mut provider = aws::provider(aws::request(&wanted)?, context, &clock, &observer)?;
    if arguments.dry_run {
        return report(&provider.rehearse()?, terminal);
    }
    let cache = match arguments.no_cache {
        true => None,
        false => open_cache(&wanted, context, clock, terminal),
    };
    let told = |event: CacheEvent<'_>| tell(&event, terminal);
    let credentials = match &cache {
        Some(cache) => credentials_through(cache, &mut provider, arguments.refresh, &told)?,
        None => provider.credentials()?,
    };
    print(&credentials, terminal)
}

fn open_cache(
    wanted: &CredentialOptions,
    context: &Context,
    clock: Arc<Clock>,
    terminal: &Terminal,
) -> Option<Cache> {
    match Cache::open(wanted, context.access().modules.path.as_deref(), clock) {
        Ok(Some(cache)) => Some(cache),
        Ok(None) => {
            terminal.detail(&format!("not cached: set {CACHE_VARIABLES} to an absolute path"));
            None
        }
        Err(error) => {
            terminal.warn(&error.to_string());
            None
        }
    }
}

fn tell(event: &CacheEvent<'_>, terminal: &Terminal) {
    match event {
        CacheEvent::FromCache(credentials) => {
            terminal.detail(&format!("from the cache, until {}", credentials.expiration().as_str()));
        }
        CacheEvent::Waits { process } => {
            let process = process.map(|number| format!(" (process {number})")).unwrap_or_default();
            terminal.say(&format!(
                "waiting for another countersign{process}, which asks for the same credentials"
            ));
        }
        CacheEvent::NotRenewed { error, credentials } => terminal.warn(&format!(
            "the credentials could not be renewed, and are valid until {}: {error}",
            credentials.expiration().as_str()
        )),
        CacheEvent::NotCached(error) => terminal.warn(&error.to_string()),
    }
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
