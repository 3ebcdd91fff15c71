//! What people do with countersign, done with the real binary on real parts: SoftHSM2, p11-kit, OpenSC and
//! ykcs11 on a virtual PIV card, openssl, a terminal.
//! A part that is missing fails the test.

// A test program exports nothing, and a test that cannot go on panics.
#![allow(unreachable_pub, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod always_authenticate;
mod attest;
mod audit_log;
mod aws_authority;
mod aws_clients;
mod aws_network;
mod aws_server;
mod bad_input;
mod certificate_files;
mod certificate_names;
mod certificate_of_key;
mod cmu;
mod credential_cache;
mod credential_process;
mod credential_process_clients;
mod credential_waiting;
mod credentials_file;
mod csr;
mod doctor;
mod documented_facts;
mod documented_json;
mod documented_serve;
mod documented_sessions;
mod dry_run;
mod faults_midway;
mod file_attributes;
mod files;
mod help;
mod helper_forms;
mod import_certificate;
mod import_worse;
mod keygen;
mod list;
mod mangled_files;
mod mechanism_choice;
mod modules;
mod officer_signs;
mod pin_prompt;
mod pin_safety;
mod piv;
mod piv_provisioning;
mod prepared_devices;
mod presented_certificate;
mod quorum;
mod read_certificate_data;
mod real_modules;
mod refused_before_login;
mod secrets;
mod serve;
mod serve_load;
mod serve_logins;
mod serve_prompt;
mod serve_renewal;
mod serve_requests;
mod serve_systemd;
mod sessions;
mod several_devices;
mod sign_string;
mod support;
mod systemd_units;
mod touching;
mod update;
mod update_in_place;
mod update_killed;
mod update_renewal;
mod verify;
mod waiting;
mod which_key;
