//! Signing through a module's DLL, and what goes wrong with it.

use std::fs;

use crate::desk::{Desk, Done, KEY, MODULE, UNSIGNED};

#[test]
fn a_token_file_is_signed_in_its_place() {
    let desk = Desk::new();
    let before = desk.names();
    Done::of(desk.sign()).exits(0);
    desk.is_signed("tokens.json");
    assert_eq!(desk.names(), before, "nothing is left");
}

#[test]
fn paths_with_drive_letters_name_all_files() {
    let desk = Desk::new();
    let (module, tokens, output) =
        (desk.windows_path(MODULE), desk.windows_path("tokens.json"), desk.windows_path("signed.json"));
    let pin = format!("file:{}", desk.windows_path("pin"));
    let arguments = ["sign", "--module", &module, "--key", KEY, "--pin-source", &pin, &tokens, "-o", &output];
    Done::of(desk.countersign(&arguments)).exits(0);
    desk.is_signed("signed.json");
    assert_eq!(desk.read("tokens.json"), UNSIGNED);
    // The longer form, and a dot that no other program would see.
    let other = format!(r"\\?\{}.", desk.windows_path("other.json"));
    Done::of(desk.countersign(&[
        "sign",
        "--module",
        &module,
        "--key",
        KEY,
        "--pin-source",
        &pin,
        &tokens,
        "-o",
        &other,
    ]))
    .exits(0);
    desk.is_signed("other.json");
    // RFC 7512 has them in URIs with their backslashes escaped.
    let escaped = |path: &str| path.replace('\\', "%5C").replace(':', "%3A");
    let uri =
        format!("{KEY}?module-path={}&pin-source={}", escaped(&module), escaped(&desk.windows_path("pin")));
    Done::of(desk.countersign(&["sign", "--key", &uri, &tokens])).exits(0);
    desk.is_signed("tokens.json");
}

#[test]
fn the_pin_comes_from_stdin() {
    let desk = Desk::new();
    let arguments = ["sign", "--module", MODULE, "--key", KEY, "--pin-source", "fd:0", "tokens.json"];
    let mut command = desk.countersign(&arguments);
    command.stdin(fs::File::open(desk.path("pin")).unwrap());
    Done::of(command).exits(0);
    desk.is_signed("tokens.json");
}

#[test]
fn a_wrong_pin_changes_nothing_and_is_tried_once() {
    let desk = Desk::new();
    desk.write("pin", b"wrong-pin");
    Done::of(desk.sign()).exits(5).says("PIN").says("CKR_PIN_INCORRECT");
    assert_eq!(desk.read("tokens.json"), UNSIGNED);
}

#[test]
fn a_module_that_ends_the_program_is_an_error() {
    for (end, exit, says) in [
        ("crash", 6, "crashed (EXCEPTION_ACCESS_VIOLATION) in C_Sign"),
        ("exit", 6, "called exit in C_Sign"),
        // No other thread is left then.
        ("exit-at-once", 3, "error: a PKCS#11 module ended the program"),
    ] {
        let desk = Desk::new();
        let mut command = desk.sign();
        command.env("KEY_FILE_ENDS", format!("C_Sign={end}"));
        Done::of(command).exits(exit).says(says);
        assert_eq!(desk.read("tokens.json"), UNSIGNED);
        // After the outcome was reported it changes nothing.
        let mut command = desk.sign();
        command.env("KEY_FILE_ENDS", format!("C_Logout={end}"));
        let done = Done::of(command).exits(0).says("is ready");
        assert!(!done.stderr.contains("error"), "{}", done.stderr);
        desk.is_signed("tokens.json");
    }
}
