//! The terminal at which a person sits, whatever stdin and stdout are.

use std::fs::File;
use std::io::{self, IsTerminal, Read, Write};

use rustix::termios::{LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcsetattr};

/// Such a terminal. Reading gives each key as it is pressed, if it is silent, else each line.
#[derive(Debug)]
pub struct Terminal(File);

/// How a terminal treats keys.
pub(crate) struct Settings(Termios);

impl Terminal {
    /// The terminal of this process.
    ///
    /// # Errors
    /// It has none.
    pub fn open() -> io::Result<Self> {
        let terminal = File::options().read(true).write(true).open("/dev/tty")?;
        if terminal.is_terminal() { Ok(Terminal(terminal)) } else { Err(io::ErrorKind::NotFound.into()) }
    }

    /// A second handle of it.
    ///
    /// # Errors
    /// What the system said.
    pub(crate) fn try_clone(&self) -> io::Result<Self> {
        Ok(Terminal(self.0.try_clone()?))
    }

    /// How it treats keys now.
    ///
    /// # Errors
    /// What the system said.
    pub(crate) fn settings(&self) -> io::Result<Settings> {
        Ok(Settings(tcgetattr(&self.0)?))
    }

    /// Switches off echo, line editing and the keys that send signals, and throws away what was typed before.
    ///
    /// # Errors
    /// What the system said.
    pub(crate) fn silence(&self, Settings(before): &Settings) -> io::Result<()> {
        let mut silent = before.clone();
        silent
            .local_modes
            .remove(LocalModes::ECHO | LocalModes::ECHONL | LocalModes::ICANON | LocalModes::ISIG);
        silent.special_codes[SpecialCodeIndex::VMIN] = 1;
        silent.special_codes[SpecialCodeIndex::VTIME] = 0;
        Ok(tcsetattr(&self.0, OptionalActions::Flush, &silent)?)
    }

    /// Has it treat keys as it did.
    ///
    /// # Errors
    /// What the system said.
    pub(crate) fn put_back(&self, Settings(before): &Settings) -> io::Result<()> {
        Ok(tcsetattr(&self.0, OptionalActions::Now, before)?)
    }
}

impl Read for Terminal {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        self.0.read(bytes)
    }
}

impl Write for &Terminal {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        (&self.0).write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        (&self.0).flush()
    }
}
