//! A file to which lines are appended, by several processes in turn.

use std::fs::File;
use std::io;
use std::path::Path;
use std::time::Duration;

use super::FileError;
use super::lock::Lock;
use super::place::Place;
use crate::platform::{How, Kind, Status};

/// Such a file, which nobody else appends to while this lives.
#[derive(Debug)]
pub struct Log {
    /// Open for reading and for appending.
    pub file: File,
    _lock: Lock,
}

/// Why it is not available.
#[derive(Debug)]
pub enum LogError {
    /// What the system said.
    System(io::Error),
    /// It is a pipe, a device or a folder.
    NotRegular,
    /// Another process has it.
    Busy {
        /// Which, where that is known: name and number.
        holder: Option<String>,
    },
}

impl Log {
    /// Opens the file, or creates it with mode 0600, which is then on the disk, and waits for its holder for
    /// at most `patience`. The file that has the name once it is locked counts: a log may be moved away. No
    /// link is followed that replaces it in the meantime.
    ///
    /// # Errors
    /// [`LogError`].
    pub fn open(path: &Path, patience: Duration) -> Result<Self, LogError> {
        let place = Place::of(path).map_err(LogError::System)?;
        loop {
            let file = open_or_make(&place).map_err(LogError::System)?;
            let opened = Status::of(&file).map_err(LogError::System)?;
            if opened.kind() != Kind::Regular {
                return Err(LogError::NotRegular);
            }
            let lock = Lock::of_writers(&place, &file, &opened, patience).map_err(|error| match error {
                FileError::Busy { holder, .. } => LogError::Busy { holder },
                error => LogError::System(io::Error::other(error)),
            })?;
            if place.look().is_ok_and(|named| named.is_same(&opened)) {
                return Ok(Log { file, _lock: lock });
            }
        }
    }
}

fn open_or_make(place: &Place) -> io::Result<File> {
    loop {
        match place.open(How::Append) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            opened => return opened,
        }
        match place.folder().create(place.name(), How::Append, 0o600) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
            Ok(file) => {
                let _ = place.folder().sync();
                return Ok(file);
            }
        }
    }
}
