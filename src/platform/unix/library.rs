//! Loading shared libraries.
//!
//! One of the files with unsafe code: a library runs its own code when it is loaded.
#![allow(unsafe_code)]

use std::path::Path;

pub(crate) use super::own::{p11_kit, places_of_modules};
pub(crate) use libloading::os::unix::Library;
use libloading::os::unix::{RTLD_LOCAL, RTLD_NOW};

/// Loads the library at a path or, if that is a name without a folder, from where the system's loader finds it. All symbols
/// are bound at once, so that a missing one is an error now and not the end of the process later.
///
/// # Errors
/// The loader's reason.
///
/// # Safety
/// The library's constructors run, and have whatever preconditions they have.
pub(crate) unsafe fn open(path: &Path) -> Result<Library, libloading::Error> {
    // SAFETY: the caller's.
    unsafe { Library::open(Some(path), RTLD_NOW | RTLD_LOCAL) }
}
