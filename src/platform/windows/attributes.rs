//! What a file has besides its bytes: access list, attributes and further streams. A file that replaces it gets the first two;
//! streams are named as lost. If the access list cannot be set, nobody gets more rights than before.
//!
//! One of the files with unsafe code: attributes and streams have no safe function.
#![allow(unsafe_code)]

use std::fs::File;
use std::io;
use std::os::windows::fs::MetadataExt;
use std::os::windows::io::{AsHandle, AsRawHandle};
use std::path::Path;

use windows_sys::Win32::Foundation::INVALID_HANDLE_VALUE;
use windows_sys::Win32::Storage::FileSystem::{
    FILE_ATTRIBUTE_ARCHIVE, FILE_ATTRIBUTE_ENCRYPTED, FILE_ATTRIBUTE_HIDDEN, FILE_ATTRIBUTE_NORMAL,
    FILE_ATTRIBUTE_NOT_CONTENT_INDEXED, FILE_ATTRIBUTE_SYSTEM, FILE_BASIC_INFO, FileBasicInfo, FindClose,
    FindFirstStreamW, FindNextStreamW, FindStreamInfoStandard, SetFileInformationByHandle,
    WIN32_FIND_STREAM_DATA,
};

use super::security::Descriptor;
use super::{handle, text};

/// The attributes that a user sets. A file that is read-only is not replaced.
const KEPT: u32 = FILE_ATTRIBUTE_ARCHIVE
    | FILE_ATTRIBUTE_HIDDEN
    | FILE_ATTRIBUTE_NOT_CONTENT_INDEXED
    | FILE_ATTRIBUTE_SYSTEM;

/// The attributes of a file that is going to be replaced.
#[derive(Clone, Debug)]
pub(crate) struct Attributes {
    descriptor: Descriptor,
    attributes: u32,
    /// Names of its further streams.
    streams: Vec<String>,
}

impl Attributes {
    /// The attributes of an open file.
    pub(crate) fn of_file(file: &File) -> io::Result<Self> {
        let path = handle::path_of(file);
        Ok(Attributes {
            descriptor: Descriptor::of(file.as_handle())?,
            attributes: file.metadata()?.file_attributes(),
            streams: path.and_then(|path| streams(&path)).unwrap_or_default(),
        })
    }

    /// The attributes of a file, which need not be readable.
    pub(crate) fn of_path(path: &Path) -> io::Result<Self> {
        Self::of_file(&File::from(handle::open_anything(path)?))
    }

    /// Gives them to the file that replaces theirs, and returns what could not be given. Its owner is who writes it.
    pub(crate) fn give_to(&self, file: &File) -> io::Result<Vec<String>> {
        let mut lost = Vec::new();
        // Until then it is its owner's alone.
        if self.descriptor.give_to(file.as_handle()).is_err() {
            lost.push("the access list (ACL)".to_owned());
        }
        let attributes = file.metadata()?.file_attributes() & !KEPT | self.attributes & KEPT;
        // SAFETY: all bytes of this structure may be zero; a time of zero is left as it is.
        let mut facts: FILE_BASIC_INFO = unsafe { std::mem::zeroed() };
        // 0 would change nothing.
        facts.FileAttributes = if attributes == 0 { FILE_ATTRIBUTE_NORMAL } else { attributes };
        // SAFETY: the structure is what this class of facts has, and of this size.
        let is_set = unsafe {
            SetFileInformationByHandle(
                file.as_raw_handle(),
                FileBasicInfo,
                (&raw const facts).cast(),
                size_of::<FILE_BASIC_INFO>() as u32,
            )
        };
        if is_set == 0 && attributes & KEPT != FILE_ATTRIBUTE_ARCHIVE {
            lost.push("the file attributes".to_owned());
        }
        if self.attributes & !file.metadata()?.file_attributes() & FILE_ATTRIBUTE_ENCRYPTED != 0 {
            lost.push("the encryption (EFS)".to_owned());
        }
        lost.extend(self.streams.iter().map(|name| format!("the stream {name:?}")));
        Ok(lost)
    }
}

/// The names of a file's further streams; the one with its bytes has none.
fn streams(path: &Path) -> io::Result<Vec<String>> {
    let path = text::of_path(path)?;
    // SAFETY: all bytes of this structure may be zero.
    let mut found: WIN32_FIND_STREAM_DATA = unsafe { std::mem::zeroed() };
    let data = (&raw mut found).cast();
    // SAFETY: the path ends with a zero; the structure is what this level has.
    let search = unsafe { FindFirstStreamW(path.as_ptr(), FindStreamInfoStandard, data, 0) };
    if search == INVALID_HANDLE_VALUE {
        return Err(io::Error::last_os_error());
    }
    let mut names = Vec::new();
    loop {
        // ":NAME:$DATA".
        let name = text::read(&found.cStreamName).to_string_lossy().into_owned();
        names.extend(name.split(':').nth(1).filter(|name| !name.is_empty()).map(str::to_owned));
        // SAFETY: the search is open; the structure is as above.
        if unsafe { FindNextStreamW(search, (&raw mut found).cast()) } == 0 {
            break;
        }
    }
    // SAFETY: the search is open, and is closed once.
    unsafe { FindClose(search) };
    Ok(names)
}
