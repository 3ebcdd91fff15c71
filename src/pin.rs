//! The PIN: where it comes from, and how it is kept.

mod error;
mod keys;
pub mod terminal;

pub use error::PinError;

use std::fmt;
use std::io::{IsTerminal, Read};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use secrecy::{ExposeSecret, SecretString};
use zeroize::Zeroizing;

use crate::platform::{self, Kind, Status};
use crate::save;
use crate::uri::Uri;

/// No PIN of any device is longer, in bytes; a longer file is not a PIN file.
const MAX_BYTES: usize = 1024;

/// What can be a PIN: one line of text. Wiped from memory when dropped, never printed.
#[derive(Clone, Debug)]
pub struct Pin(SecretString);

impl Pin {
    /// Refuses what a device would count as a wrong PIN, wherever it comes from.
    ///
    /// # Errors
    /// [`PinError::Empty`], [`PinError::TooLong`] for more than 1,024 bytes, [`PinError::NotText`] for control characters and
    /// a byte-order mark.
    pub fn new(text: SecretString, source: &PinSource) -> Result<Self, PinError> {
        let source_name = || source.to_string();
        let line = text.expose_secret();
        if line.is_empty() {
            return Err(PinError::Empty { source_name: (!source.is_person()).then(source_name) });
        }
        if line.len() > MAX_BYTES {
            return Err(PinError::TooLong { source_name: source_name() });
        }
        // U+FEFF is a byte-order mark; U+FFFD stands for what was typed and is not text.
        if line.contains(|character: char| character.is_control() || "\u{feff}\u{fffd}".contains(character)) {
            return Err(PinError::NotText { source_name: source_name() });
        }
        Ok(Pin(text))
    }

    /// Its length, in characters.
    pub fn length(&self) -> usize {
        self.0.expose_secret().chars().count()
    }

    /// Whether it begins or ends with a blank, which is invisible in a file.
    pub fn has_outer_blank(&self) -> bool {
        let text = self.0.expose_secret();
        text.starts_with(char::is_whitespace) || text.ends_with(char::is_whitespace)
    }

    /// The text, for the device alone.
    pub fn expose(&self) -> &SecretString {
        &self.0
    }
}

/// Where a PIN comes from.
#[derive(Clone, Debug)]
pub enum PinSource {
    /// A person at the terminal.
    Prompt,
    /// The first line of a file.
    File(PathBuf),
    /// An environment variable.
    Environment {
        /// Its name.
        name: String,
        /// Its value, once [`PinSource::capture`] took it.
        value: Option<SecretString>,
    },
    /// An open file descriptor, read to its end.
    Descriptor(u32),
    /// A `pin-value` in a key URI.
    Value(SecretString),
}

impl PinSource {
    /// What a key URI says: its `pin-value`, or its `pin-source` as `file:/path` or a bare path (RFC 7512 section 2.4).
    ///
    /// # Errors
    /// [`PinError::Command`] for a `pin-source` of the form `|command`: a URI must not be able to start programs.
    /// [`PinError::NotAPath`] for one that is not an absolute path.
    pub fn from_uri(uri: &Uri) -> Result<Option<Self>, PinError> {
        if let Some(value) = &uri.pin_value {
            return Ok(Some(PinSource::Value(value.expose().clone())));
        }
        let Some(source) = &uri.pin_source else { return Ok(None) };
        let source = String::from_utf8_lossy(source);
        if source.starts_with('|') {
            return Err(PinError::Command);
        }
        let path = source.strip_prefix("file:").unwrap_or(&source);
        // file:///path is the long form of file:/path, and file:///C:/path that of file:C:/path.
        let forms = [path.strip_prefix("//"), path.strip_prefix("///"), Some(path)];
        let path = forms.into_iter().flatten().map(Path::new).find(|path| path.is_absolute());
        // Not repeated when it is not a path: people put the PIN itself here.
        Ok(Some(PinSource::File(path.ok_or(PinError::NotAPath)?.to_owned())))
    }

