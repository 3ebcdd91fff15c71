//! Token files as they are read: from a path or stdin, with the file's name in every error.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::RequestError;
use crate::error::{Error, Exit, Explain};
use crate::printable::one_line;
use crate::save::{self, FileUse, InputFile};
use crate::tokenfile::{self, TokenFile, TokenFileError};

/// A token file, as errors describe it.
pub(super) const TOKEN_FILE: FileUse = FileUse {
    noun: "token file",
    done: "signed",
    origin: "CloudHSM CLI writes the file into the folder it was started in",
    elsewhere: "write it elsewhere (-o)",
};

/// A token file and where it came from.
#[derive(Debug)]
pub struct Input {
    /// None for a file that is signed whole.
    pub tokens: Option<TokenFile>,
    /// The bytes as they were read, unless `to_replace` has them.
    bytes: Vec<u8>,
    /// Held, and locked, when the file is to be replaced.
    pub to_replace: Option<InputFile>,
    /// The name that the user gave.
    pub path: PathBuf,
}

impl Input {
    /// The bytes as they were read.
    pub fn bytes(&self) -> &[u8] {
        self.to_replace.as_ref().map_or(&self.bytes, InputFile::bytes)
    }

    /// The format's name in `--json` documents and the audit log.
    pub fn format_name(&self) -> &'static str {
        self.tokens.as_ref().map_or("detached", |file| file.format().name())
    }

    /// The parsed file.
    ///
    /// # Errors
    /// [`RequestError::NotParsed`]: a file that was read with [`Purpose::Opaque`] was not parsed.
    pub fn file(&self) -> Result<&TokenFile, Error> {
        self.tokens.as_ref().ok_or_else(|| RequestError::NotParsed(self.name()).into())
    }

    /// The name that the user gave, or `stdin`.
    pub fn name(&self) -> String {
        display_name(&self.path)
    }

    /// How long ago it was written, if that is known.
    pub fn age(&self) -> Option<Duration> {
        self.path.metadata().ok()?.modified().ok()?.elapsed().ok()
    }
}

/// How the files are going to be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// They are read.
    Look,
    /// They are locked, and replaced.
    Replace,
    /// They are used as they are, whatever their content.
    Opaque,
}

/// Reads all files before anything is done with the first one.
///
/// # Errors
/// [`RequestError`] for names that make no sense together; otherwise what is wrong with a file, with its
/// name.
pub fn read_all(paths: &[PathBuf], purpose: Purpose) -> Result<Vec<Input>, Error> {
    if paths.len() > 1 && paths.iter().any(|path| save::is_dash(path)) {
        return Err(RequestError::StdinAndFiles.into());
    }
    let mut seen = HashMap::new();
    for path in paths {
        let Some(identity) = save::identity(path) else { continue };
        if let Some(earlier) = seen.insert(identity, path) {
            return Err(RequestError::SameFile(earlier.clone(), path.clone()).into());
        }
    }
    paths.iter().map(|path| read(path, purpose)).collect()
}

fn read(path: &Path, purpose: Purpose) -> Result<Input, Error> {
    // A URI may hold a PIN, which no "no such file" may repeat.
    if path.to_string_lossy().to_ascii_lowercase().starts_with("pkcs11:") {
        return Err(RequestError::UriForFile.into());
    }
    let in_use = |error| TOKEN_FILE.error(error);
    let read = || -> Result<Input, Error> {
        let (bytes, to_replace) = if save::is_dash(path) {
            (save::read_stdin(tokenfile::MAX_BYTES).map_err(in_use)?, None)
        } else if purpose != Purpose::Replace {
            (save::read(path, tokenfile::MAX_BYTES).map_err(in_use)?, None)
        } else {
            let file = InputFile::open(path, tokenfile::MAX_BYTES).map_err(in_use)?;
            (Vec::new(), Some(file))
        };
        let content = to_replace.as_ref().map_or(bytes.as_slice(), InputFile::bytes);
        let unusable = |source| InFile { name: display_name(path), what: "signed or checked", source };
        let tokens = match purpose {
            Purpose::Opaque if content.is_empty() => return Err(unusable(TokenFileError::Empty).into()),
            Purpose::Opaque => None,
            Purpose::Look | Purpose::Replace => Some(TokenFile::parse(content).map_err(unusable)?),
        };
        Ok(Input { tokens, bytes, to_replace, path: path.to_owned() })
    };
    read().map_err(|error| {
        let is_there = purpose == Purpose::Replace && path.is_file();
        if is_there {
            error.with_consequence(format!("{} was not changed.", display_name(path)))
        } else {
            error
        }
    })
}

fn display_name(path: &Path) -> String {
    if save::is_dash(path) { "stdin".into() } else { one_line(&path.display().to_string()) }
}

/// A token file that is malformed, or does not belong to the others, with its name.
#[derive(Debug, thiserror::Error)]
#[error("{name:?} cannot be {what}: {source}")]
pub struct InFile {
    /// The file.
    pub name: String,
    /// What was to be done with it.
    pub what: &'static str,
    /// What is wrong with it.
    pub source: TokenFileError,
}

impl Explain for InFile {
    fn may_pass(&self) -> bool {
        // A pipe delivers nothing more.
        self.name != "stdin" && self.source.may_pass()
    }
    fn exit(&self) -> Exit {
        self.source.exit()
    }
    fn detail(&self) -> Vec<String> {
        self.source.detail()
    }
    fn hint(&self) -> Option<String> {
        let hint = self.source.hint()?;
        Some(hint.replace("FILE > NEW", &format!("{:?} > utf8.json", self.name)))
    }
}
