//! Stderr, kept for this program's own words. Modules write there too: tpm2-pkcs11 writes twenty lines when
//! it is configured without a TPM. The program itself says why a module cannot be used. What modules write is
//! kept in memory in case one of them ends the program: its last words then tell why.

use std::fs::File;
use std::io::{self, BufWriter, IsTerminal, Write};
use std::sync::OnceLock;

use anstream::{AutoStream, ColorChoice};
use countersign::platform::streams;

use super::held::{self, Patient};
use super::stdout;
use crate::lifecycle::LIFECYCLE;

/// In bytes. What modules have written is dropped when it is longer.
const MOST_KEPT: u64 = 64 << 10;
/// How much of it counts as last words, in bytes and in lines.
const LAST_WORDS: u64 = 4 << 10;
const LAST_LINES: usize = 10;

/// The real stderr, once modules have another one.
static OURS: OnceLock<File> = OnceLock::new();
/// What modules have instead: a file in memory.
static THEIRS: OnceLock<File> = OnceLock::new();

/// Keeps what modules and the programs that they start write to stderr from people.
pub(crate) fn take_from_modules() {
    // Not every system gives files in memory.
    let theirs = streams::file_in_memory().ok();
    // Without a stderr there is nothing to take.
    let Ok(ours) = streams::keep_stderr(theirs.as_ref()) else { return };
    if let Some(theirs) = theirs {
        let _ = THEIRS.set(theirs);
    }
    LIFECYCLE.hear_modules(last_words, OURS.get_or_init(|| ours));
    std::panic::set_hook(Box::new(|panic| {
        let _ = writeln!(stream(), "{panic}");
    }));
}

/// The last of what modules wrote, a line each.
fn last_words() -> Vec<String> {
    let bytes = THEIRS.get().and_then(|theirs| streams::last_bytes(theirs, LAST_WORDS).ok());
    let words = String::from_utf8_lossy(&bytes.unwrap_or_default()).into_owned();
    let lines: Vec<&str> = words.lines().map(str::trim_end).filter(|line| !line.is_empty()).collect();
    lines[lines.len().saturating_sub(LAST_LINES)..].iter().map(|line| (*line).to_owned()).collect()
}

/// Drops what modules have written when it is too much: a service calls them for months.
pub(crate) fn forget_old_words() {
    if let Some(theirs) = THEIRS.get()
        && theirs.metadata().is_ok_and(|metadata| metadata.len() > MOST_KEPT)
    {
        let _ = theirs.set_len(0);
    }
}

/// Where words go, with colors as they are wanted. They are written when it is dropped, in one piece: the lines
/// of several threads do not mix, and nobody who reads a log sees half a line.
pub(crate) fn stream() -> AutoStream<Box<dyn Write>> {
    // Not a copy, which a limit on open files would refuse.
    let ours: Box<dyn Write> = match OURS.get() {
        Some(ours) if ours.is_terminal() => Box::new(Patient(ours)),
        Some(ours) => Box::new(ours),
        None if io::stderr().is_terminal() => Box::new(Patient(io::stderr())),
        None => Box::new(io::stderr()),
    };
    let choice = match OURS.get() {
        Some(ours) if streams::takes_colors(ours) => AutoStream::choice(ours),
        None if streams::takes_colors(&io::stderr()) => AutoStream::choice(&io::stderr()),
        _ => ColorChoice::Never,
    };
    AutoStream::new(Box::new(BufWriter::new(ours)), choice)
}

/// Writes what a terminal did not accept before, as much as is possible without waiting.
pub(crate) fn go_on() {
    let _ = stream().flush();
}

/// Waits for a terminal that was told to stop.
pub(crate) fn finish() {
    match OURS.get() {
        Some(ours) => held::finish(ours),
        None => held::finish(io::stderr()),
    }
}

/// Whether it is the same pipe or socket as stdout.
pub(crate) fn shares_pipe_with_stdout() -> bool {
    streams::are_one_pipe(stdout::ours(), OURS.get())
}

/// Whether a person reads it.
pub(crate) fn is_terminal() -> bool {
    OURS.get().map_or_else(|| io::stderr().is_terminal(), File::is_terminal)
}
