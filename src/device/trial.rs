//! Trying a module before it is loaded into this process. The caller decides how.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

type Try = dyn Fn(&str, &Path) -> Result<(), String> + Send + Sync;

/// Tries one of p11-kit's modules, given p11-kit's name for it and its path.
#[derive(Clone)]
pub struct Trial(Arc<Try>);

impl Trial {
    /// `try_module` says why a module must not be loaded.
    pub fn new(try_module: impl Fn(&str, &Path) -> Result<(), String> + Send + Sync + 'static) -> Self {
        Trial(Arc::new(try_module))
    }

    pub(super) fn of(&self, name: &str, path: &Path) -> Result<(), String> {
        (self.0)(name, path)
    }
}

impl fmt::Debug for Trial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trial").finish_non_exhaustive()
    }
}