    /// Takes the PIN out of the environment, if it comes from there, so that no child process inherits it.
    /// Call it before any thread is started. A variable that is not set is reported when the PIN is read.
    #[must_use]
    pub fn capture(self) -> Self {
        match self {
            PinSource::Environment { name, value: None } => match crate::environment::take(&name) {
                Ok(value) => PinSource::Environment { name, value: Some(value) },
                // Left there, to be reported when it is read.
                Err(_) => PinSource::Environment { name, value: None },
            },
            other => other,
        }
    }

    /// Whether a person answers, who can be asked again.
    pub fn is_person(&self) -> bool {
        matches!(self, PinSource::Prompt)
    }

    /// Whether it gives a PIN only once, so that a correct one has to be kept.
    pub fn gives_it_once(&self) -> bool {
        matches!(self, PinSource::Prompt | PinSource::Descriptor(_))
    }

    /// Reads the PIN; `prompt` is shown to a person. Every other source is read once: a wrong PIN in a file
    /// stays wrong, and each attempt brings the device closer to locking.
    ///
    /// # Errors
    /// [`PinError`], which never holds the PIN.
    pub fn read(&self, prompt: &str) -> Result<Pin, PinError> {
        let text = match self {
            PinSource::Prompt => terminal::ask(prompt)?,
            PinSource::File(path) => {
                let unreadable = |source| PinError::Unreadable { source_name: self.to_string(), source };
                first_line(no_terminal(std::fs::File::open(path).map_err(unreadable)?, self)?, self)?
            }
            PinSource::Environment { value: Some(value), .. } => value.clone(),
            PinSource::Environment { name, value: None } => match crate::environment::take(name) {
                Ok(value) => value,
                Err(std::env::VarError::NotPresent) => return Err(PinError::Unset { name: name.clone() }),
                Err(std::env::VarError::NotUnicode(_)) => {
                    return Err(PinError::NotText { source_name: self.to_string() });
                }
            },
            PinSource::Descriptor(number) => {
                let unreadable = |source| PinError::Unreadable { source_name: self.to_string(), source };
                first_line(no_terminal(platform::file::duplicate(*number).map_err(unreadable)?, self)?, self)?
            }
            PinSource::Value(value) => value.clone(),
        };
        Pin::new(text, self)
    }

    /// What is unsafe about this source, for a warning: who else can read it.
    pub fn exposure(&self) -> Option<String> {
        match self {
            PinSource::File(path) => {
                let found = Status::of_path(path).ok().filter(|found| found.kind() == Kind::Regular)?;
                if let Some(uid) = save::other_owner(path) {
                    let own = platform::advice::how_to_own(path);
                    return Some(format!(
                        "the PIN file {path:?} belongs to another user ({uid}), who knows the PIN: {own}"
                    ));
                }
                (!found.is_private()).then(|| {
                    let (rights, close) = (found.rights(), platform::advice::how_to_close(path));
                    format!("the PIN file {path:?} can be read by others ({rights}): {close}")
                })
            }
            PinSource::Value(_) => Some(
                "the PIN is in the key URI (pin-value), where other users of this machine and the shell's history \
                 can see it: use --pin-source"
                    .into(),
            ),
            PinSource::Environment { name, value: Some(_) } => std::env::var_os(name).is_some().then(|| {
                format!(
                    "the PIN stays in the environment variable {name} of this process, where programs that a module \
                     starts can see it: without /proc it cannot be removed"
                )
            }),
            _ => None,
        }
    }
}

impl fmt::Display for PinSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PinSource::Prompt => f.write_str("the terminal"),
            PinSource::File(path) => write!(f, "the file {path:?}"),
            PinSource::Environment { name, .. } => write!(f, "the environment variable {name}"),
            PinSource::Descriptor(number) => write!(f, "file descriptor {number}"),
            PinSource::Value(_) => f.write_str("the key URI's pin-value"),
        }
    }
}

impl FromStr for PinSource {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // The text is not repeated: people try the PIN itself here.
        let wrong = || "possible values: prompt, file:PATH, env:NAME, fd:NUMBER".to_owned();
        if text == "prompt" {
            return Ok(PinSource::Prompt);
        }
        match text.split_once(':') {
            Some(("file", path)) if !path.is_empty() => Ok(PinSource::File(PathBuf::from(path))),
            Some(("env", name)) if is_variable_name(name) => {
                Ok(PinSource::Environment { name: name.to_owned(), value: None })
            }
            Some(("fd", number)) => number.parse().map(PinSource::Descriptor).map_err(|_| wrong()),
            _ => Err(wrong()),
        }
    }
}

