//! Words for a terminal that was told to stop (Ctrl-S). They are kept until it goes on: a slow reader must not stall a device that
//! is about to sign.

use std::io::{self, Write};
use std::sync::{Mutex, MutexGuard, PoisonError};

use countersign::platform::streams::{AsStream, is_ready, write_text};

/// In bytes. Anything more is dropped: nobody reads it any more.
const MOST: usize = 64 << 10;

/// What has not been written yet.
static HELD: Mutex<Vec<u8>> = Mutex::new(Vec::new());

/// Writes to a terminal as much as is possible without waiting, and keeps the rest.
pub(super) struct Patient<W>(pub(super) W);

impl<W: Write + AsStream> Write for Patient<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut held = held();
        let room = MOST.saturating_sub(held.len());
        held.extend_from_slice(&bytes[..bytes.len().min(room)]);
        write_held(&mut held, &mut self.0)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        write_held(&mut held(), &mut self.0)
    }
}

/// Waits until all has been written.
pub(super) fn finish(mut terminal: impl Write + AsStream) {
    let words = std::mem::take(&mut *held());
    // If it is gone, nobody can be told.
    let _ = write_all_text(&mut terminal, &words);
}

/// Writes all of a text.
pub(super) fn write_all_text(stream: &mut (impl Write + AsStream), mut text: &[u8]) -> io::Result<()> {
    while !text.is_empty() {
        match write_text(stream, text) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => text = &text[written..],
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    stream.flush()
}

fn write_held(held: &mut Vec<u8>, terminal: &mut (impl Write + AsStream)) -> io::Result<()> {
    while !held.is_empty() && is_ready(terminal) {
        // Little enough that a terminal that is ready takes it.
        let written = write_text(terminal, &held[..held.len().min(256)])?;
        held.drain(..written);
    }
    Ok(())
}

fn held() -> MutexGuard<'static, Vec<u8>> {
    HELD.lock().unwrap_or_else(PoisonError::into_inner)
}
