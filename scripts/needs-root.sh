# shellcheck shell=bash
# Sourced by what runs the tests: sets not_run to the tests that this user cannot run, each as "TEST: REASON". They are
# the only ones that are ever left out, and root leaves out none.

not_run=()
if ((EUID != 0)); then
    not_run+=("file_attributes::an_attribute_that_cannot_be_copied_is_named_and_nobody_has_more_rights: only root can make such an attribute")
    not_run+=("credential_cache::what_belongs_to_another_user_is_not_used: only root can give a file to another user")
    not_run+=("real_modules::opencryptoki::a_user_who_is_not_in_its_group_is_told_of_the_group: only root can become another user")
    for test in serve_keeps_the_newest_credentials_in_memory_and_none_of_the_old_ones \
        an_idle_update_has_no_credentials_in_memory a_renewal_that_fails_leaves_nothing_of_an_answer_in_memory; do
        not_run+=("memory::$test: only root can read the memory of a program that forbids it")
    done
    not_run+=("memory::memory_is_locked_where_its_limit_allows_that_and_doctor_warns_elsewhere: only root locks all memory anywhere")
    not_run+=("hostile_folders::root_follows_no_link_in_a_folder_that_others_can_write_to: only root can give a file away")
    not_run+=("hostile_folders::no_race_makes_root_replace_another_file: only root can give a file away")
    not_run+=("hostile_folders::root_is_warned_of_what_belongs_to_others: only root can give a file away")
    # If the folder cannot be entered, the file cannot be read either.
    if [[ -x /usr/sbin/pkcsslotd && ! -r /etc/opencryptoki/strength.conf ]] && grep -q '^pkcsslotd:' /etc/passwd; then
        not_run+=("real_modules::opencryptoki: this version of openCryptoki keeps its configuration from users")
    fi
fi
