//! Credentials that were got before, for commands that run often: in a file that only its owner can read.

use std::fs::{self, DirBuilder, File};
use std::io::{Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use countersign::rolesanywhere::{Credentials, Expiration, output};
use countersign::signature::sha256_hex;
use countersign::uri::redact;
use secrecy::SecretString;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::is_uri;
use super::obtain::now;
use crate::cli::RolesAnywhere;

/// Credentials that end sooner are not handed out: AWS's SDKs would ask again at once. In seconds.
const MARGIN: i64 = 300;
/// Credentials are two kilobytes.
const MAX_BYTES: u64 = 64 << 10;

/// The place of the credentials that the same options got.
pub(crate) struct Cache {
    file: PathBuf,
    /// Held until this ends: of ten that start at once nine find what the first one got.
    _lock: File,
}

impl Cache {
    /// Waits for whoever is getting the same credentials. None where there is no safe place for a cache; `problem` is told
    /// why.
    pub(crate) fn open(
        options: &RolesAnywhere,
        module: Option<&PathBuf>,
        problem: impl Fn(&str),
    ) -> Option<Self> {
        let folder = folder()?;
        let made = DirBuilder::new().recursive(true).mode(0o700).create(&folder);
        let safe = made.and_then(|()| fs::metadata(&folder)).map(|folder| is_own_and_closed(&folder));
        match safe {
            Ok(true) => {}
            Ok(false) => {
                problem(&format!("no cache: {folder:?} is not only its owner's (mode 0700)"));
                return None;
            }
            Err(error) => {
                problem(&format!("no cache: {folder:?}: {error}"));
                return None;
            }
        }
        let name = key(options, module);
        let lock = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            // A FIFO is not waited for.
            .custom_flags((rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK).bits() as i32)
            .open(folder.join(format!("{name}.lock")));
        match lock.and_then(|lock| lock.lock().map(|()| lock)) {
            Ok(lock) => Some(Cache { file: folder.join(format!("{name}.json")), _lock: lock }),
            Err(error) => {
                problem(&format!("no cache: {folder:?} cannot be locked: {error}"));
                None
            }
        }
    }

    /// Credentials that are good for five minutes more. A file that is anybody else's, or that others can read, or that
    /// makes no sense, is no cache.
    pub(crate) fn read(&self) -> Option<Credentials> {
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
        (credentials.expiration().unix_seconds() > now() + MARGIN).then_some(credentials)
    }

    /// Keeps credentials. That it cannot is no reason not to hand them out.
    pub(crate) fn write(&self, credentials: &Credentials, problem: impl Fn(&str)) {
        let write = || -> std::io::Result<()> {
            let folder = self.file.parent().unwrap_or(&self.file);
            // Made with mode 0600.
            let mut temporary = tempfile::Builder::new().prefix(".new-").tempfile_in(folder)?;
            temporary.write_all(output::credential_process(credentials).as_bytes())?;
            temporary.as_file().sync_all()?;
            temporary.persist(&self.file)?;
            Ok(())
        };
        if let Err(error) = write() {
            problem(&format!("the credentials are not cached: {:?}: {error}", self.file));
        }
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
fn key(options: &RolesAnywhere, module: Option<&PathBuf>) -> String {
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
        // What anybody may have answered is not for those who want to know who does.
        options.no_verify_ssl,
        module,
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
