//! Commands that need no device.

use crate::desk::{Desk, Done, UNSIGNED};

#[test]
fn help_is_shown() {
    let desk = Desk::new();
    let done = Done::of(desk.countersign(&["--help"])).exits(0);
    assert!(done.stdout.contains("Usage: countersign"), "{}", done.stdout);
    let version = Done::of(desk.countersign(&["--version"])).exits(0);
    assert_eq!(version.stdout.trim_end(), concat!("countersign ", env!("CARGO_PKG_VERSION")));
}

#[test]
fn a_token_file_is_shown_by_any_of_its_paths() {
    let desk = Desk::new();
    for path in ["tokens.json", r".\tokens.json", &desk.windows_path("tokens.json")] {
        let done = Done::of(desk.countersign(&["show", path])).exits(0);
        assert!(done.stdout.contains("3 to sign"), "{}", done.stdout);
    }
    // As an editor of Windows saves it.
    let text = String::from_utf8(UNSIGNED.to_vec()).unwrap().replace('\n', "\r\n");
    desk.write("lines.json", text.as_bytes());
    Done::of(desk.countersign(&["show", "lines.json"])).exits(0);
    let missing = Done::of(desk.countersign(&["show", r"C:\no such folder\tokens.json"])).exits(1);
    assert!(missing.stderr.contains("no such file"), "{}", missing.stderr);
}

#[test]
fn a_signature_is_verified() {
    let desk = Desk::new();
    desk.write("signed.json", include_bytes!("../samples/aws-mfa-signed.json"));
    desk.write("signer.pem", include_bytes!("../samples/aws-mfa-signer.pub.pem"));
    Done::of(desk.countersign(&["verify", "--public-key", "signer.pem", "signed.json"])).exits(0);
    let done = Done::of(desk.countersign(&["verify", "--public-key", "key.pub.pem", "signed.json"]));
    assert_ne!(done.code, 0, "{}", done.stdout);
}

#[test]
fn a_pin_file_that_others_can_read_is_warned_of() {
    use std::os::unix::fs::PermissionsExt;
    let desk = Desk::new();
    // Wine makes an access list of the mode.
    for (mode, is_warned) in [(0o600, false), (0o644, true)] {
        desk.write("tokens.json", UNSIGNED);
        std::fs::set_permissions(desk.path("pin"), std::fs::Permissions::from_mode(mode)).unwrap();
        let done = Done::of(desk.sign()).exits(0);
        assert_eq!(done.stderr.contains("can be read by others"), is_warned, "{mode:o}: {}", done.stderr);
        assert_eq!(done.stderr.contains("icacls \"pin\""), is_warned, "{}", done.stderr);
    }
}
