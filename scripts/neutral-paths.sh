# shellcheck shell=bash
# Sourced by what builds a release.

# Keeps the names of this machine's folders out of the program, where panics, and assertions in C, would put them; the
# argument is the folder that is built in.
neutral_paths() {
    local cargo_home=${CARGO_HOME:-$HOME/.cargo}
    export CFLAGS="-ffile-prefix-map=$cargo_home=/cargo -ffile-prefix-map=$1=/build -ffile-prefix-map=$PWD=/countersign"
    printf -v CARGO_ENCODED_RUSTFLAGS '%s\x1f' "--remap-path-prefix=$cargo_home=/cargo" "--remap-path-prefix=$1=/build"
    CARGO_ENCODED_RUSTFLAGS+=--remap-path-prefix=$PWD=/countersign
    export CARGO_ENCODED_RUSTFLAGS
}

# Fails if the program contains any of them after all: check_paths PROGRAM FOLDER
check_paths() {
    local program=$1 found status=0
    found=$(LC_ALL=C grep -aoF -e "${CARGO_HOME:-$HOME/.cargo}/" -e "$PWD/" -e "$2/" -- "$program") || status=$?
    # 1: nothing was found; 2: it could not be read.
    if ((status != 1)); then
        printf '%s names folders of this machine: %s\n' "$program" "$(sort -u <<<"$found")" >&2
        return 1
    fi
}
