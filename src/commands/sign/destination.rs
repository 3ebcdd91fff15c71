//! Where the signed file, or the signature, goes.

use std::path::{Path, PathBuf};

use countersign::error::Error;
use countersign::save::{self, Output};

use crate::cli::Sign;
use crate::commands::terminal::Terminal;
use crate::commands::tokens;
use crate::commands::usage::UsageError;

pub(super) enum Destination {
    InPlace,
    File(Box<Output>),
    Stdout,
}

/// A signature file is smaller by far.
const MAX_SIGNATURE_BYTES: u64 = 4096;

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
            Some(path) if tokens::is_stdin(path) || path == Path::new("/dev/stdout") => Destination::Stdout,
            // Writing onto the file itself is signing it in place.
            Some(path) if !arguments.detached && save::is_same_file(file, path) => Destination::InPlace,
            Some(path) => Destination::File(Box::new(Output::at(path)?)),
            None if tokens::is_stdin(file) => Destination::Stdout,
            None if arguments.detached => Destination::File(Box::new(Output::at(&beside(file))?)),
            None => Destination::InPlace,
        })
    }

    /// The signature file that is there already, when the destination is a regular file.
    pub(super) fn existing_bytes(&self) -> Result<Option<Vec<u8>>, Error> {
        match self {
            Destination::File(output) if output.path().is_file() => {
                Ok(Some(save::read(output.path(), MAX_SIGNATURE_BYTES)?))
            }
            _ => Ok(None),
        }
    }
}

/// `FILE.sig`.
pub(crate) fn beside(file: &Path) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(".sig");
    PathBuf::from(name)
}
