//! Stdout and stderr of the process, which modules share with this program.

use std::fs::File;
use std::io::{self, Write};
pub use std::os::fd::AsFd as AsStream;
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

pub use super::own::file_in_memory;
use super::{Kind, Status};

/// Keeps stdout for this program. What modules, and the programs that they start, write there goes to stderr as it is now, or
/// is lost.
///
/// # Errors
/// What the system said; there may be no stdout.
pub fn keep_stdout(theirs_to_stderr: bool) -> io::Result<File> {
    let ours = rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stdout(), 3)?;
    match theirs_to_stderr {
        true => rustix::stdio::dup2_stdout(rustix::stdio::stderr())?,
        false => rustix::stdio::dup2_stdout(nothing()?)?,
    }
    Ok(File::from(ours))
}

/// Keeps stderr for this program. What modules write there goes to `theirs`, or is lost.
///
/// # Errors
/// What the system said; there may be no stderr.
pub fn keep_stderr(theirs: Option<&File>) -> io::Result<File> {
    let ours = rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stderr(), 3)?;
    match theirs {
        Some(theirs) => rustix::stdio::dup2_stderr(theirs)?,
        None => rustix::stdio::dup2_stderr(nothing()?)?,
    }
    Ok(File::from(ours))
}

/// The last bytes of a file, at most that many, whatever is read and written of it elsewhere.
///
/// # Errors
/// What the system said.
pub fn last_bytes(file: &File, most: u64) -> io::Result<Vec<u8>> {
    let length = file.metadata()?.len();
    let mut bytes = vec![0; length.min(most) as usize];
    file.read_exact_at(&mut bytes, length.saturating_sub(most))?;
    Ok(bytes)
}

/// Writes as much of a text (UTF-8) as the stream takes, and returns how many bytes those are.
///
/// # Errors
/// What the system said.
pub fn write_text(stream: &mut (impl Write + AsStream), text: &[u8]) -> io::Result<usize> {
    stream.write(text)
}

/// Whether a terminal understands colors: all do that are not told otherwise.
pub fn takes_colors(_terminal: &impl AsStream) -> bool {
    true
}

/// Whether a stream takes words now, without a wait. One that cannot be asked does.
pub fn is_ready(stream: &impl AsStream) -> bool {
    let mut asked = [PollFd::new(stream, PollFlags::OUT)];
    let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
    poll(&mut asked, Some(&at_once)).map_or(true, |ready| ready > 0)
}

/// Whether stdout and stderr are one pipe, or one socket. `None` is the process's own stream.
pub fn are_one_pipe(stdout: Option<&File>, stderr: Option<&File>) -> bool {
    let status = |kept: Option<&File>, own| match kept {
        Some(kept) => Status::of(kept),
        None => Status::of_descriptor(own),
    };
    let (stdout, stderr) = (status(stdout, rustix::stdio::stdout()), status(stderr, rustix::stdio::stderr()));
    matches!((stdout, stderr), (Ok(one), Ok(other)) if one.kind() == Kind::Pipe && one.is_same(&other))
}

/// The number of a file's descriptor, for what can use nothing else.
pub(super) fn number_of(file: &File) -> i32 {
    file.as_raw_fd()
}

fn nothing() -> io::Result<File> {
    File::options().write(true).open("/dev/null")
}
