//! Stdout and stderr of the process, which modules share with this program.
//!
//! One of the files with unsafe code: the process's own streams have no safe function.
#![allow(unsafe_code)]

use std::fs::File;
use std::io;
use std::os::windows::fs::FileExt;
pub use std::os::windows::io::AsHandle as AsStream;
use std::os::windows::io::{AsRawHandle, IntoRawHandle, RawHandle};

use windows_sys::Win32::System::Console::{STD_ERROR_HANDLE, STD_HANDLE, STD_OUTPUT_HANDLE, SetStdHandle};

/// Keeps stdout for this program. What modules that are loaded later, and the programs that they start, write there goes to
/// stderr as it is now, or is lost.
///
/// # Errors
/// What the system said; there may be no stdout.
pub fn keep_stdout(theirs_to_stderr: bool) -> io::Result<File> {
    let ours = AsStream::as_handle(&io::stdout()).try_clone_to_owned()?;
    let theirs = match theirs_to_stderr {
        true => File::from(io::stderr().as_handle().try_clone_to_owned()?),
        false => nothing()?,
    };
    set(STD_OUTPUT_HANDLE, theirs)?;
    Ok(File::from(ours))
}

/// Keeps stderr for this program. What such modules write there goes to `theirs`, or is lost.
///
/// # Errors
/// What the system said; there may be no stderr.
pub fn keep_stderr(theirs: Option<&File>) -> io::Result<File> {
    let ours = io::stderr().as_handle().try_clone_to_owned()?;
    let theirs = match theirs {
        Some(theirs) => theirs.try_clone()?,
        None => nothing()?,
    };
    set(STD_ERROR_HANDLE, theirs)?;
    Ok(File::from(ours))
}

/// A file in memory: there is none.
///
/// # Errors
/// Always.
pub fn file_in_memory() -> io::Result<File> {
    Err(io::ErrorKind::Unsupported.into())
}

/// The last bytes of a file, at most that many.
///
/// # Errors
/// What the system said.
pub fn last_bytes(file: &File, most: u64) -> io::Result<Vec<u8>> {
    let length = file.metadata()?.len();
    let mut bytes = vec![0; length.min(most) as usize];
    let read = file.seek_read(&mut bytes, length.saturating_sub(most))?;
    bytes.truncate(read);
    Ok(bytes)
}

/// Whether a stream takes words now, without a wait: a console cannot be asked.
pub fn is_ready(_stream: &impl AsStream) -> bool {
    true
}

/// Whether stdout and stderr are one pipe: nothing tells it there.
pub fn are_one_pipe(_stdout: Option<&File>, _stderr: Option<&File>) -> bool {
    false
}

/// The handle of a file, for what can use nothing else.
pub(super) fn number_of(file: &File) -> RawHandle {
    file.as_raw_handle()
}

/// It stays so until the end of the process, so the file is never closed.
fn set(stream: STD_HANDLE, file: File) -> io::Result<()> {
    // SAFETY: the handle is open, and nobody closes it.
    match unsafe { SetStdHandle(stream, file.into_raw_handle()) } {
        0 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}

fn nothing() -> io::Result<File> {
    File::options().write(true).open("NUL")
}
