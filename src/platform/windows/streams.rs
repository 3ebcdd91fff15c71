//! Stdout and stderr of the process, which modules share with this program.
//!
//! One of the files with unsafe code: the process's own streams have no safe function.
#![allow(unsafe_code)]

use std::fs::File;
use std::io::{self, Write};
use std::os::windows::fs::FileExt;
pub use std::os::windows::io::AsHandle as AsStream;
use std::os::windows::io::{AsRawHandle, BorrowedHandle, IntoRawHandle, RawHandle};
use std::ptr;

use libloading::os::windows::Library;
use windows_sys::Win32::Foundation::{HANDLE_FLAG_INHERIT, SetHandleInformation};
use windows_sys::Win32::System::Console::{
    ENABLE_VIRTUAL_TERMINAL_PROCESSING, GetConsoleMode, STD_ERROR_HANDLE, STD_HANDLE, STD_OUTPUT_HANDLE,
    SetConsoleMode, SetStdHandle, WriteConsoleW,
};

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
    set(STD_OUTPUT_HANDLE, 1, theirs)?;
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
    set(STD_ERROR_HANDLE, 2, theirs)?;
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

/// Writes as much of a text (UTF-8) as the stream takes, and returns how many bytes those are. A console gets it as text, whatever
/// its code page is.
///
/// # Errors
/// What the system said.
pub fn write_text(stream: &mut (impl Write + AsStream), text: &[u8]) -> io::Result<usize> {
    if !is_console(stream) {
        return stream.write(text);
    }
    // A character may be cut off at the end; what is not UTF-8 in the middle is shown as such.
    let end = match std::str::from_utf8(text) {
        Err(error) if error.error_len().is_none() && error.valid_up_to() > 0 => error.valid_up_to(),
        _ => text.len(),
    };
    write_to_console(stream, &String::from_utf8_lossy(&text[..end]))?;
    Ok(end)
}

/// Writes all of a text to a console.
///
/// # Errors
/// What the system said.
pub(super) fn write_to_console(console: &impl AsStream, text: &str) -> io::Result<()> {
    let units: Vec<u16> = text.encode_utf16().collect();
    let mut left = units.as_slice();
    while !left.is_empty() {
        let (length, mut written) = (u32::try_from(left.len().min(8000)).unwrap_or(8000), 0);
        let handle = console.as_handle().as_raw_handle();
        // SAFETY: the handle is open; there are that many units.
        if unsafe { WriteConsoleW(handle, left.as_ptr(), length, &mut written, ptr::null()) } == 0 {
            return Err(io::Error::last_os_error());
        }
        left = &left[written as usize..];
    }
    Ok(())
}

pub(super) fn is_console(stream: &impl AsStream) -> bool {
    let mut mode = 0;
    // SAFETY: the handle is open.
    unsafe { GetConsoleMode(stream.as_handle().as_raw_handle(), &mut mode) != 0 }
}

/// Whether a terminal understands colors, after it was asked to.
pub fn takes_colors(terminal: &impl AsStream) -> bool {
    let (handle, mut mode) = (terminal.as_handle().as_raw_handle(), 0);
    // SAFETY: the handle is open.
    unsafe {
        GetConsoleMode(handle, &mut mode) == 0
            || SetConsoleMode(handle, mode | ENABLE_VIRTUAL_TERMINAL_PROCESSING) != 0
    }
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

/// The C libraries that modules may share with this process. Each has numbers of its own for open files, which it takes from the
/// process's streams when it is loaded.
const C_LIBRARIES: [&str; 2] = ["msvcrt.dll", "ucrtbase.dll"];

/// It stays so until the end of the process, so the file is never closed.
fn set(stream: STD_HANDLE, number: i32, file: File) -> io::Result<()> {
    let handle = file.into_raw_handle();
    // SAFETY: the handle is open, and nobody closes it. Programs that modules start get it too.
    let is_set = unsafe {
        SetHandleInformation(handle, HANDLE_FLAG_INHERIT, HANDLE_FLAG_INHERIT) != 0
            && SetStdHandle(stream, handle) != 0
    };
    if !is_set {
        return Err(io::Error::last_os_error());
    }
    for name in C_LIBRARIES {
        // One that is not loaded takes its streams from those above.
        if let Ok(library) = Library::open_already_loaded(name) {
            // SAFETY: these are the functions of these libraries, with their signatures. They close the second handle.
            unsafe {
                let (Ok(open), Ok(duplicate), Ok(close)) = (
                    library.get::<unsafe extern "C" fn(isize, i32) -> i32>(b"_open_osfhandle\0"),
                    library.get::<unsafe extern "C" fn(i32, i32) -> i32>(b"_dup2\0"),
                    library.get::<unsafe extern "C" fn(i32) -> i32>(b"_close\0"),
                ) else {
                    continue;
                };
                let second = BorrowedHandle::borrow_raw(handle).try_clone_to_owned()?;
                let opened = open(second.into_raw_handle() as isize, 0);
                duplicate(opened, number);
                close(opened);
            }
        }
    }
    Ok(())
}

fn nothing() -> io::Result<File> {
    File::options().write(true).open("NUL")
}
