//! Stdout, kept for this program's own data. Modules print there too: banners, and what their loggers say.

use std::fs::File;
use std::io::{self, Write};
use std::sync::OnceLock;

/// The real stdout, once modules have another one.
static OURS: OnceLock<File> = OnceLock::new();

/// Redirects what modules print to stderr, or to nowhere. It stays so until the end of the process, because a
/// C library writes its buffered output when the process exits.
pub(crate) fn take_from_modules(to_stderr: bool) {
    let keep = || -> io::Result<File> {
        let ours = rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stdout(), 3)?;
        match to_stderr {
            true => rustix::stdio::dup2_stdout(rustix::stdio::stderr())?,
            false => rustix::stdio::dup2_stdout(File::options().write(true).open("/dev/null")?)?,
        }
        Ok(File::from(ours))
    };
    // Without a stdout there is nothing to take.
    if let Ok(ours) = keep() {
        let _ = OURS.set(ours);
    }
}

/// What kind of file the real stdout is.
pub(crate) fn status() -> rustix::io::Result<rustix::fs::Stat> {
    match OURS.get() {
        Some(ours) => rustix::fs::fstat(ours),
        None => rustix::fs::fstat(rustix::stdio::stdout()),
    }
}

/// Writes all of it.
pub(crate) fn write(bytes: &[u8]) -> io::Result<()> {
    match OURS.get() {
        Some(mut ours) => ours.write_all(bytes),
        None => {
            let mut stdout = io::stdout().lock();
            stdout.write_all(bytes).and_then(|()| stdout.flush())
        }
    }
}
