//! A module that is to be loaded: how it was named, and where it is.

use std::path::{Path, PathBuf};

use super::ffi::LIBP11_KIT;
use super::kind::{FunctionLists, ModuleKind};
use crate::uri::Uri;

/// A module that is to be loaded.
#[derive(Clone, Debug)]
pub(super) struct ModuleSpec {
    /// p11-kit's name for it.
    pub(super) name: Option<String>,
    pub(super) path: PathBuf,
    pub(super) init_reserved: Option<String>,
    /// Whether an option or a URI names it: then it must work.
    pub(super) is_named: bool,
    /// The `remote:` modules that the proxy is loaded for.
    pub(super) remote_names: Vec<String>,
}

impl ModuleSpec {
    pub(super) fn at(path: &Path) -> Self {
        // The name alone is enough to ask for the proxy: libp11-kit is its library.
        let is_proxys_name = path.file_name().is_some_and(|file| file == "p11-kit-proxy");
        let path = if is_proxys_name { Path::new(LIBP11_KIT) } else { path };
        ModuleSpec {
            name: None,
            path: path.to_owned(),
            init_reserved: None,
            is_named: false,
            remote_names: Vec::new(),
        }
    }

    pub(super) fn kind(&self) -> ModuleKind {
        ModuleKind::at(&self.path)
    }

    /// Whether it is one of p11-kit's own modules, its proxy or its client.
    pub(super) fn has_many_function_lists(&self) -> bool {
        self.kind().function_lists() == FunctionLists::OneEach
    }

    /// Whether `path` leads to the same file: two configurations may name one by different links. A bare name, which
    /// the loader looks for, is compared as it is.
    pub(super) fn is_at(&self, path: &Path) -> bool {
        let real = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
        real(&self.path) == real(path)
    }

    /// p11-kit's name, else the file's name without `.so`.
    pub(super) fn display_name(&self) -> String {
        if !self.remote_names.is_empty() {
            return self.remote_names.join(", ");
        }
        self.name.clone().unwrap_or_else(|| {
            let file =
                self.path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            file.split(".so").next().unwrap_or_default().trim_start_matches("lib").to_owned()
        })
    }
}

/// The file that a URI's `module-path` names; a folder there is completed by `module-name` (RFC 7512 section 2.3).
pub(super) fn module_path(uri: &Uri) -> Option<PathBuf> {
    use std::os::unix::ffi::OsStrExt;
    let path = PathBuf::from(std::ffi::OsStr::from_bytes(uri.module_path.as_ref()?));
    let Some(name) = uri.module_name.as_ref().filter(|_| path.is_dir()) else { return Some(path) };
    let name = String::from_utf8_lossy(name);
    let candidates = [format!("{name}.so"), format!("lib{name}.so"), name.clone().into_owned()];
    candidates
        .iter()
        .map(|file| path.join(file))
        .find(|file| file.is_file())
        .or(Some(path.join(&candidates[0])))
}
