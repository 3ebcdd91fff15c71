# shellcheck shell=bash
# Sourced by scripts/test: how often, and in which surroundings, the tests run with --all. Each entry: the Debian release,
# the user, and options of scripts/in-root or variables.

# shellcheck disable=SC2034 # Used by what sources this.
passes=(
    '12 root'
    '12 tester --umask 077 --localtime Asia/Tokyo'
    '13 tester --umask 002'
    # Four years from now no certificate, date or age of the tests may be wrong.
    '13 root --umask 077 --localtime Asia/Tokyo COUNTERSIGN_TEST_CLOCK=+1500d'
)
