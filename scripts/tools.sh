# shellcheck shell=bash
# Sourced by the scripts that need tools of Rust, from the repository's root: puts target/tools/bin on PATH, and builds tools
# there.

PATH=$PWD/target/tools/bin:$PATH

# need_tool NAME VERSION [OPTION...]: that version exactly, or any of those that ^VERSION names, built with these options. It is
# not optimised: tools run for seconds and take minutes to build otherwise.
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
