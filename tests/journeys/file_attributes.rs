//! A file that is replaced keeps its access list and its extended attributes, and nobody gains rights.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use rustix::fs::{XattrFlags, getxattr, setxattr};
use rustix::io::Errno;

use crate::support::credentials_file::FILE;
use crate::support::desk::{Desk, SIGNKEY};
use crate::support::run::Run;
use crate::support::server::Server;
use crate::support::token_files::UNSIGNED;

const ACCESS: &str = "system.posix_acl_access";
const DEFAULT: &str = "system.posix_acl_default";

/// Root without capabilities is a user like any other.
const UNPRIVILEGED: [&str; 3] = ["setpriv", "--inh-caps=-all", "--bounding-set=-all"];

/// `u::rw-, u:12345:r--, g::---, m::r--, o::---`, which `ls` shows as 0640.
const FOR_ONE_USER: [(u16, u16, u32); 5] =
    [(0x01, 6, u32::MAX), (0x02, 4, 12_345), (0x04, 0, u32::MAX), (0x10, 4, u32::MAX), (0x20, 0, u32::MAX)];

fn access_list(entries: &[(u16, u16, u32)]) -> Vec<u8> {
    let mut bytes = 2_u32.to_le_bytes().to_vec();
    for (tag, rights, id) in entries {
        bytes.extend(tag.to_le_bytes().into_iter().chain(rights.to_le_bytes()).chain(id.to_le_bytes()));
    }
    bytes
}

fn set(path: &Path, name: &str, value: &[u8]) {
    setxattr(path, name, value, XattrFlags::empty()).expect("the file system knows attributes");
}

fn get(path: &Path, name: &str) -> Option<Vec<u8>> {
    let mut buffer = vec![0; 4096];
    match getxattr(path, name, &mut buffer[..]) {
        Ok(length) => Some(buffer[..length].to_vec()),
        Err(Errno::NODATA) => None,
        Err(error) => panic!("{name}: {error}"),
    }
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

fn update(server: &Server) -> Run {
    server
        .run("update", &["--once", "--profile", "work"])
        .env("AWS_SHARED_CREDENTIALS_FILE", "aws-credentials")
}

#[track_caller]
fn has_all(path: &Path, before: u64) {
    let metadata = fs::metadata(path).unwrap();
    assert_ne!(metadata.ino(), before, "it was not replaced");
    assert_eq!(get(path, ACCESS), Some(access_list(&FOR_ONE_USER)), "mode {:o}", metadata.mode());
    assert_eq!(get(path, "user.of").as_deref(), Some(&b"the office"[..]));
    assert_eq!(metadata.mode() & 0o7777, 0o640);
}

fn give_all(path: &Path) -> u64 {
    set(path, ACCESS, &access_list(&FOR_ONE_USER));
    set(path, "user.of", b"the office");
    fs::metadata(path).unwrap().ino()
}

#[test]
fn update_and_sign_keep_the_access_list_and_the_attributes() {
    let server = Server::new();
    let file = server.desk.write("aws-credentials", FILE.as_bytes());
    let before = give_all(&file);
    update(&server).go().exits(0);
    has_all(&file, before);

    let tokens = server.desk.write("tokens.json", UNSIGNED);
    let before = give_all(&tokens);
    server.desk.countersign(&["sign", "--key", SIGNKEY, "tokens.json"]).with_pin().go().exits(0);
    has_all(&tokens, before);
    let other = server.desk.write("other.json", UNSIGNED);
    let before = give_all(&other);
    let again = ["sign", "--key", SIGNKEY, "--force", "tokens.json", "-o", "other.json"];
    server.desk.countersign(&again).with_pin().go().exits(0);
    has_all(&other, before);
}

#[test]
fn a_folders_default_access_list_opens_no_replaced_file() {
    let server = Server::new();
    let file = server.desk.write("aws-credentials", FILE.as_bytes());
    fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
    set(server.desk.folder(), DEFAULT, &access_list(&FOR_ONE_USER));
    update(&server).go().exits(0);
    assert_eq!((get(&file, ACCESS), mode(&file)), (None, 0o640));
    // A new file belongs to its owner alone.
    let new = server.run("update", &["--once"]).env("AWS_SHARED_CREDENTIALS_FILE", "new");
    new.go().exits(0);
    assert_eq!(mode(&server.desk.path("new")) & 0o077, 0);
}

/// Only root can make an attribute that a user cannot: scripts/needs-root.sh.
#[test]
fn an_attribute_that_cannot_be_copied_is_named_and_nobody_has_more_rights() {
    let desk = Desk::new();
    let tokens = desk.write("tokens.json", UNSIGNED);
    give_all(&tokens);
    set(&tokens, "security.countersign", b"label");
    let done =
        desk.countersign_under(&UNPRIVILEGED, &["sign", "--key", SIGNKEY, "tokens.json"]).with_pin().go();
    let done = done.exits(0).says("security.countersign");
    assert!(done.stderr().contains("no user has gained rights"), "{}", done.stderr());
    assert_eq!(get(&tokens, ACCESS), Some(access_list(&FOR_ONE_USER)));
    assert_eq!(get(&tokens, "security.countersign"), None);
}
