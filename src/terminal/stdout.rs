//! Stdout, kept for this program's own data. Modules print there too: banners, and what their loggers say.

use std::fs::File;
use std::io;
use std::sync::OnceLock;

use countersign::platform::streams;

use super::held::write_all_text;

/// The real stdout, once modules have another one.
static OURS: OnceLock<File> = OnceLock::new();

/// Redirects what modules print to stderr, or to nowhere. It stays so until the end of the process, because a
/// C library writes its buffered output when the process exits.
pub(crate) fn take_from_modules(to_stderr: bool) {
    // Without a stdout there is nothing to take.
    if let Ok(ours) = streams::keep_stdout(to_stderr) {
        let _ = OURS.set(ours);
    }
}

/// The real stdout, if modules have another one.
pub(super) fn ours() -> Option<&'static File> {
    OURS.get()
}

/// Writes all of it.
pub(crate) fn write(bytes: &[u8]) -> io::Result<()> {
    match OURS.get() {
        Some(mut ours) => write_all_text(&mut ours, bytes),
        None => write_all_text(&mut io::stdout(), bytes),
    }
}
