//! Texts as Windows has them: units of 16 bits with a zero at the end.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::windows::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

/// A path as the system's functions take it.
///
/// # Errors
/// [`io::ErrorKind::InvalidInput`]: it has a zero in it.
pub(super) fn of_path(path: &Path) -> io::Result<Vec<u16>> {
    let mut text: Vec<u16> = path.as_os_str().encode_wide().collect();
    if text.contains(&0) {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    text.push(0);
    Ok(text)
}

/// The text of a call's constant.
pub(super) fn of(text: &str) -> Vec<u16> {
    OsStr::new(text).encode_wide().chain([0]).collect()
}

/// What the system wrote, up to a zero.
pub(super) fn read(text: &[u16]) -> OsString {
    OsString::from_wide(text.split(|unit| *unit == 0).next().unwrap_or_default())
}

/// What a function writes into a buffer: it returns the length of the text without its zero, or the length that it needs,
/// or 0 with the system's error.
///
/// # Errors
/// What the system said.
pub(super) fn from_call(mut call: impl FnMut(&mut [u16]) -> u32) -> io::Result<PathBuf> {
    let mut buffer = vec![0; 512];
    loop {
        match call(&mut buffer) as usize {
            0 => return Err(io::Error::last_os_error()),
            length if length < buffer.len() => return Ok(PathBuf::from(read(&buffer[..length]))),
            length => buffer.resize(length + 1, 0),
        }
    }
}
