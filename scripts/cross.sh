# shellcheck shell=bash
# Sourced by what builds the program for another system in a root of Debian 12: get_target before the root is entered, so that
# what is fetched belongs to this user, and the others in it.

# Fetches rustup's standard library for a target. Where there is no rustup, or it reaches no network, prepare_target does without.
get_target() {
    local PATH=${CARGO_HOME:-$HOME/.cargo}/bin:$PATH
    rustup target add "$1" >/dev/null 2>&1 || echo "rustup has no $1: its standard library is built, which takes ten minutes"
    cargo fetch --locked 2>/dev/null || true
}

# Installs what compiles and links for a target: `prepare_target TARGET PACKAGES...`
prepare_target() {
    target=$1 build_std=()
    shift
    if [[ -d $(rustc --print target-libdir --target "$target") ]]; then
        scripts/install-packages "$@" >/dev/null
        return
    fi
    # Debian's Rust comes with the sources of its standard library, for -Zbuild-std.
    scripts/install-packages rustc-web cargo-web rust-web-src rust-web-clippy "$@" >/dev/null
    PATH=/usr/bin:$PATH build_std=("-Zbuild-std=std,panic_unwind")
    export RUSTC_BOOTSTRAP=1
}

# cargo for that target: `cross COMMAND OPTIONS...`
cross() {
    local command=$1
    shift
    # What is only checked need not be fast.
    cargo "$command" --locked --config 'profile.dev.package."*".opt-level=0' "${build_std[@]}" --target "$target" "$@"
}
