//! Credentials obtained earlier, for commands that run often, in a file that only its owner can read.

use std::ffi::OsString;
use std::fs::{self, File, TryLockError};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use secrecy::SecretString;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::clock::Clock;
use super::lifetime::Standing;
use super::options::CredentialOptions;
use super::request::is_uri;
use crate::error::{Error, Exit, Explain};
use crate::platform::advice::how_to_close_folder;
use crate::platform::file::{try_lock, write_at_start};
use crate::platform::{Folder, How, Kind, Status, user};
use crate::rolesanywhere::{Credentials, Expiration, output};
use crate::save;
use crate::signature::sha256_hex;
use crate::uri::redact;

/// Credentials take two kilobytes.
const MAX_BYTES: u64 = 64 << 10;

/// Where the credentials are that the same options obtained.
#[derive(Debug)]
pub struct Cache {
    folder: PathBuf,
    name: String,
    clock: Arc<Clock>,
}

/// Held by the process that obtains credentials: if ten start at once, nine find what the first one got.
#[derive(Debug)]
pub(super) struct CacheLock {
    _file: File,
}

/// Cached credentials that have not expired.
#[derive(Clone, Debug)]
pub struct Kept {
    /// The credentials.
    pub credentials: Credentials,
    /// Whether new ones are to be obtained.
    pub standing: Standing,
}

impl Cache {
    /// The cache for these options. `None` without a home folder.
    ///
    /// # Errors
    /// [`CacheError`]: there is no safe place for it.
    pub fn open(
        options: &CredentialOptions,
        module: Option<&Path>,
        clock: Arc<Clock>,
    ) -> Result<Option<Self>, CacheError> {
        let Some(folder) = folder() else { return Ok(None) };
        Self::open_in(folder, name_of(options, module), clock).map(Some)
    }

    fn open_in(folder: PathBuf, name: String, clock: Arc<Clock>) -> Result<Self, CacheError> {
        let unusable = |source| CacheError::Folder { folder: folder.clone(), source };
        Folder::create_private(&folder).map_err(unusable)?;
        let found = Status::of_path(&folder).map_err(unusable)?;
        match (found.is_own(), found.is_private()) {
            (false, _) => return Err(CacheError::FolderOfAnother(folder)),
            (_, false) => return Err(CacheError::FolderIsOpen(folder)),
            _ => {}
        }
        Ok(Cache { folder, name, clock })
    }

