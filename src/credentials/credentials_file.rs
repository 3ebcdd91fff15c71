//! The AWS credentials file (`~/.aws/credentials`) on the disk: finding it, creating it, and replacing it whole.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use crate::error::{Error, Exit, Explain};
use crate::platform::advice::how_to_close;
use crate::platform::user::HOME;
use crate::platform::{Folder, Status, user};
use crate::rolesanywhere::{Credentials, ProfileName, with_credentials};
use crate::save::{self, FileError, FileUse, FileUseError, InputFile, NotKept, Output};

/// The file, as errors describe it.
const CREDENTIALS_FILE: FileUse = FileUse {
    noun: "credentials file",
    done: "written",
    origin: "AWS_SHARED_CREDENTIALS_FILE names it, by default it is ~/.aws/credentials",
    elsewhere: "name another one by AWS_SHARED_CREDENTIALS_FILE",
};

/// Larger than any credentials file.
const MAX_BYTES: u64 = 4 << 20;
/// Other programs write the file too.
const ATTEMPTS: usize = 50;
const BETWEEN_ATTEMPTS: Duration = Duration::from_millis(100);

/// The file in which AWS's programs look for credentials.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CredentialsFile {
    path: PathBuf,
    /// It is written into, and never replaced by another file.
    in_place: bool,
}

/// How the file gets new contents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Written {
    /// By putting another file in its place, so that a reader finds either the old contents or the new ones.
    Replaced,
    /// Into the file itself, as requested.
    InPlaceAsAsked,
    /// Into the file itself, because it cannot be replaced: it is a mount of its own, or its folder is not
    /// writable.
    InPlaceOfNecessity,
}

impl CredentialsFile {
    /// The one that AWS's programs use: `AWS_SHARED_CREDENTIALS_FILE`, otherwise `~/.aws/credentials`.
    ///
    /// # Errors
    /// [`CredentialsFileError::NoHome`].
    pub fn of_environment() -> Result<Self, CredentialsFileError> {
        let variable =
            |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let home = || user::home().map(|home| home.join(".aws/credentials"));
        let path = variable("AWS_SHARED_CREDENTIALS_FILE").or_else(home);
        Ok(CredentialsFile { path: path.ok_or(CredentialsFileError::NoHome)?, in_place: false })
    }

    /// Where it is, or will be.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The same file, written into and never replaced: for readers that keep the file itself open or mounted.
    #[must_use]
    pub fn in_place(self, in_place: bool) -> Self {
        CredentialsFile { in_place, ..self }
    }

    /// Checks whether and how the file can be written, before anybody types a PIN and a signature is spent.
    /// Creates nothing.
    ///
    /// # Errors
    /// What the system said, in a [`FileError`].
    pub fn check_writable(&self) -> Result<Written, FileUseError> {
        let is_missing = |folder: &&Path| !folder.as_os_str().is_empty() && !folder.exists();
        // What will be created first: the file, or the uppermost folder that is missing.
        let mut first = self.path.as_path();
        while let Some(folder) = first.parent().filter(is_missing) {
            first = folder;
        }
        let can_be_written_into = || {
            first == self.path.as_path()
                && File::options().write(true).open(first).is_ok_and(|file| is_regular(&file))
        };
        match Output::at(first) {
            Ok(_) if self.in_place => Ok(Written::InPlaceAsAsked),
            Ok(_) => Ok(Written::Replaced),
            Err(
                FileError::Mounted { .. }
                | FileError::Folder { .. }
                | FileError::NotOwner { .. }
                | FileError::NotDeletable { .. },
            ) if self.path.exists() && can_be_written_into() => {
                Ok(if self.in_place { Written::InPlaceAsAsked } else { Written::InPlaceOfNecessity })
            }
            Err(error) => Err(CREDENTIALS_FILE.error(error)),
        }
    }