/// Refuses a terminal, which would show the PIN as it is typed; only a prompt switches that off.
fn no_terminal(file: std::fs::File, source: &PinSource) -> Result<std::fs::File, PinError> {
    if file.is_terminal() {
        return Err(PinError::IsTerminal { source_name: source.to_string() });
    }
    Ok(file)
}

/// Whether a variable can have this name (POSIX); anything else may be the PIN itself.
fn is_variable_name(name: &str) -> bool {
    !name.starts_with(|first: char| first.is_ascii_digit())
        && !name.is_empty()
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// The first line, without its line end; what follows must be empty, or the file is something else.
fn first_line(reader: impl Read, source: &PinSource) -> Result<SecretString, PinError> {
    // Reserved whole, so that growing never leaves a copy behind in freed memory.
    let mut bytes = Zeroizing::new(Vec::with_capacity(MAX_BYTES + 3));
    reader
        .take(MAX_BYTES as u64 + 3)
        .read_to_end(&mut bytes)
        .map_err(|error| PinError::Unreadable { source_name: source.to_string(), source: error })?;
    let text =
        std::str::from_utf8(&bytes).map_err(|_| PinError::NotText { source_name: source.to_string() })?;
    let line = text.strip_suffix('\n').unwrap_or(text);
    let line = line.strip_suffix('\r').unwrap_or(line);
    if line.contains(['\n', '\r']) {
        return Err(PinError::NotOneLine { source_name: source.to_string() });
    }
    Ok(SecretString::from(line))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn read(bytes: &[u8]) -> Result<String, PinError> {
        let source = PinSource::Descriptor(3);
        let pin = Pin::new(first_line(bytes, &source)?, &source)?;
        Ok(pin.expose().expose_secret().to_owned())
    }

    #[test]
    fn one_line_end_is_not_part_of_the_pin() {
        for text in ["1234", "1234\n", "1234\r\n"] {
            assert_eq!(read(text.as_bytes()).unwrap(), "1234");
        }
        assert_eq!(read(b" 12 34 \n").unwrap(), " 12 34 ");
    }

    #[test]
    fn what_is_not_a_pin_file_is_refused_without_repeating_it() {
        assert!(matches!(read(b"1234\nsecond"), Err(PinError::NotOneLine { .. })));
        assert!(matches!(read(&[b'1'; 2000]), Err(PinError::TooLong { .. })));
        assert!(matches!(read(b"\n"), Err(PinError::Empty { .. })));
        for text in [&b"12\xff"[..], b"\xef\xbb\xbf1234\n", b"12\x00", b"12\x1b[A"] {
            assert!(matches!(read(text), Err(PinError::NotText { .. })));
        }
    }

    #[test]
    fn an_invalid_source_is_not_repeated() {
        for text in ["123456", "pin:123456", "env:123456", "file:", "env:", "env:A=B", "fd:x", "fd:-1", ""] {
            let error = text.parse::<PinSource>().unwrap_err();
            assert!(!error.contains("123456"));
        }
    }

    #[test]
    fn a_uri_names_a_file_in_three_ways_and_never_a_command() {
        let (file, long_form) = if cfg!(windows) {
            ("C:/run/pin", "file:///C:/run/pin")
        } else {
            ("/run/pin", "file:///run/pin")
        };
        for source in [&format!("file:{file}"), long_form, file] {
            let uri: Uri = format!("pkcs11:?pin-source={source}").parse().unwrap();
            let read = PinSource::from_uri(&uri);
            assert!(matches!(&read, Ok(Some(PinSource::File(path))) if path == Path::new(file)), "{source}");
        }
        let uri: Uri = "pkcs11:?pin-source=123456".parse().unwrap();
        let error = PinSource::from_uri(&uri).unwrap_err();
        assert!(!error.to_string().contains("123456"), "{error}");
        let uri: Uri = "pkcs11:?pin-source=%7Ccat%20/run/pin".parse().unwrap();
        assert!(matches!(PinSource::from_uri(&uri), Err(PinError::Command)));
    }
}
