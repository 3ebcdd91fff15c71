//! Where the signed file, or the signature, goes.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::detached::{read_signature, signature_file};
use super::{RequestError, SigningRequest};
use crate::error::Error;
use crate::save::{self, Output};

/// Where the result for a file goes.
#[derive(Debug)]
pub enum Destination {
    /// The file itself.
    InPlace,
    /// Another file.
    File(Box<Output>),
    /// Standard output.
    Stdout,
}

impl Destination {
    /// One destination for each file.
    ///
    /// # Errors
    /// Several files have one destination, or a destination cannot be written.
    pub fn of_all(request: &SigningRequest) -> Result<Vec<Self>, Error> {
        if request.output.is_some() && request.files.len() > 1 {
            return Err(RequestError::OutputOfMany(request.files.len()).into());
        }
        request.files.iter().map(|file| Self::of(file, request)).collect()
    }

    fn of(file: &Path, request: &SigningRequest) -> Result<Self, Error> {
        Ok(match &request.output {
            Some(path) if save::is_dash(path) || path == Path::new("/dev/stdout") => Destination::Stdout,
            // Writing to the file itself is signing it in place.
            Some(path) if !request.detached && save::is_same_file(file, path) => Destination::InPlace,
            Some(path) => Destination::File(Box::new(Output::at(path)?)),
            None if save::is_dash(file) => Destination::Stdout,
            None if request.detached => Destination::File(Box::new(Output::at(&signature_file(file))?)),
            None => Destination::InPlace,
        })
    }

    /// Refuses a run in which one file has two uses. The exception is `-o` with the name of the one input
    /// file.
    ///
    /// # Errors
    /// [`RequestError::OneFileForTwo`].
    pub fn refuse_collisions(request: &SigningRequest) -> Result<(), RequestError> {
        let mut paths: Vec<(&'static str, PathBuf)> = Vec::new();
        for file in request.files.iter().filter(|file| !save::is_dash(file)) {
            paths.push(("FILE", file.clone()));
            if request.detached && request.output.is_none() {
                paths.push(("the signature", signature_file(file)));
            }
        }
        let output = request.output.as_ref().filter(|path| !save::is_dash(path));
        let in_place = |path: &&PathBuf| !request.detached && save::is_same_file(path, &request.files[0]);
        paths.extend(output.filter(|path| !in_place(path)).map(|path| ("-o", path.clone())));
        paths.extend(request.public_key_output.clone().map(|path| ("--write-public-key", path)));
        paths.extend(request.audit_log.clone().map(|path| ("--audit-log", path)));
        let mut seen = HashMap::new();
        // A special file may have several uses: writing to it replaces nothing.
        let is_special = |path: &Path| path.metadata().is_ok_and(|metadata| !metadata.is_file());
        for (what, path) in paths.iter().filter(|(_, path)| !is_special(path)) {
            if let Some(earlier) = seen.insert(identity(path), what) {
                return Err(RequestError::OneFileForTwo(earlier, what, path.clone()));
            }
        }
        Ok(())
    }

    /// The existing signature file, if the destination is a regular file.
    pub(super) fn existing_bytes(&self) -> Result<Option<Vec<u8>>, Error> {
        match self {
            Destination::File(output) if output.path().is_file() => {
                let bytes = read_signature(output.path())?;
                // mktemp creates an empty file: a destination, not a signature.
                Ok(Some(bytes).filter(|bytes| !bytes.is_empty()))
            }
            _ => Ok(None),
        }
    }
}

/// What a path leads to, even if nothing is there yet.
fn identity(path: &Path) -> PathBuf {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let place = || Some(parent.canonicalize().ok()?.join(path.file_name()?));
    path.canonicalize().ok().or_else(place).unwrap_or_else(|| path.to_owned())
}
