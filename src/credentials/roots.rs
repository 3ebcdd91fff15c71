//! Which CAs are trusted to identify AWS's servers: those of a named bundle.

use std::path::{Path, PathBuf};

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;

use crate::error::{Exit, Explain};
use crate::pem::blocks;
use crate::rolesanywhere::SkippedRoot;
use crate::save::{self, FileError};

/// Larger than any bundle.
const MAX_BYTES: u64 = 16 << 20;
/// The labels under which OpenSSL reads certificates, except its own label for certificates with their uses.
const LABELS: [&str; 2] = ["CERTIFICATE", "X509 CERTIFICATE"];

/// The authorities in a bundle, PEM or DER, as DER. An unusable one does not invalidate the others.
///
/// # Errors
/// [`BundleError`]: it cannot be read, or none of its certificates can be used.
pub(super) fn read_bundle(path: &Path) -> Result<(Vec<Vec<u8>>, Vec<SkippedRoot>), BundleError> {
    let bytes = save::read(path, MAX_BYTES).map_err(|source| BundleError::Unreadable { source })?;
    let skipped = |number, reason: String| SkippedRoot { bundle: path.to_owned(), number, reason };
    let (mut roots, mut left_out) = (Vec::new(), Vec::new());
    let mut consider = |number, der: Option<Vec<u8>>| match der.map(|der| (is_root(&der), der)) {
        Some((Ok(()), der)) => roots.push(der),
        Some((Err(reason), _)) => left_out.push(skipped(number, reason)),
        None => left_out.push(skipped(number, "no base64 up to its last line".into())),
    };
    if bytes.starts_with(&[0x30]) {
        consider(1, Some(bytes.clone()));
    } else {
        let text = String::from_utf8_lossy(&bytes);
        let certificates =
            blocks(&text).filter(|block| block.label.is_none_or(|label| LABELS.contains(&label)));
        certificates.enumerate().for_each(|(index, block)| consider(index + 1, block.der));
    }
    if roots.is_empty() {
        let reason = left_out.first().map(|skipped| skipped.reason.clone());
        return Err(BundleError::Empty { path: path.to_owned(), reason });
    }
    Ok((roots, left_out))
}

fn is_root(der: &[u8]) -> Result<(), String> {
    RootCertStore::empty().add(CertificateDer::from(der)).map_err(|error| error.to_string())
}

/// Why a bundle cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    /// It cannot be read.
    #[error("the CA bundle: {source}")]
    Unreadable {
        /// Why.
        source: FileError,
    },
    /// None of its certificates can be used.
    #[error("the CA bundle {path:?} has no certificate that can be used{}", reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default())]
    Empty {
        /// The file.
        path: PathBuf,
        /// What is wrong with the first.
        reason: Option<String>,
    },
}

impl Explain for BundleError {
    fn exit(&self) -> Exit {
        match self {
            BundleError::Unreadable { source } => source.exit(),
            BundleError::Empty { .. } => Exit::Malformed,
        }
    }

    fn hint(&self) -> Option<String> {
        Some(
            "AWS_CA_BUNDLE, or ca_bundle of the profile in ~/.aws/config, names a PEM file with authorities"
                .into(),
        )
    }
}
