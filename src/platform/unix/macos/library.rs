//! Where macOS has libraries.

use std::path::{Path, PathBuf};

/// Homebrew's folders, on Apple's processors and on Intel's. The loader looks into none of the former by itself.
const HOMEBREW: [&str; 2] = ["/opt/homebrew/lib", "/usr/local/lib"];

/// Homebrew's libp11-kit, or its name alone.
pub(crate) fn p11_kit() -> &'static Path {
    let places = ["/opt/homebrew/lib/libp11-kit.0.dylib", "/usr/local/lib/libp11-kit.0.dylib"];
    let found = places.into_iter().map(Path::new).find(|place| place.exists());
    found.unwrap_or(Path::new("libp11-kit.0.dylib"))
}

/// Where p11-kit's modules are configured for all users, by Homebrew.
pub fn p11_kit_folders() -> Vec<PathBuf> {
    let prefixes = ["/opt/homebrew", "/usr/local"].map(Path::new);
    let prefix = prefixes.iter().find(|prefix| p11_kit().starts_with(prefix));
    let folders = |prefix: &&Path| {
        ["share/p11-kit/modules", "etc/pkcs11/modules"].map(|name| prefix.join(name)).to_vec()
    };
    prefix.map(folders).unwrap_or_default()
}

/// Where vendors put modules that p11-kit does not know: Homebrew's packages and those of Yubico, OpenSC and Thales.
pub(crate) fn places_of_modules() -> Vec<PathBuf> {
    let names =
        ["libykcs11.dylib", "pkcs11/yubihsm_pkcs11.dylib", "opensc-pkcs11.so", "softhsm/libsofthsm2.so"];
    let of_homebrew =
        names.iter().flat_map(|name| HOMEBREW.iter().map(move |folder| Path::new(folder).join(name)));
    let others =
        ["/Library/OpenSC/lib/opensc-pkcs11.so", "/usr/local/safenet/lunaclient/lib/libCryptoki2_64.dylib"];
    of_homebrew.chain(others.iter().map(PathBuf::from)).collect()
}
