# shellcheck shell=bash
# Sourced by the scripts that need Rust tools, from the repository's root: puts target/tools/bin on PATH, and
# builds tools there.

PATH=$PWD/target/tools/bin:$PATH

# need_tool NAME VERSION [OPTION...]: exactly that version, or any that ^VERSION admits, built with these
# options. It is not optimized: tools run for seconds and would take minutes to build otherwise.
need_tool() {
    local name=$1 version=$2
    if [[ $version == ^* ]]; then
        ! command -v "$name" >/dev/null || return 0
    else
        ! grep -qs "\"$name $version (" target/tools/.crates.toml || return 0
        version='='$version
    fi
    echo "Building $name, which takes a minute or two" >&2
    CARGO_PROFILE_DEV_DEBUG=0 CARGO_TARGET_DIR=target/tools/build \
        cargo install --quiet --locked --debug --force --root target/tools --version "$version" "${@:3}" "$name"
}
