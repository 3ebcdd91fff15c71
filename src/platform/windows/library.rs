//! Loading shared libraries.
//!
//! One of the files with unsafe code: a library runs its own code when it is loaded.
#![allow(unsafe_code)]

use std::path::{Path, PathBuf};

pub(crate) use libloading::os::windows::Library;
use libloading::os::windows::{LOAD_LIBRARY_SEARCH_DEFAULT_DIRS, LOAD_WITH_ALTERED_SEARCH_PATH};

/// Loads the library at a path, and those that it needs from its own folder too. A name without a folder is looked for in the
/// system's folders and the program's; never in the current one, where anybody may have put it.
///
/// # Errors
/// The loader's reason.
///
/// # Safety
/// The library's constructors run, and have whatever preconditions they have.
pub(crate) unsafe fn open(path: &Path) -> Result<Library, libloading::Error> {
    let absolute = std::path::absolute(path).ok().filter(|_| path.components().count() > 1);
    let (path, how) = match &absolute {
        Some(path) => (path.as_path(), LOAD_WITH_ALTERED_SEARCH_PATH),
        None => (path, LOAD_LIBRARY_SEARCH_DEFAULT_DIRS),
    };
    // SAFETY: the caller's.
    unsafe { Library::load_with_flags(path, how) }
}

/// libp11-kit, which hardly anybody has there.
pub(crate) fn p11_kit() -> &'static Path {
    Path::new("libp11-kit-0.dll")
}

/// Where p11-kit's modules are configured: nowhere.
pub fn p11_kit_folders() -> Vec<PathBuf> {
    Vec::new()
}

/// Where the installers of Yubico, OpenSC, Thales and AWS put their modules.
pub(crate) fn places_of_modules() -> Vec<PathBuf> {
    let programs = std::env::var_os("ProgramW6432").or_else(|| std::env::var_os("ProgramFiles"));
    let programs = programs.map_or_else(|| PathBuf::from(r"C:\Program Files"), PathBuf::from);
    let modules = [
        r"Yubico\Yubico PIV Tool\bin\libykcs11.dll",
        r"Yubico\YubiHSM Shell\bin\pkcs11\yubihsm_pkcs11.dll",
        r"OpenSC Project\OpenSC\pkcs11\opensc-pkcs11.dll",
        r"SafeNet\LunaClient\cryptoki.dll",
        r"Amazon\CloudHSM\lib\cloudhsm_pkcs11.dll",
    ];
    modules.iter().map(|module| programs.join(module)).collect()
}
