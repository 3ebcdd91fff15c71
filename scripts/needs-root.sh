# shellcheck shell=bash
# Sourced by what runs the tests: sets not_run to the tests that this user cannot run, each as "TEST: REASON". They are
# the only ones that are ever left out, and root leaves out none.

not_run=()
if ((EUID != 0)); then
    not_run+=("file_attributes::an_attribute_that_cannot_be_copied_is_named_and_nobody_has_more_rights: only root can make such an attribute")
    not_run+=("credential_cache::what_belongs_to_another_user_is_not_used: only root can give a file to another user")
    # Where the folder cannot be entered, the file is as good as unreadable.
    if [[ -x /usr/sbin/pkcsslotd && ! -r /etc/opencryptoki/strength.conf ]] && grep -q '^pkcsslotd:' /etc/passwd; then
        not_run+=("real_modules::opencryptoki: this version of openCryptoki keeps its configuration from users")
    fi
fi
