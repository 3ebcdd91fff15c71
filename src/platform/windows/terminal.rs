//! The console at which a person sits, whatever stdin and stdout are.
//!
//! One of the files with unsafe code: a console's mode and its keys have no safe function.
#![allow(unsafe_code)]

use std::fs::File;
use std::io::{self, IsTerminal, Read, Write};
use std::os::windows::io::AsRawHandle;
use std::ptr;

use windows_sys::Win32::System::Console::{
    ENABLE_ECHO_INPUT, ENABLE_LINE_INPUT, ENABLE_PROCESSED_INPUT, ENABLE_VIRTUAL_TERMINAL_INPUT,
    FlushConsoleInputBuffer, GetConsoleMode, ReadConsoleW, SetConsoleMode,
};
use zeroize::Zeroize;

use super::streams;

/// Such a console. Reading gives each key as it is pressed, if it is silent, else each line.
#[derive(Debug)]
pub struct Terminal {
    input: File,
    output: File,
    /// What was read and not yet handed out, in UTF-8.
    pending: Vec<u8>,
    /// The first half of a character of two units.
    half: Option<u16>,
}

/// How a console treats keys.
pub(crate) struct Settings(u32);

impl Terminal {
    /// The console of this process.
    ///
    /// # Errors
    /// It has none.
    pub fn open() -> io::Result<Self> {
        // A terminal that is made of pipes, as Git Bash's own is: its console is hidden, and it would echo what is typed.
        if io::stdin().is_terminal() && !streams::is_console(&io::stdin()) {
            return Err(io::ErrorKind::NotFound.into());
        }
        let open = |name| File::options().read(true).write(true).open(name);
        let terminal = Self::of(open("CONIN$")?, open("CONOUT$")?);
        terminal.settings()?;
        Ok(terminal)
    }

    fn of(input: File, output: File) -> Self {
        Terminal { input, output, pending: Vec::with_capacity(4), half: None }
    }

    /// A second handle of it.
    ///
    /// # Errors
    /// What the system said.
    pub(crate) fn try_clone(&self) -> io::Result<Self> {
        Ok(Self::of(self.input.try_clone()?, self.output.try_clone()?))
    }

    /// How it treats keys now.
    ///
    /// # Errors
    /// What the system said.
    pub(crate) fn settings(&self) -> io::Result<Settings> {
        let mut mode = 0;
        // SAFETY: the handle is open.
        match unsafe { GetConsoleMode(self.input.as_raw_handle(), &mut mode) } {
            0 => Err(io::Error::last_os_error()),
            _ => Ok(Settings(mode)),
        }
    }

    /// Switches off echo, line editing and the keys that interrupt, and throws away what was typed before.
    ///
    /// # Errors
    /// What the system said.
    pub(crate) fn silence(&self, Settings(before): &Settings) -> io::Result<()> {
        let keys =
            ENABLE_ECHO_INPUT | ENABLE_LINE_INPUT | ENABLE_PROCESSED_INPUT | ENABLE_VIRTUAL_TERMINAL_INPUT;
        self.set_mode(before & !keys)?;
        // SAFETY: the handle is open.
        match unsafe { FlushConsoleInputBuffer(self.input.as_raw_handle()) } {
            0 => Err(io::Error::last_os_error()),
            _ => Ok(()),
        }
    }

    /// Has it treat keys as it did.
    ///
    /// # Errors
    /// What the system said.
    pub(crate) fn put_back(&self, Settings(before): &Settings) -> io::Result<()> {
        self.set_mode(*before)
    }

    fn set_mode(&self, mode: u32) -> io::Result<()> {
        // SAFETY: the handle is open.
        match unsafe { SetConsoleMode(self.input.as_raw_handle(), mode) } {
            0 => Err(io::Error::last_os_error()),
            _ => Ok(()),
        }
    }

    /// The next unit of 16 bits; none at the end.
    fn next_unit(&mut self) -> io::Result<Option<u16>> {
        let (mut unit, mut read) = (0_u16, 0);
        // SAFETY: the handle is open; there is room for one unit.
        let is_read = unsafe {
            ReadConsoleW(self.input.as_raw_handle(), (&raw mut unit).cast(), 1, &mut read, ptr::null())
        };
        if is_read == 0 { Err(io::Error::last_os_error()) } else { Ok((read == 1).then_some(unit)) }
    }

    /// Reads one character into `pending`; nothing at the end. One half of a character alone becomes U+FFFD.
    fn next_character(&mut self) -> io::Result<()> {
        let mut bytes = [0; 4];
        loop {
            let Some(unit) = self.next_unit()? else { return Ok(()) };
            let is_first_half = self.half.is_none() && (0xd800..0xdc00).contains(&unit);
            if is_first_half {
                self.half = Some(unit);
                continue;
            }
            for character in char::decode_utf16(self.half.take().into_iter().chain([unit])) {
                let text = character.unwrap_or(char::REPLACEMENT_CHARACTER).encode_utf8(&mut bytes);
                self.pending.extend(text.bytes());
            }
            bytes.zeroize();
            return Ok(());
        }
    }
}

impl Read for Terminal {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        if self.pending.is_empty() {
            self.next_character()?;
        }
        let length = bytes.len().min(self.pending.len());
        bytes[..length].copy_from_slice(&self.pending[..length]);
        self.pending.drain(..length);
        Ok(length)
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.pending.zeroize();
    }
}

impl Write for &Terminal {
    /// Consoles take text, whatever their code page is.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        streams::write_to_console(&self.output, &String::from_utf8_lossy(bytes))?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
