//! Credentials that were obtained before, for commands that run often: in a file that only its owner can read.

use std::fs::{self, DirBuilder, File};
use std::io::{Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use secrecy::SecretString;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::clock::Clock;
use super::options::CredentialOptions;
use super::request::is_uri;
use crate::error::{Exit, Explain};
use crate::rolesanywhere::{Credentials, Expiration, output};
use crate::signature::sha256_hex;
use crate::uri::redact;

/// Credentials that end sooner are not handed out: AWS's SDKs would ask again at once. In seconds.
const MARGIN: i64 = 300;
/// Credentials are two kilobytes.
const MAX_BYTES: u64 = 64 << 10;

/// The place of the credentials that the same options obtained.
#[derive(Debug)]
pub struct Cache {
    file: PathBuf,
    clock: Arc<Clock>,
    /// Held until this ends: of ten that start at once nine find what the first one got.
    _lock: File,
}

impl Cache {
    /// Opens the cache, and waits for other processes that are obtaining the same credentials. `None` without a home folder.
    ///
    /// # Errors
    /// [`CacheError`]: there is no safe place for it.
    pub fn open(
        options: &CredentialOptions,
        module: Option<&Path>,
        clock: Arc<Clock>,
    ) -> Result<Option<Self>, CacheError> {
        let Some(folder) = folder() else { return Ok(None) };
        Self::open_in(folder, &name_of(options, module), clock).map(Some)
    }

    fn open_in(folder: PathBuf, name: &str, clock: Arc<Clock>) -> Result<Self, CacheError> {
        let unusable = |source| CacheError::Folder { folder: folder.clone(), source };
        DirBuilder::new().recursive(true).mode(0o700).create(&folder).map_err(unusable)?;
        if !is_own_and_closed(&fs::metadata(&folder).map_err(unusable)?) {
            return Err(CacheError::FolderIsOpen(folder));
        }
        let lock = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            // A FIFO is not waited for.
            .custom_flags((rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK).bits() as i32)
            .open(folder.join(format!("{name}.lock")));
        match lock.and_then(|lock| lock.lock().map(|()| lock)) {
            Ok(lock) => Ok(Cache { file: folder.join(format!("{name}.json")), clock, _lock: lock }),
            Err(source) => Err(CacheError::Lock { folder, source }),
        }
    }

    /// Credentials that are valid for five minutes more. `None` for a file that belongs to somebody else, that others can
    /// read, or that is not as it was written.
    pub fn read(&self) -> Option<Credentials> {
        let file = File::options()
            .read(true)
            .custom_flags((rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK).bits() as i32)
            .open(&self.file)
            .ok()?;
        let metadata = file.metadata().ok()?;
        if !metadata.is_file() || !is_own_and_closed(&metadata) {
            return None;
        }
        let mut text = Zeroizing::new(String::new());
        file.take(MAX_BYTES).read_to_string(&mut text).ok()?;
        let document: Value = serde_json::from_str(&text).ok()?;
        let member = |name: &str| document.get(name).and_then(Value::as_str).map(str::to_owned);
        let secret = |name: &str| member(name).map(SecretString::from);
        let credentials = Credentials::new(
            member("AccessKeyId")?,
            secret("SecretAccessKey")?,
            secret("SessionToken")?,
            Expiration::parse(&member("Expiration")?)?,
        )
        .ok()?;
        (credentials.expiration().unix_seconds() > self.clock.now() + MARGIN).then_some(credentials)
    }

    /// Keeps credentials.
    ///
    /// # Errors
    /// [`CacheError::Write`], which is no reason not to hand them out.
    pub fn write(&self, credentials: &Credentials) -> Result<(), CacheError> {
        let write = || -> std::io::Result<()> {
            let folder = self.file.parent().unwrap_or(&self.file);
            // Made with mode 0600.
            let mut temporary = tempfile::Builder::new().prefix(".new-").tempfile_in(folder)?;
            temporary.write_all(output::credential_process(credentials).as_bytes())?;
            temporary.as_file().sync_all()?;
            temporary.persist(&self.file)?;
            Ok(())
        };
        write().map_err(|source| CacheError::Write { file: self.file.clone(), source })
    }
}

/// Why credentials are not cached. They can be obtained all the same.
#[derive(Debug, thiserror::Error)]
pub enum CacheError {
    /// The folder cannot be made or looked at.
    #[error("no cache: {folder:?}: {source}")]
    Folder {
        /// The folder.
        folder: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Others than its owner can use the folder.
    #[error("no cache: {0:?} is not only its owner's (mode 0700)")]
    FolderIsOpen(PathBuf),
    /// The lock cannot be had.
    #[error("no cache: {folder:?} cannot be locked: {source}")]
    Lock {
        /// The folder.
        folder: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file cannot be written.
    #[error("the credentials are not cached: {file:?}: {source}")]
    Write {
        /// The file.
        file: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}

impl Explain for CacheError {
    fn exit(&self) -> Exit {
        Exit::Other
    }
}

/// In the user's cache folder (XDG Base Directory Specification).
fn folder() -> Option<PathBuf> {
    let absolute = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let base = absolute("XDG_CACHE_HOME").or_else(|| absolute("HOME").map(|home| home.join(".cache")))?;
    Some(base.join("countersign/credentials"))
}

fn is_own_and_closed(metadata: &fs::Metadata) -> bool {
    metadata.uid() == rustix::process::geteuid().as_raw() && metadata.mode() & 0o077 == 0
}

/// All that the credentials depend on, as one name. A PIN is no part of it.
fn name_of(options: &CredentialOptions, module: Option<&Path>) -> String {
    let inputs = json!([
        options.certificate.as_deref().map(place),
        options.private_key.as_deref().map(place),
        options.intermediates.as_deref().map(absolute),
        options.role_arn,
        options.profile_arn,
        options.trust_anchor_arn,
        options.session_duration,
        options.role_session_name,
        options.region,
        options.endpoint,
        options.fips,
        options.dualstack,
        // What any server may have answered is not for a run that verifies the server.
        options.trust_any_server,
        module.map(Path::to_string_lossy),
        std::env::var_os("COUNTERSIGN_MODULE").map(|module| module.to_string_lossy().into_owned()),
    ]);
    sha256_hex(inputs.to_string().as_bytes())
}

fn place(text: &str) -> String {
    if is_uri(text) { redact(text) } else { absolute(Path::new(text)) }
}

/// Files of one name in two folders are two files.
fn absolute(path: &Path) -> String {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned()).to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
    use std::path::Path;
    use std::sync::Arc;

    use secrecy::ExposeSecret;

    use super::{Cache, CacheError, name_of};
    use crate::credentials::{Clock, CredentialOptions};
    use crate::rolesanywhere::Credentials;

    fn open(folder: &Path, clock: &Arc<Clock>) -> Result<Cache, CacheError> {
        Cache::open_in(folder.join("cache"), "name", Arc::clone(clock))
    }

    fn credentials(clock: &Clock, life: i64) -> Credentials {
        Credentials::example_until(clock.now() + life)
    }

    #[test]
    fn what_is_kept_is_found_until_five_minutes_before_its_end() {
        let (folder, clock) = (tempfile::tempdir().unwrap(), Arc::new(Clock::default()));
        let cache = open(folder.path(), &clock).unwrap();
        assert!(cache.read().is_none());
        cache.write(&credentials(&clock, 900)).unwrap();
        let found = cache.read().unwrap();
        assert_eq!(found.access_key_id(), "ASIAEXAMPLE");
        assert_eq!(found.session_token().expose_secret(), "secret");
        // AWS's time counts, not this computer's.
        clock.set_back(-601);
        assert!(cache.read().is_none());
    }

    #[test]
    fn a_file_that_others_may_have_written_or_read_is_not_used() {
        let (folder, clock) = (tempfile::tempdir().unwrap(), Arc::new(Clock::default()));
        let cache = open(folder.path(), &clock).unwrap();
        for mode in [0o640, 0o604, 0o620, 0o601] {
            cache.write(&credentials(&clock, 900)).unwrap();
            assert_eq!(fs::metadata(&cache.file).unwrap().mode() & 0o777, 0o600);
            fs::set_permissions(&cache.file, Permissions::from_mode(mode)).unwrap();
            assert!(cache.read().is_none(), "{mode:o}");
        }
        cache.write(&credentials(&clock, 900)).unwrap();
        let elsewhere = folder.path().join("elsewhere");
        fs::rename(&cache.file, &elsewhere).unwrap();
        symlink(&elsewhere, &cache.file).unwrap();
        assert!(cache.read().is_none());
    }

    #[test]
    fn a_folder_that_others_can_use_is_not_used() {
        let (folder, clock) = (tempfile::tempdir().unwrap(), Arc::new(Clock::default()));
        drop(open(folder.path(), &clock).unwrap());
        fs::set_permissions(folder.path().join("cache"), Permissions::from_mode(0o750)).unwrap();
        assert!(matches!(open(folder.path(), &clock), Err(CacheError::FolderIsOpen(_))));
        fs::remove_dir_all(folder.path().join("cache")).unwrap();
        fs::write(folder.path().join("cache"), b"").unwrap();
        assert!(matches!(open(folder.path(), &clock), Err(CacheError::Folder { .. })));
    }

    #[test]
    fn other_options_have_another_name_and_a_pin_makes_none() {
        let options = |key: &str| CredentialOptions { private_key: Some(key.into()), ..Default::default() };
        let name = |key: &str| name_of(&options(key), None);
        assert_eq!(name("pkcs11:object=a?pin-value=1234"), name("pkcs11:object=a?pin-value=4321"));
        assert_ne!(name("pkcs11:object=a"), name("pkcs11:object=b"));
        assert_ne!(name_of(&options("pkcs11:"), Some(Path::new("a.so"))), name("pkcs11:"));
    }
}
