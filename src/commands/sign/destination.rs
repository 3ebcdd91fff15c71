//! Where the signed file, or the signature, goes.

use std::path::{Path, PathBuf};

use countersign::error::Error;
use countersign::save::{self, Output};

use crate::cli::Sign;
use crate::commands::detached::{read_signature, signature_file};
use crate::commands::usage::UsageError;
use crate::terminal::Terminal;

pub(super) enum Destination {
    InPlace,
    File(Box<Output>),
    Stdout,
}

impl Destination {
    /// One for each file.
    pub(super) fn of_all(arguments: &Sign, terminal: &Terminal) -> Result<Vec<Self>, Error> {
        if arguments.output.is_some() && arguments.files.len() > 1 {
            return Err(UsageError::OutputOfMany(arguments.files.len()).into());
        }
        let destinations: Vec<Self> =
            arguments.files.iter().map(|file| Self::of(file, arguments)).collect::<Result<_, _>>()?;
        let to_stdout = destinations.iter().any(|destination| matches!(destination, Destination::Stdout));
        if terminal.wants_json() && to_stdout && !arguments.dry_run {
            return Err(UsageError::JsonAndStdout.into());
        }
        Ok(destinations)
    }

    fn of(file: &Path, arguments: &Sign) -> Result<Self, Error> {
        Ok(match &arguments.output {
            Some(path) if save::is_dash(path) || path == Path::new("/dev/stdout") => Destination::Stdout,
            // Writing onto the file itself is signing it in place.
            Some(path) if !arguments.detached && save::is_same_file(file, path) => Destination::InPlace,
            Some(path) => Destination::File(Box::new(Output::at(path)?)),
            None if save::is_dash(file) => Destination::Stdout,
            None if arguments.detached => Destination::File(Box::new(Output::at(&signature_file(file))?)),
            None => Destination::InPlace,
        })
    }

    /// No file of a run may be two things at once, but for `-o` that names the one file itself.
    pub(super) fn refuse_collisions(arguments: &Sign) -> Result<(), UsageError> {
        let mut paths: Vec<(&'static str, PathBuf)> = Vec::new();
        for file in arguments.files.iter().filter(|file| !save::is_dash(file)) {
            paths.push(("FILE", file.clone()));
            if arguments.detached && arguments.output.is_none() {
                paths.push(("the signature", signature_file(file)));
            }
        }
        let output = arguments.output.as_ref().filter(|path| !save::is_dash(path));
        let in_place = |path: &&PathBuf| !arguments.detached && save::is_same_file(path, &arguments.files[0]);
        paths.extend(output.filter(|path| !in_place(path)).map(|path| ("-o", path.clone())));
        paths.extend(arguments.write_public_key.clone().map(|path| ("--write-public-key", path)));
        paths.extend(arguments.audit_log.clone().map(|path| ("--audit-log", path)));
        for (index, (what, path)) in paths.iter().enumerate() {
            // Devices are nobody's only file.
            let is_special = path.metadata().is_ok_and(|metadata| !metadata.is_file());
            let same = |(_, earlier): &&(&'static str, PathBuf)| identity(earlier) == identity(path);
            if let Some((earlier, _)) = paths[..index].iter().find(same).filter(|_| !is_special) {
                return Err(UsageError::OneFileForTwo(earlier, what, path.clone()));
            }
        }
        Ok(())
    }

    /// The signature file that is there already, when the destination is a regular file.
    pub(super) fn existing_bytes(&self) -> Result<Option<Vec<u8>>, Error> {
        match self {
            Destination::File(output) if output.path().is_file() => {
                let bytes = read_signature(output.path())?;
                // As mktemp makes it: a place, not a signature.
                Ok(Some(bytes).filter(|bytes| !bytes.is_empty()))
            }
            _ => Ok(None),
        }
    }
}

/// What a path leads to, also where nothing is there yet.
fn identity(path: &Path) -> PathBuf {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let place = || Some(parent.canonicalize().ok()?.join(path.file_name()?));
    path.canonicalize().ok().or_else(place).unwrap_or_else(|| path.to_owned())
}
