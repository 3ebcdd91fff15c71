//! The token of the container credentials endpoint, in a file that only its owner, or also its group, can
//! read.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::SecretString;
use zeroize::Zeroizing;

use crate::error::{Exit, Explain};
use crate::platform::advice::how_to_close;
use crate::platform::{Kind, Status};
use crate::save::{self, FileError};

/// The mode of the token file unless another one is requested.
pub const CONTAINER_TOKEN_MODE: u32 = 0o600;
/// Shorter tokens can be guessed.
const SHORTEST: usize = 16;

/// The token in a file. If the file is missing or empty, it is created with `mode`; an existing file must not
/// be more open than that. It has no line end: SDKs send the whole file.
///
/// # Errors
/// [`ContainerTokenError`].
pub fn container_token(path: &Path, mode: u32) -> Result<SecretString, ContainerTokenError> {
    let failed = |source| ContainerTokenError::File { path: path.to_owned(), source };
    let new = || {
        let mut bytes = Zeroizing::new([0; 32]);
        let random = SystemRandom::new().fill(&mut *bytes);
        random.map_err(|_| std::io::Error::other("the system provides no random numbers"))?;
        Ok(Zeroizing::new(URL_SAFE_NO_PAD.encode(*bytes)))
    };
    let text = |token: &str| SecretString::from(token.to_owned());
    match fs::symlink_metadata(path) {
        // A full disk leaves an empty file behind.
        Ok(file) if file.is_file() && file.len() == 0 => {
            let token = new().map_err(failed)?;
            save::replace_private(path, token.as_bytes(), mode).map_err(failed)?;
            return Ok(text(&token));
        }
        Ok(_) => {}
        // Nobody ever sees it without its token.
        Err(_) => {
            let token = new().map_err(failed)?;
            match save::create_private(path, token.as_bytes(), mode) {
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
                result => return result.map(|()| text(&token)).map_err(failed),
            }
        }
    }
    // A descriptor, so that the file that is checked is the one that is read.
    let file = save::open_private(path)?;
    let found = Status::of(&file).map_err(failed)?;
    if found.kind() != Kind::Regular || found.mode() & 0o077 & !mode != 0 {
        let is_for_group = found.mode() & 0o037 == 0;
        let (path, rights) = (path.to_owned(), found.rights());
        return Err(ContainerTokenError::Open { path, rights, is_for_group });
    }
    let mut text = String::new();
    file.take(4096).read_to_string(&mut text).map_err(failed)?;
    if text.len() < SHORTEST || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(ContainerTokenError::Unusable(path.to_owned()));
    }
    Ok(SecretString::from(text))
}

/// Why a file provides no token.
#[derive(Debug, thiserror::Error)]
pub enum ContainerTokenError {
    /// It cannot be created or read.
    #[error("the token file {path:?}: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// It cannot be opened.
    #[error("the token file: {0}")]
    Opening(#[from] FileError),
    /// Others than its owner can read it, or it is not a regular file.
    #[error("the token file {path:?} can be read by others ({rights}), or is not a regular file")]
    Open {
        /// The file.
        path: PathBuf,
        /// Who may do what with it.
        rights: String,
        /// Only its group can read it, besides its owner.
        is_for_group: bool,
    },
    /// Its content is too short, or cannot be in an HTTP header.
    #[error("the token file {0:?} holds no token: 16 or more visible characters without a line end")]
    Unusable(PathBuf),
}

impl Explain for ContainerTokenError {
    fn exit(&self) -> Exit {
        Exit::Other
    }

    fn hint(&self) -> Option<String> {
        let hint = match self {
            ContainerTokenError::File { .. } => return None,
            ContainerTokenError::Opening(error) => return error.hint(),
            ContainerTokenError::Open { path, is_for_group: true, .. } => {
                let close = how_to_close(path);
                return Some(format!(
                    "{close}, or give --container-token-mode 0640 to share it with its group"
                ));
            }
            ContainerTokenError::Open { path, .. } => return Some(how_to_close(path)),
            ContainerTokenError::Unusable(_) => "remove it: a new one is created at the next start",
        };
        Some(hint.into())
    }
}