    /// Puts the credentials into the profile. Meanwhile the file is locked against other processes of this
    /// program; it is replaced as a whole if possible. If another program changes it in between, that change
    /// is kept: the file is read again, for some seconds.
    ///
    /// # Errors
    /// [`CredentialsFileError::NotMade`], or [`FileError`].
    pub fn write(&self, profile: &ProfileName, credentials: &Credentials) -> Result<NotKept, Error> {
        let not_made = |source| CredentialsFileError::NotMade { path: self.path.clone(), source };
        match self.make(&with_credentials(b"", profile, credentials)) {
            // The folder exists already, or by now.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            result => return result.map(|()| NotKept::default()).map_err(not_made).map_err(Error::from),
        }
        let is_replaced = self.check_writable()? == Written::Replaced;
        let mut attempts = 0;
        loop {
            let replaced = InputFile::open(&self.path, MAX_BYTES).and_then(|file| {
                let bytes = with_credentials(file.bytes(), profile, credentials);
                match is_replaced {
                    true => file.replace(&bytes, || {}),
                    false => file.overwrite(&bytes).map(|()| NotKept::default()),
                }
            });
            attempts += 1;
            match replaced {
                Err(FileError::Busy { .. } | FileError::Changed { .. }) if attempts < ATTEMPTS => {
                    thread::sleep(BETWEEN_ATTEMPTS);
                }
                result => return Ok(result.map_err(|error| CREDENTIALS_FILE.error(error))?),
            }
        }
    }

    /// What is unsafe about the file, for a warning: others than its owner can open it.
    pub fn exposure(&self) -> Option<String> {
        let (path, found) = (&self.path, Status::of_path(&self.path).ok()?);
        (!found.is_private()).then(|| {
            let (rights, close) = (found.rights(), how_to_close(path));
            format!("others can read {} ({rights}): {close}", path.display())
        })
    }

    /// A new file is only its owner's, and so is a new folder. Nobody ever sees it without its content.
    fn make(&self, bytes: &[u8]) -> io::Result<()> {
        let path = &self.path;
        if path.exists() {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            Folder::create_private(folder)?;
        }
        // A link that leads nowhere is completed.
        save::create_private(path, bytes, 0o600)
    }
}

fn is_regular(file: &File) -> bool {
    file.metadata().is_ok_and(|metadata| metadata.is_file())
}

/// Why there is no credentials file.
#[derive(Debug, thiserror::Error)]
pub enum CredentialsFileError {
    /// Neither variable says where it is.
    #[error("the user has no folder of their own, so ~/.aws/credentials cannot be found")]
    NoHome,
    /// It cannot be created.
    #[error("{path:?} cannot be created: {source}")]
    NotMade {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl Explain for CredentialsFileError {
    fn exit(&self) -> Exit {
        Exit::Other
    }

    fn hint(&self) -> Option<String> {
        match self {
            CredentialsFileError::NoHome => {
                Some(format!("set {HOME}, or AWS_SHARED_CREDENTIALS_FILE to the file"))
            }
            CredentialsFileError::NotMade { .. } => None,
        }
    }
}

// It looks at modes.
#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::{MetadataExt, PermissionsExt};

    use super::CredentialsFile;
    use crate::rolesanywhere::{Credentials, ProfileName};

    #[test]
    fn the_check_creates_nothing_and_a_new_file_is_private() {
        let folder = tempfile::tempdir().unwrap();
        let file = CredentialsFile { path: folder.path().join("home/.aws/credentials"), in_place: false };
        file.check_writable().unwrap();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
        file.write(&ProfileName::default(), &Credentials::example_until(4_000_000_000)).unwrap();
        let mode = |path| fs::metadata(path).unwrap().mode() & 0o7777;
        assert_eq!((mode(file.path()), mode(file.path().parent().unwrap())), (0o600, 0o700));
        assert_eq!(file.exposure(), None);
    }

    #[test]
    fn the_mode_of_an_existing_file_stays_and_is_reported() {
        let folder = tempfile::tempdir().unwrap();
        let file = CredentialsFile { path: folder.path().join("credentials"), in_place: false };
        fs::write(file.path(), "[other]\nregion = eu-west-1\n").unwrap();
        fs::set_permissions(file.path(), Permissions::from_mode(0o644)).unwrap();
        file.write(&ProfileName::default(), &Credentials::example_until(4_000_000_000)).unwrap();
        assert!(file.exposure().unwrap().ends_with("(mode 0644): chmod 600 it"));
        assert!(fs::read_to_string(file.path()).unwrap().starts_with("[other]\nregion = eu-west-1\n"));
    }
}
