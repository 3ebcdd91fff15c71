//! `countersign update`: one profile of the AWS credentials file, renewed before its credentials end.

use std::fs::{DirBuilder, File};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use countersign::duration::in_words;
use countersign::error::{Error, Exit, Explain};
use countersign::rolesanywhere::{Credentials, ProfileName, with_credentials};
use countersign::save::{FileError, InputFile, Output};
use serde_json::json;

use super::aws::{Provider, Renewal, Wanted, now};
use super::key::KeyOptions;
use crate::cli::Update;
use crate::lifecycle::LIFECYCLE;
use crate::terminal::Terminal;

/// More than anybody's.
const MAX_BYTES: u64 = 4 << 20;
/// Others write the file too.
const TRIES: usize = 50;
const BETWEEN_TRIES: Duration = Duration::from_millis(100);

pub(crate) fn run(arguments: &Update, options: &KeyOptions, terminal: &Terminal) -> Result<(), Error> {
    let profile: ProfileName = arguments.profile.parse()?;
    let file = credentials_file()?;
    check_writable(&file)?;
    let mut provider = Provider::new(Wanted::of(&arguments.roles_anywhere)?, options, terminal)?;
    let credentials = provider.credentials()?;
    write(&file, &profile, &credentials)?;
    let told = |credentials: &Credentials| {
        let until = credentials.expiration().as_str();
        terminal.say(&format!("{}: [{}] is good until {until}", file.display(), arguments.profile));
    };
    let mode = std::fs::metadata(&file).map_or(0, |file| file.mode());
    if mode & 0o077 != 0 {
        terminal.warn(&format!(
            "others can read {} (mode {:04o}): chmod 600 it",
            file.display(),
            mode & 0o7777
        ));
    }
    if arguments.once {
        told(&credentials);
        return terminal.document(&json!({
            "file": file.display().to_string(),
            "profile": arguments.profile,
            "expiration": credentials.expiration().as_str(),
        }));
    }
    // First: whoever is told may send a signal at once.
    LIFECYCLE.become_service();
    told(&credentials);
    let mut end = credentials.expiration().unix_seconds();
    LIFECYCLE.give_up_when(move || now() >= end);
    let mut renewal = Renewal::due();
    renewal.succeeded(&credentials);
    loop {
        LIFECYCLE.wait_for_renewal(renewal.remaining());
        let renewed = provider.credentials().and_then(|credentials| {
            write(&file, &profile, &credentials)?;
            Ok(credentials)
        });
        match renewed {
            Ok(credentials) => {
                told(&credentials);
                end = credentials.expiration().unix_seconds();
                LIFECYCLE.give_up_when(move || now() >= end);
                renewal.succeeded(&credentials);
            }
            Err(error) => {
                renewal.failed(&error);
                if renewal.waits_for_person() || now() >= end {
                    return Err(error);
                }
                terminal.log(&format!(
                    "not renewed, tried again in {}, good for {} more: {error}",
                    in_words(renewal.remaining()),
                    in_words(Duration::from_secs(u64::try_from(end - now()).unwrap_or_default()))
                ));
            }
        }
    }
}

/// Finds out whether the file can be written, before a PIN is asked for and a signature is spent. Makes nothing.
fn check_writable(path: &Path) -> Result<(), FileError> {
    let is_missing = |folder: &&Path| !folder.as_os_str().is_empty() && !folder.exists();
    // What will be made first: the file, or the uppermost folder that is missing.
    let mut first = path;
    while let Some(folder) = first.parent().filter(is_missing) {
        first = folder;
    }
    Output::at(first).map(|_| ())
}

/// Puts the credentials into the profile. The file is locked meanwhile against others of this program, and replaced whole;
/// whoever changes it by other means in between is not overwritten.
fn write(path: &Path, profile: &ProfileName, credentials: &Credentials) -> Result<(), Error> {
    make(path).map_err(|source| NotMade { path: path.to_owned(), source })?;
    let mut tries = 0;
    loop {
        let replaced = InputFile::open(path, MAX_BYTES).and_then(|file| {
            let bytes = with_credentials(file.bytes(), profile, credentials);
            file.replace(&bytes, || {})
        });
        tries += 1;
        match replaced {
            Err(FileError::Busy { .. } | FileError::Changed { .. }) if tries < TRIES => {
                thread::sleep(BETWEEN_TRIES);
            }
            result => return Ok(result?),
        }
    }
}

/// A file that is not there yet is its owner's alone, and so is its folder.
fn make(path: &Path) -> std::io::Result<()> {
    if path.exists() {
        return Ok(());
    }
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    }
    // A link that leads to nothing is completed: the system follows it.
    File::options().create(true).truncate(false).write(true).mode(0o600).open(path).map(|_| ())
}

fn credentials_file() -> Result<PathBuf, NoHome> {
    let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let home = || variable("HOME").map(|home| home.join(".aws/credentials"));
    variable("AWS_SHARED_CREDENTIALS_FILE").or_else(home).ok_or(NoHome)
}

#[derive(Debug, thiserror::Error)]
#[error("HOME is not set, so that there is no ~/.aws/credentials")]
struct NoHome;

impl Explain for NoHome {
    fn exit(&self) -> Exit {
        Exit::Other
    }

    fn hint(&self) -> Option<String> {
        Some("set HOME, or AWS_SHARED_CREDENTIALS_FILE to the file".into())
    }
}

#[derive(Debug, thiserror::Error)]
#[error("{path:?} cannot be made: {source}")]
struct NotMade {
    path: PathBuf,
    source: std::io::Error,
}

impl Explain for NotMade {
    fn exit(&self) -> Exit {
        Exit::Other
    }
}
