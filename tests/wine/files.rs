//! Files are replaced whole or not touched.

use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;

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
fn a_device_is_not_replaced() {
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

#[test]
fn a_file_that_changes_while_a_device_signs_is_left_as_it_was_changed() {
    let changed = [UNSIGNED, b"\n"].concat();
    let in_place = |desk: &Desk| desk.write("tokens.json", &changed);
    // The same bytes, and yet another file.
    let by_name = |desk: &Desk| {
        desk.write("other.json", UNSIGNED);
        std::fs::rename(desk.path("other.json"), desk.path("tokens.json")).unwrap();
    };
    for change in [&in_place as &dyn Fn(&Desk), &by_name] {
        let desk = Desk::new();
        let mut command = desk.sign();
        command.env("KEY_FILE_TELLS", "signing").env("KEY_FILE_SIGNS_AFTER", "3000");
        let run = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        eventually("C_Sign", || desk.path("signing").exists());
        change(&desk);
        let before = desk.read("tokens.json");
        Done::from_output(run.wait_with_output().unwrap()).exits(1).says("was changed by another process");
        assert!(desk.read("tokens.json") == before);
        assert!(!desk.names().iter().any(|name| name.contains(".countersign-")), "{:?}", desk.names());
    }
}

#[test]
fn a_file_that_is_marked_read_only_is_told_before_the_pin() {
    let desk = Desk::new();
    // Wine makes the attribute "read-only" of it.
    std::fs::set_permissions(desk.path("tokens.json"), PermissionsExt::from_mode(0o444)).unwrap();
    desk.write("pin", b"not sent");
    Done::of(desk.sign()).exits(1).says("is marked read-only");
    assert_eq!(desk.read("tokens.json"), UNSIGNED);
}
