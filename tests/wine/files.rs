//! Files are replaced whole or not touched.

use std::os::unix::fs::PermissionsExt;

use crate::desk::{Desk, Done, UNSIGNED, eventually};

/// The lock beside the file shows that a run has begun.
fn is_locked(desk: &Desk) -> bool {
    desk.names().iter().any(|name| name.ends_with(".lock"))
}

#[test]
fn a_killed_process_leaves_the_file_as_it_was() {
    let desk = Desk::new();
    let mut command = desk.sign();
    command.env("KEY_FILE_SIGNS_AFTER", "60000");
    let mut child = command.spawn().unwrap();
    eventually("the lock", || is_locked(&desk));
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(desk.read("tokens.json"), UNSIGNED);
    // The next run is not kept out by what the killed one left.
    Done::of(desk.sign()).exits(0);
    desk.is_signed("tokens.json");
}

#[test]
fn two_runs_do_not_sign_one_file_at_once() {
    let desk = Desk::new();
    let mut command = desk.sign();
    command.env("KEY_FILE_SIGNS_AFTER", "5000");
    let first = command.spawn().unwrap();
    eventually("the lock", || is_locked(&desk));
    Done::of(desk.sign()).exits(1).says("countersign.exe, process ");
    Done::from_output(first.wait_with_output().unwrap()).exits(0);
    desk.is_signed("tokens.json");
}

#[test]
fn a_replaced_file_keeps_who_may_use_it() {
    let desk = Desk::new();
    for mode in [0o600, 0o644] {
        desk.write("tokens.json", UNSIGNED);
        std::fs::set_permissions(desk.path("tokens.json"), PermissionsExt::from_mode(mode)).unwrap();
        Done::of(desk.sign()).exits(0);
        let now = std::fs::metadata(desk.path("tokens.json")).unwrap().permissions().mode() & 0o777;
        // Wine makes a mode of the access list, and is generous with the right to execute.
        assert_eq!(now & 0o006, mode & 0o006, "{now:o}");
    }
}

#[test]
fn a_folder_that_does_not_exist_is_told_before_the_pin() {
    let desk = Desk::new();
    let arguments =
        ["sign", "--pin-source", "file:missing", "tokens.json", "-o", r"no such folder\signed.json"];
    let done = Done::of(desk.countersign(&arguments)).exits(1);
    assert!(done.stderr.contains("no such folder"), "{}", done.stderr);
}

#[test]
fn a_device_is_written_to_and_not_replaced() {
    let desk = Desk::new();
    let before = desk.names();
    for device in ["NUL", r"\\.\NUL"] {
        let mut command = desk.sign();
        command.args(["-o", device]);
        Done::of(command).exits(0);
    }
    assert_eq!(desk.names(), before);
    assert_eq!(desk.read("tokens.json"), UNSIGNED);
}
