//! What every error of this program provides: what is wrong, the detail, what to do, and the exit code.

use std::fmt;

/// The exit codes of the command line. They are a contract: scripts depend on them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Anything that has no code of its own: files, internal faults.
    Other = 1,
    /// The command line is wrong.
    Usage = 2,
    /// No module or no device, or it could not be used.
    Device = 3,
    /// The key or certificate was not found, is not unique, or is not fit.
    Key = 4,
    /// The PIN is missing, wrong or locked, or the last attempt was withheld.
    Pin = 5,
    /// The device refused or failed to sign.
    Sign = 6,
    /// The input file, URI or certificate is malformed.
    Malformed = 7,
    /// A signature does not verify.
    Signature = 8,
    /// AWS refused, or could not be reached.
    Aws = 9,
    /// Interrupted by a signal.
    Interrupted = 130,
}

/// An error that explains itself. Its `Display` is the one line that says what is wrong.
pub trait Explain: std::error::Error {
    /// The exit code that this error ends the program with.
    fn exit(&self) -> Exit;

    /// Lines below the first one: what was tried, what was found.
    fn detail(&self) -> Vec<String> {
        Vec::new()
    }

    /// What to do about it.
    fn hint(&self) -> Option<String> {
        None
    }

    /// Which part of the way to a signature is at fault, as `doctor` names it, if that is known.
    fn topic(&self) -> Option<&'static str> {
        None
    }

    /// Whether it may resolve itself: a file that is still being written, a device that is not plugged in
    /// yet.
    fn may_pass(&self) -> bool {
        false
    }
}

/// Any error of any topic, on its way to `main`.
pub struct Error {
    source: Box<dyn Explain + Send + Sync + 'static>,
    consequences: Vec<String>,
}

impl Error {
    /// Adds what the error means for a file or device at hand, for example that a file was not changed.
    #[must_use]
    pub fn with_consequence(mut self, line: impl Into<String>) -> Self {
        self.consequences.push(line.into());
        self
    }

    /// The exit code that this error ends the program with.
    pub fn exit(&self) -> Exit {
        self.source.exit()
    }

    /// Lines below the first one.
    pub fn detail(&self) -> Vec<String> {
        self.source.detail()
    }

    /// Which part of the way to a signature is at fault.
    pub fn topic(&self) -> Option<&'static str> {
        self.source.topic()
    }

    /// Whether it may resolve itself.
    pub fn may_pass(&self) -> bool {
        self.source.may_pass()
    }

    /// What it means for the files and devices at hand.
    pub fn consequences(&self) -> &[String] {
        &self.consequences
    }

    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        self.source.hint()
    }
}

impl<E: Explain + Send + Sync + 'static> From<E> for Error {
    fn from(source: E) -> Self {
        Error { source: Box::new(source), consequences: Vec::new() }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.source.fmt(f)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.source, f)
    }
}
