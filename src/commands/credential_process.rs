//! `countersign credential-process`: credentials as AWS's SDKs ask a program for them.

use countersign::error::Error;
use countersign::rolesanywhere::{Credentials, output};

use super::aws::{Cache, Provider, Wanted};
use super::key::KeyOptions;
use crate::cli::CredentialProcess;
use crate::terminal::Terminal;

pub(crate) fn run(
    arguments: &CredentialProcess,
    options: &KeyOptions,
    terminal: &Terminal,
) -> Result<(), Error> {
    let wanted = Wanted::of(&arguments.roles_anywhere)?;
    let mut provider = Provider::new(wanted, options, terminal)?;
    if arguments.dry_run {
        return provider.rehearse();
    }
    let problem = |line: &str| terminal.warn(line);
    let use_cache = !arguments.no_cache;
    let cache =
        use_cache.then(|| Cache::open(&arguments.roles_anywhere, options.module(), problem)).flatten();
    if let Some(credentials) = cache.as_ref().filter(|_| !arguments.refresh).and_then(Cache::read) {
        terminal.detail(&format!("from the cache, until {}", credentials.expiration().as_str()));
        return print(&credentials, terminal);
    }
    let credentials = provider.credentials()?;
    if let Some(cache) = &cache {
        cache.write(&credentials, problem);
    }
    print(&credentials, terminal)
}

fn print(credentials: &Credentials, terminal: &Terminal) -> Result<(), Error> {
    let document = output::credential_process(credentials);
    terminal.data(document.as_bytes())?;
    terminal.data(b"\n")
}
