//! A module to be loaded: how it was named, and where it is.

use std::env::consts::{DLL_PREFIX, DLL_SUFFIX};
use std::path::{Path, PathBuf};

use super::ffi::Functions;
use super::kind::ModuleKind;
use crate::platform::file::path_of_bytes;
use crate::platform::library::p11_kit;
use crate::uri::Uri;

/// A module to be loaded.
#[derive(Clone)]
pub(super) struct ModuleSpec {
    /// p11-kit's name for it.
    pub(super) name: Option<String>,
    /// Its library; p11-kit's own if p11-kit reaches it.
    pub(super) path: PathBuf,
    pub(super) init_reserved: Option<String>,
    /// The functions of a module that only p11-kit can reach, because it starts a program for it.
    pub(super) remote: Option<Functions>,
    /// Whether an option or a URI names it, so that it must work.
    pub(super) is_named: bool,
}

impl ModuleSpec {
    pub(super) fn at(path: &Path) -> Self {
        // The name alone is enough to request the proxy: libp11-kit is its library.
        let is_proxys_name = path.file_name().is_some_and(|file| file == "p11-kit-proxy");
        let path = if is_proxys_name { p11_kit() } else { path };
        ModuleSpec { name: None, path: path.to_owned(), init_reserved: None, remote: None, is_named: false }
    }

    pub(super) fn kind(&self) -> ModuleKind {
        ModuleKind::at(&self.path)
    }

    /// Whether it shows devices that belong to other modules.
    pub(super) fn shows_others(&self) -> bool {
        self.kind().shows_others()
    }

    /// The name for calls to it: its path, or p11-kit's name if it has no path of its own.
    pub(super) fn call_name(&self) -> String {
        match (&self.remote, &self.name) {
            (Some(_), Some(name)) => name.clone(),
            _ => self.path.to_string_lossy().into_owned(),
        }
    }

    /// Whether it is loaded from the same file, or reached by p11-kit under the same name.
    pub(super) fn is_same(&self, other: &ModuleSpec) -> bool {
        match (&self.remote, &other.remote) {
            (None, None) => self.is_at(&other.path),
            (Some(_), Some(_)) => self.name == other.name,
            _ => false,
        }
    }

    /// Whether `path` leads to the same file: two configurations may name it by different links. A bare name,
    /// which the loader searches for, is compared as it is.
    pub(super) fn is_at(&self, path: &Path) -> bool {
        let real = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
        real(&self.path) == real(path)
    }

    /// p11-kit's name, otherwise the file's name without `lib` and `.so`, `.dylib` or `.dll`.
    pub(super) fn display_name(&self) -> String {
        self.name.clone().unwrap_or_else(|| {
            let file =
                self.path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            let name = [".so", ".dylib", ".dll"].iter().find_map(|suffix| file.split_once(suffix));
            name.map_or(file.as_str(), |(name, _)| name).trim_start_matches("lib").to_owned()
        })
    }
}

/// The file that a URI's `module-path` names; if that is a folder, `module-name` completes it (RFC 7512
/// section 2.3).
pub(super) fn module_path(uri: &Uri) -> Option<PathBuf> {
    let path = path_of_bytes(uri.module_path.as_ref()?)?;
    let Some(name) = uri.module_name.as_ref().filter(|_| path.is_dir()) else { return Some(path) };
    let name = String::from_utf8_lossy(name);
    let candidates =
        [format!("{name}{DLL_SUFFIX}"), format!("{DLL_PREFIX}{name}{DLL_SUFFIX}"), name.clone().into_owned()];
    candidates
        .iter()
        .map(|file| path.join(file))
        .find(|file| file.is_file())
        .or(Some(path.join(&candidates[0])))
}