    /// The lock, unless another process holds it.
    pub(super) fn try_lock(&self) -> Result<Option<CacheLock>, CacheError> {
        let failed = |source| CacheError::Lock { folder: self.folder.clone(), source };
        let file = Folder::at(&self.folder)
            .and_then(|folder| folder.open_or_create(&self.file_name("lock"), How::Write, 0o600))
            .map_err(failed)?;
        match try_lock(&file) {
            Ok(()) => {
                // For waiting processes; they wait even without it.
                let own = std::process::id().to_string();
                let _ = file.set_len(0).and_then(|()| write_at_start(&file, own.as_bytes()));
                Ok(Some(CacheLock { _file: file }))
            }
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(source)) => Err(failed(source)),
        }
    }

    /// The process that holds the lock, if it has left its number.
    pub(super) fn holder(&self) -> Option<u32> {
        self.text("lock")?.trim().parse().ok()
    }

    /// Credentials that have not expired. `None` for a file that belongs to somebody else, that others can
    /// read, or that is not as it was written.
    pub fn read(&self) -> Option<Kept> {
        let document: Value = serde_json::from_str(&self.text("json")?).ok()?;
        let member = |name: &str| document.get(name).and_then(Value::as_str).map(str::to_owned);
        let secret = |name: &str| member(name).map(SecretString::from);
        let credentials = Credentials::new(
            member("AccessKeyId")?,
            secret("SecretAccessKey")?,
            secret("SessionToken")?,
            Expiration::parse(&member("Expiration")?)?,
        )
        .ok()?;
        let end = credentials.expiration().unix_seconds();
        // An earlier version did not store when they were obtained: then they are due.
        let since = document.get("Since").and_then(Value::as_i64).unwrap_or(i64::MIN / 2);
        let standing = Standing::at(self.clock.now(), since, end);
        (standing != Standing::Ended).then_some(Kept { credentials, standing })
    }

    /// Stores new credentials, and forgets an earlier failure.
    ///
    /// # Errors
    /// [`CacheError::Write`]; the credentials are handed out all the same.
    pub fn write(&self, credentials: &Credentials) -> Result<(), CacheError> {
        // AWS's document, and when it arrived.
        let document = output::credential_process(credentials);
        let mut text = Zeroizing::new(String::with_capacity(document.len() + 32));
        text.push_str(document.trim_end_matches('}'));
        text.push_str(&format!(",\"Since\":{}}}", self.clock.now()));
        let written = self.replace("json", text.as_bytes());
        let _ = fs::remove_file(self.file("failed"));
        written
    }

    /// Records that no credentials could be obtained, for waiting processes and those that start soon.
    pub(super) fn write_failure(&self, error: &Error) {
        let failure = json!({
            "at": milliseconds(SystemTime::now()),
            "message": redact(&error.to_string()),
            "hint": error.hint().map(|hint| redact(&hint)),
            "exit": error.exit() as u8,
        });
        // A failure here matters less than the error itself, which is reported in any case.
        let _ = self.replace("failed", failure.to_string().as_bytes());
    }

    /// The failure of another process, if it is not older than `since`.
    pub(super) fn failure_since(&self, since: SystemTime) -> Option<OtherFailed> {
        let document: Value = serde_json::from_str(&self.text("failed")?).ok()?;
        let at = UNIX_EPOCH + Duration::from_millis(document.get("at")?.as_u64()?);
        let text = |name: &str| document.get(name).and_then(Value::as_str).map(str::to_owned);
        let exit = u8::try_from(document.get("exit")?.as_u64()?).ok()?;
        let exit =
            [Exit::Device, Exit::Key, Exit::Pin, Exit::Sign, Exit::Malformed, Exit::Signature, Exit::Aws]
                .into_iter()
                .find(|known| *known as u8 == exit);
        let failure = OtherFailed {
            at,
            message: text("message")?,
            hint: text("hint"),
            exit: exit.unwrap_or(Exit::Other),
        };
        // One in the future comes from a clock that was set back since.
        (since <= at && at <= SystemTime::now() + Duration::from_secs(1)).then_some(failure)
    }

    fn file(&self, ending: &str) -> PathBuf {
        self.folder.join(self.file_name(ending))
    }

    fn file_name(&self, ending: &str) -> OsString {
        format!("{}.{ending}", self.name).into()
    }

    fn text(&self, ending: &str) -> Option<Zeroizing<String>> {
        let file = Folder::at(&self.folder).ok()?.open(&self.file_name(ending), How::Read).ok()?;
        let found = Status::of(&file).ok()?;
        if found.kind() != Kind::Regular || !is_own_and_closed(&found) {
            return None;
        }
        let mut text = Zeroizing::new(String::new());
        file.take(MAX_BYTES).read_to_string(&mut text).ok()?;
        Some(text)
    }

    fn replace(&self, ending: &str, bytes: &[u8]) -> Result<(), CacheError> {
        let file = self.file(ending);
        save::replace_private(&file, bytes, 0o600).map_err(|source| CacheError::Write { file, source })
    }
}

/// What another process was told when it asked for the same credentials.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message} (as another process that asked for the same credentials was told)")]
pub struct OtherFailed {
    /// When.
    pub at: SystemTime,
    /// What is wrong.
    message: String,
    hint: Option<String>,
    exit: Exit,
}

impl Explain for OtherFailed {
    fn exit(&self) -> Exit {
        self.exit
    }

    fn hint(&self) -> Option<String> {
        self.hint.clone()
    }
}

fn milliseconds(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// Why credentials are not cached. They can still be obtained.
#[derive(Debug, thiserror::Error)]
pub enum CacheError {
    /// The folder cannot be created or examined.
    #[error("no cache: {folder:?}: {source}")]
    Folder {
        /// The folder.
        folder: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The folder belongs to somebody else.
    #[error("no cache: {0:?} belongs to another user: remove it")]
    FolderOfAnother(PathBuf),
    /// Others than its owner can use the folder.
    #[error("no cache: {0:?} can be used by others than its owner: {how}", how = how_to_close_folder(.0))]
    FolderIsOpen(PathBuf),
    /// The lock cannot be obtained.
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

fn folder() -> Option<PathBuf> {
    Some(user::cache_folder()?.join("countersign/credentials"))
}

fn is_own_and_closed(found: &Status) -> bool {
    found.is_own() && found.is_private()
}

/// Everything that the credentials depend on, as one name. A PIN is not part of it.
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
        // A run that verifies the server must not get what any server may have answered.
        options.trust_any_server,
        module.map(Path::to_string_lossy),
        std::env::var_os("COUNTERSIGN_MODULE").map(|module| module.to_string_lossy().into_owned()),
    ]);
    sha256_hex(inputs.to_string().as_bytes())
}

fn place(text: &str) -> String {
    if is_uri(text) { redact(text) } else { absolute(Path::new(text)) }
}

