# shellcheck shell=bash
# Sourced by the scripts that keep what they have installed for the tests below target/.

# keep FOLDER MADE_OF FUNCTION: has FUNCTION fill a new FOLDER, unless there is one already that was made of the same.
keep() {
    local folder=$1 made_of=$2 fill=$3
    is_made() {
        [[ -r $folder/made-of && $(<"$folder/made-of") == "$made_of" ]]
    }
    # A user who may not write below target/ can use what is there.
    if ! is_made; then
        mkdir -p "$(dirname "$folder")"
        # Tests run side by side, and all need it.
        exec 9>"$folder.lock"
        flock 9
    fi
    if ! is_made; then
        echo "Making $folder" >&2
        rm -rf "$folder"
        "$fill" "$folder"
        # Last, so that an incomplete folder is filled again.
        printf '%s\n' "$made_of" >"$folder/made-of"
    fi
}
