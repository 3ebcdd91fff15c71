//! Credentials from the cache, or new ones that are stored there. One process obtains them and the others
//! wait for the result, but not forever, and not for a process that prompts for the PIN.

use std::thread;
use std::time::{Duration, Instant, SystemTime};

use super::cache::{Cache, CacheError, CacheLock, Kept, OtherFailed};
use super::lifetime::Standing;
use super::provider::{DEADLINE, Provider};
use crate::error::{Error, Exit, Explain};
use crate::rolesanywhere::Credentials;

/// After this wait, a process is told the reason.
const TOLD_AFTER: Duration = Duration::from_secs(1);
/// A process that holds the lock for longer hangs, or was stopped. Together with one's own attempt this stays
/// below the minute that SDKs wait.
const LONGEST_WAIT: Duration = Duration::from_secs(30);
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// While credentials are still valid, renewal is attempted at most this often.
const PAUSE: Duration = Duration::from_secs(60);

/// What happens on the way.
#[derive(Debug)]
pub enum CacheEvent<'a> {
    /// These were cached, and are handed out.
    FromCache(&'a Credentials),
    /// Another process is obtaining the same credentials.
    Waits {
        /// Its number, where it is known.
        process: Option<u32>,
    },
    /// New ones could not be obtained, and the cached ones have not expired.
    NotRenewed {
        /// Why.
        error: &'a Error,
        /// The credentials that are handed out.
        credentials: &'a Credentials,
    },
    /// They cannot be cached.
    NotCached(CacheError),
}

/// The credentials in `cache`, or new ones from `provider`; with `refresh`, new ones in any case.
///
/// # Errors
/// As [`Provider::credentials`], and [`OtherFailed`], if no credentials are valid.
pub fn credentials_through(
    cache: &Cache,
    provider: &mut Provider<'_>,
    refresh: bool,
    tell: &dyn Fn(CacheEvent<'_>),
) -> Result<Credentials, Error> {
    let (start, deadline) = (SystemTime::now(), Instant::now() + DEADLINE);
    let found = || cache.read().filter(|_| !refresh);
    let mut kept = found();
    let lock = match &kept {
        Some(Kept { credentials, standing: Standing::Fresh }) => return Ok(from_cache(credentials, tell)),
        _ if provider.asks_a_person() => None,
        Some(kept) => {
            if let Some(failure) = cache
                .failure_since(SystemTime::UNIX_EPOCH)
                .filter(|failure| is_to_be_heeded(failure, provider))
            {
                return Ok(not_renewed(&failure.into(), &kept.credentials, tell));
            }
            match cache.try_lock() {
                Ok(Some(lock)) => Some(lock),
                // Another process renews them.
                Ok(None) => return Ok(from_cache(&kept.credentials, tell)),
                Err(error) => without_lock(error, tell),
            }
        }
        None => match wait(cache, start, refresh, tell)? {
            Waited::ForLock(lock) => lock,
            Waited::ForCredentials(credentials) => return Ok(credentials),
        },
    };
    // What arrived while this process waited for the lock.
    if lock.is_some()
        && let Some(now) = found()
    {
        if now.standing == Standing::Fresh {
            return Ok(from_cache(&now.credentials, tell));
        }
        kept = Some(now);
    }
    match provider.credentials_by(deadline) {
        Ok(credentials) => {
            cache.write(&credentials).unwrap_or_else(|error| tell(CacheEvent::NotCached(error)));
            Ok(credentials)
        }
        Err(error) => {
            // Whatever a person did is not a failure for other processes.
            if !provider.asks_a_person() {
                cache.write_failure(&error);
            }
            match kept.filter(|_| error.exit() != Exit::Interrupted).and_then(|_| cache.read()) {
                Some(kept) => Ok(not_renewed(&error, &kept.credentials, tell)),
                None => Err(error),
            }
        }
    }
}

enum Waited {
    /// None if the lock was not available in time: then this process continues without it.
    ForLock(Option<CacheLock>),
    ForCredentials(Credentials),
}

/// Waits for the process that obtains the same credentials. If it fails after `start`, everybody who waits
/// fails with it.
fn wait(
    cache: &Cache,
    start: SystemTime,
    refresh: bool,
    tell: &dyn Fn(CacheEvent<'_>),
) -> Result<Waited, Error> {
    let (since, mut is_told) = (Instant::now(), false);
    loop {
        let lock = match cache.try_lock() {
            Ok(lock) => lock,
            Err(error) => return Ok(Waited::ForLock(without_lock(error, tell))),
        };
        if let Some(failure) = cache.failure_since(start) {
            return Err(failure.into());
        }
        if lock.is_some() || since.elapsed() >= LONGEST_WAIT {
            return Ok(Waited::ForLock(lock));
        }
        if let Some(kept) = cache.read().filter(|kept| !refresh && kept.standing == Standing::Fresh) {
            return Ok(Waited::ForCredentials(from_cache(&kept.credentials, tell)));
        }
        if !is_told && since.elapsed() >= TOLD_AFTER {
            is_told = true;
            tell(CacheEvent::Waits { process: cache.holder() });
        }
        thread::sleep(LOOK_EVERY);
    }
}

/// Whether another attempt so soon would be useless: a wrong PIN stays wrong until its file changes.
fn is_to_be_heeded(failure: &OtherFailed, provider: &Provider<'_>) -> bool {
    match failure.exit() {
        Exit::Pin => !provider.pin_file_changed_since(failure.at),
        _ => failure.at.elapsed().is_ok_and(|since| since < PAUSE),
    }
}

fn from_cache(credentials: &Credentials, tell: &dyn Fn(CacheEvent<'_>)) -> Credentials {
    tell(CacheEvent::FromCache(credentials));
    credentials.clone()
}

fn not_renewed(error: &Error, credentials: &Credentials, tell: &dyn Fn(CacheEvent<'_>)) -> Credentials {
    tell(CacheEvent::NotRenewed { error, credentials });
    credentials.clone()
}

fn without_lock(error: CacheError, tell: &dyn Fn(CacheEvent<'_>)) -> Option<CacheLock> {
    tell(CacheEvent::NotCached(error));
    None
}
