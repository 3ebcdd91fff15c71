# shellcheck shell=bash
# Sourced by the scripts that build, from the repository's root: puts cargo on PATH, or tells how to get it.

if ! command -v cargo >/dev/null && [[ -r ${CARGO_HOME:-$HOME/.cargo}/env ]]; then
    # shellcheck source=/dev/null
    . "${CARGO_HOME:-$HOME/.cargo}/env"
fi
install_rust="curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh"
if ! command -v curl >/dev/null && command -v apt-get >/dev/null; then
    install_rust="sudo apt-get install -y curl ca-certificates && $install_rust"
fi
if ! command -v cargo >/dev/null; then
    printf 'Rust is missing. This installs it:\n  %s\n' "$install_rust" >&2
    exit 1
fi

# An older cargo, such as a distribution's own, fails with words that do not name the cause.
wanted=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)
found=$(cargo --version | cut -d ' ' -f 2)
if [[ $(printf '%s\n' "$wanted" "$found" | sort -V | head -n 1) != "$wanted" ]]; then
    printf 'Rust %s is too old: %s or later is needed. With rustup: rustup update. Without:\n  %s\n' \
        "$found" "$wanted" "$install_rust" >&2
    exit 1
fi
unset install_rust wanted found
