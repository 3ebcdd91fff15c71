//! Where Linux has libraries.

use std::path::{Path, PathBuf};

/// libp11-kit, without a folder, so that the system's loader looks for it.
pub(crate) fn p11_kit() -> &'static Path {
    Path::new("libp11-kit.so.0")
}

/// Where p11-kit's modules are configured for all users.
pub fn p11_kit_folders() -> Vec<PathBuf> {
    ["/usr/share/p11-kit/modules", "/etc/pkcs11/modules"].map(PathBuf::from).to_vec()
}

/// Where vendors put modules that p11-kit does not know. Distributions register theirs with it.
pub(crate) fn places_of_modules() -> Vec<PathBuf> {
    Vec::new()
}