/// The same relative name in two folders means two files.
fn absolute(path: &Path) -> String {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned()).to_string_lossy().into_owned()
}

// It looks at modes.
#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
    use std::path::Path;
    use std::sync::Arc;
    use std::time::{Duration, SystemTime};

    use secrecy::ExposeSecret;

    use super::{Cache, CacheError, name_of};
    use crate::credentials::{Clock, CredentialOptions, Standing};
    use crate::device::LoginError;
    use crate::error::{Exit, Explain};
    use crate::rolesanywhere::Credentials;

    fn open(folder: &Path, clock: &Arc<Clock>) -> Result<Cache, CacheError> {
        Cache::open_in(folder.join("cache"), "name".into(), Arc::clone(clock))
    }

    fn credentials(clock: &Clock, life: i64) -> Credentials {
        Credentials::example_until(clock.now() + life)
    }

    #[test]
    fn cached_credentials_are_found_until_they_expire_and_are_due_after_half_of_their_life() {
        let (folder, clock) = (tempfile::tempdir().unwrap(), Arc::new(Clock::default()));
        let cache = open(folder.path(), &clock).unwrap();
        assert!(cache.read().is_none());
        cache.write(&credentials(&clock, 900)).unwrap();
        let found = cache.read().unwrap();
        assert_eq!((found.credentials.access_key_id(), found.standing), ("ASIAEXAMPLE", Standing::Fresh));
        assert_eq!(found.credentials.session_token().expose_secret(), "secret");
        // AWS's time counts, not this computer's.
        clock.set_back(-500);
        assert_eq!(cache.read().unwrap().standing, Standing::Due);
        clock.set_back(-401);
        assert!(cache.read().is_none());
    }

    #[test]
    fn one_process_has_the_lock_and_others_know_which() {
        let (folder, clock) = (tempfile::tempdir().unwrap(), Arc::new(Clock::default()));
        let cache = open(folder.path(), &clock).unwrap();
        let lock = cache.try_lock().unwrap().unwrap();
        assert!(cache.try_lock().unwrap().is_none());
        assert_eq!(cache.holder(), Some(std::process::id()));
        drop(lock);
        assert!(cache.try_lock().unwrap().is_some());
    }

    #[test]
    fn a_failure_is_found_by_processes_that_started_before_it_until_there_are_credentials() {
        let (folder, clock) = (tempfile::tempdir().unwrap(), Arc::new(Clock::default()));
        let cache = open(folder.path(), &clock).unwrap();
        let start = SystemTime::now() - Duration::from_secs(1);
        let error = LoginError::LastTry { device: "pkcs11:?pin-value=1234".into() };
        cache.write_failure(&error.into());
        let found = cache.failure_since(start).unwrap();
        assert_eq!(found.exit(), Exit::Pin);
        assert!(found.to_string().contains("one attempt is left") && !found.to_string().contains("1234"));
        assert!(cache.failure_since(SystemTime::now() + Duration::from_secs(1)).is_none());
        cache.write(&credentials(&clock, 900)).unwrap();
        assert!(cache.failure_since(start).is_none());
    }

    #[test]
    fn a_file_that_others_may_have_written_or_read_is_not_used() {
        let (folder, clock) = (tempfile::tempdir().unwrap(), Arc::new(Clock::default()));
        let cache = open(folder.path(), &clock).unwrap();
        for mode in [0o640, 0o604, 0o620, 0o601] {
            cache.write(&credentials(&clock, 900)).unwrap();
            assert_eq!(fs::metadata(cache.file("json")).unwrap().mode() & 0o777, 0o600);
            fs::set_permissions(cache.file("json"), Permissions::from_mode(mode)).unwrap();
            assert!(cache.read().is_none(), "{mode:o}");
        }
        cache.write(&credentials(&clock, 900)).unwrap();
        let elsewhere = folder.path().join("elsewhere");
        fs::rename(cache.file("json"), &elsewhere).unwrap();
        symlink(&elsewhere, cache.file("json")).unwrap();
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
    fn other_options_have_another_name_and_the_pin_makes_no_difference() {
        let options = |key: &str| CredentialOptions { private_key: Some(key.into()), ..Default::default() };
        let name = |key: &str| name_of(&options(key), None);
        assert_eq!(name("pkcs11:object=a?pin-value=1234"), name("pkcs11:object=a?pin-value=4321"));
        assert_ne!(name("pkcs11:object=a"), name("pkcs11:object=b"));
        assert_ne!(name_of(&options("pkcs11:"), Some(Path::new("a.so"))), name("pkcs11:"));
    }
}
