# shellcheck shell=bash
# Sourced by the scripts that build, from the repository's root: puts cargo on PATH, or tells how to get it.

# rustup's cargo before a distribution's own, which may be older.
if [[ -x ${CARGO_HOME:-$HOME/.cargo}/bin/cargo ]]; then
    PATH=${CARGO_HOME:-$HOME/.cargo}/bin:$PATH
fi
install_rust="curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh"
if ! command -v curl >/dev/null && command -v apt-get >/dev/null; then
    install_rust="$( ((EUID == 0)) || echo 'sudo ')apt-get install -y curl ca-certificates && $install_rust"
fi
if ! command -v cargo >/dev/null; then
    printf 'Rust is missing. This installs it:\n  %s\n' "$install_rust" >&2
    exit 1
fi

# The error of an older cargo does not name the cause.
wanted=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)
found=$(cargo --version | cut -d ' ' -f 2)
if [[ $(printf '%s\n' "$wanted" "$found" | sort -V | head -n 1) != "$wanted" ]]; then
    printf 'Rust %s is too old: %s or later is needed. With rustup: rustup update. Without:\n  %s\n' \
        "$found" "$wanted" "$install_rust" >&2
    exit 1
fi
unset install_rust wanted found
