# shellcheck shell=bash
# Sourced by what builds the program for Windows, in a root of Debian 12. The standard library is built from Debian's package of
# its sources, everything else by mingw-w64.

scripts/install-packages rustc-web cargo-web rust-web-src rust-web-clippy gcc-mingw-w64-x86-64-posix \
    g++-mingw-w64-x86-64-posix >/dev/null
windows_target=x86_64-pc-windows-gnu
windows_folder=$(realpath --canonicalize-missing "${CARGO_TARGET_DIR:-target}/windows")

# cargo for Windows.
for_windows() {
    local command=$1
    shift
    # Debian's Rust before rustup's: only this version has the sources of its standard library, which -Zbuild-std takes.
    PATH=/usr/bin:$PATH RUSTC_BOOTSTRAP=1 CARGO_TARGET_DIR=$windows_folder \
        cargo "$command" --locked -Zbuild-std=std,panic_unwind --target "$windows_target" "$@"
}
