//! Reading certificates from a file, with the file's name in every error.

use std::path::{Path, PathBuf};

use crate::certificate::{Certificate, CertificateError, certificates_from_pem};
use crate::error::{Error, Exit, Explain};
use crate::save::{self, FileError};

/// Larger than any chain or bundle of roots.
const MAX_BYTES: u64 = 4 << 20;

/// The certificates of a file, PEM or DER, in their order; `-` reads stdin.
///
/// # Errors
/// The file cannot be read, or holds no certificate.
pub fn read(path: &Path) -> Result<Vec<Certificate>, Error> {
    let read = if save::is_dash(path) { save::read_stdin(MAX_BYTES) } else { save::read(path, MAX_BYTES) };
    let bytes = read.map_err(|source| Unreadable { source })?;
    certificates_from_pem(&bytes).map_err(|source| InFile { path: path.to_owned(), source }.into())
}

/// A file that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("{source}")]
struct Unreadable {
    source: FileError,
}

impl Explain for Unreadable {
    fn exit(&self) -> Exit {
        self.source.exit()
    }

    fn hint(&self) -> Option<String> {
        Some("name a file of certificates, PEM or DER".into())
    }
}

/// A file that holds no certificate, by name.
#[derive(Debug, thiserror::Error)]
#[error("{path:?} cannot be used: {source}")]
struct InFile {
    path: PathBuf,
    source: CertificateError,
}

impl Explain for InFile {
    fn exit(&self) -> Exit {
        self.source.exit()
    }

    fn hint(&self) -> Option<String> {
        Some(self.source.hint()?.replace(" FILE ", &format!(" {:?} ", self.path)))
    }
}
