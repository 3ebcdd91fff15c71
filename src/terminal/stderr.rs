//! Stderr, kept for this program's own words. Modules write there too: tpm2-pkcs11 twenty lines when it is merely configured
//! and there is no TPM. Why a module cannot be used is said in its place.

use std::fs::File;
use std::io::{self, IsTerminal, Write};
use std::os::fd::OwnedFd;
use std::sync::OnceLock;

use anstream::AutoStream;
use rustix::fs::FileType;

/// The real stderr, once modules have another one.
static OURS: OnceLock<File> = OnceLock::new();

/// Leads what modules and the programs that they start write to stderr to nowhere.
pub(crate) fn take_from_modules() {
    let keep = || -> io::Result<OwnedFd> {
        let ours = rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stderr(), 3)?;
        rustix::stdio::dup2_stderr(File::options().write(true).open("/dev/null")?)?;
        Ok(ours)
    };
    // Without a stderr there is nothing to take.
    let Ok(ours) = keep() else { return };
    let _ = OURS.set(File::from(ours));
    std::panic::set_hook(Box::new(|panic| {
        let _ = writeln!(stream(), "{panic}");
    }));
}

/// Where words go, with colours as they are wanted.
pub(crate) fn stream() -> AutoStream<Box<dyn Write>> {
    let ours: Box<dyn Write> = match OURS.get().map(File::try_clone) {
        Some(Ok(ours)) => Box::new(ours),
        _ => Box::new(io::stderr()),
    };
    let choice = match OURS.get() {
        Some(ours) => AutoStream::choice(ours),
        None => AutoStream::choice(&io::stderr()),
    };
    AutoStream::new(ours, choice)
}

/// Whether it is the pipe, or the socket, that stdout is.
pub(crate) fn shares_pipe_with_stdout() -> bool {
    let stderr = match OURS.get() {
        Some(ours) => rustix::fs::fstat(ours),
        None => rustix::fs::fstat(rustix::stdio::stderr()),
    };
    let (Ok(stdout), Ok(stderr)) = (rustix::fs::fstat(rustix::stdio::stdout()), stderr) else { return false };
    let kind = FileType::from_raw_mode(stdout.st_mode);
    matches!(kind, FileType::Fifo | FileType::Socket)
        && (stdout.st_dev, stdout.st_ino) == (stderr.st_dev, stderr.st_ino)
}

/// Whether a person reads it.
pub(crate) fn is_terminal() -> bool {
    OURS.get().map_or_else(|| io::stderr().is_terminal(), File::is_terminal)
}
