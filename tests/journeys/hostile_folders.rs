//! Other users who can write to a folder, or read a file in it, at the moment of signing.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use rustix::fs::{CWD, RenameFlags, renameat_with};

use crate::support::clock;
use crate::support::credentials_file::FILE;
use crate::support::desk::{Desk, SIGNKEY};
use crate::support::running::eventually;
use crate::support::server::Server;
use crate::support::token_files::UNSIGNED;

/// A user ID that nobody else has.
const OTHER: u32 = 64_123;

/// Gives a file or folder to another user, which only root can.
fn give_away(path: &Path) {
    std::os::unix::fs::lchown(path, Some(OTHER), Some(OTHER)).expect("only root gives files away");
}

/// A folder of another user, and a file of root's that they want replaced.
fn folder_of_another_user(desk: &Desk) -> std::path::PathBuf {
    fs::set_permissions(desk.folder(), Permissions::from_mode(0o755)).unwrap();
    desk.write("roots.json", UNSIGNED);
    fs::set_permissions(desk.path("roots.json"), Permissions::from_mode(0o600)).unwrap();
    let folder = desk.path("others");
    fs::create_dir(&folder).unwrap();
    give_away(&folder);
    folder
}

#[test]
fn root_follows_no_link_in_a_folder_that_others_can_write_to() {
    let server = Server::new();
    let desk = &server.desk;
    let others = folder_of_another_user(desk);
    let link = others.join("link.json");
    symlink(desk.path("roots.json"), &link).unwrap();
    let folder_link = others.join("folder");
    symlink(desk.folder(), &folder_link).unwrap();
    desk.write("tokens.json", UNSIGNED);
    let link = link.to_str().unwrap();
    let through_folder = folder_link.join("roots.json");
    let refused = "leads through a symbolic link in a folder that other users can write to";
    for arguments in [
        vec!["sign", "--key", SIGNKEY, link],
        vec!["sign", "--key", SIGNKEY, through_folder.to_str().unwrap()],
        vec!["sign", "--key", SIGNKEY, "-o", link, "tokens.json"],
        vec!["public-key", "--key", SIGNKEY, "-o", link],
    ] {
        desk.countersign(&arguments).with_pin().go().exits(1).says(refused);
    }
    let log = ["sign", "--key", SIGNKEY, "--audit-log", link, "tokens.json"];
    let logged = desk.countersign(&log).with_pin().go().exits(1).says(refused);
    assert!(
        logged.stderr().contains("cannot be logged; as root, name the file itself"),
        "{}",
        logged.stderr()
    );
    let update = server.run("update", &["--once"]).env("AWS_SHARED_CREDENTIALS_FILE", link);
    update.go().exits(1).says(refused);
    let token = desk.path("roots.token");
    desk.write("roots.token", b"a-secret-of-roots-that-others-chose");
    fs::set_permissions(&token, Permissions::from_mode(0o600)).unwrap();
    let token_link = others.join("link.token");
    symlink(&token, &token_link).unwrap();
    let token_option = ["--port", "0", "--container-token-file", token_link.to_str().unwrap()];
    server.run("serve", &token_option).go().exits(1).says(refused);
    assert_eq!(desk.read("roots.json"), UNSIGNED);
    assert_eq!(desk.read("tokens.json"), UNSIGNED);
    assert!(server.aws.log().is_empty());
    // Root's own links in root's own folders still lead to their targets.
    symlink(desk.path("roots.json"), desk.path("own-link.json")).unwrap();
    desk.countersign(&["sign", "--key", SIGNKEY, "own-link.json"]).with_pin().go().exits(0);
    assert_ne!(desk.read("roots.json"), UNSIGNED);
    assert!(desk.path("own-link.json").is_symlink());
}

#[test]
fn no_race_makes_root_replace_another_file() {
    let desk = Desk::new();
    let others = folder_of_another_user(&desk);
    let (file, link) = (others.join("tokens.json"), others.join("link"));
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..12 {
            fs::write(&file, UNSIGNED).unwrap();
            give_away(&file);
            let _ = fs::remove_file(&link);
            symlink(desk.path("roots.json"), &link).unwrap();
            is_over.store(false, Ordering::SeqCst);
            let exchanging = scope.spawn(|| {
                while !is_over.load(Ordering::SeqCst) {
                    let _ = renameat_with(CWD, &file, CWD, &link, RenameFlags::EXCHANGE);
                }
            });
            let done = desk.countersign(&["sign", "--key", SIGNKEY, file.to_str().unwrap()]).with_pin().go();
            is_over.store(true, Ordering::SeqCst);
            exchanging.join().unwrap();
            assert!([0, 1].contains(&done.code()), "{}", done.stderr());
            assert_eq!(desk.read("roots.json"), UNSIGNED, "root's file was replaced");
            use std::os::unix::fs::MetadataExt;
            let metadata = fs::metadata(desk.path("roots.json")).unwrap();
            assert_eq!((metadata.uid(), metadata.mode() & 0o777), (0, 0o600));
        }
    });
}

#[test]
fn a_user_who_may_read_a_file_cannot_keep_others_from_changing_it() {
    let server = Server::new();
    let desk = &server.desk;
    let held = |name: &str, bytes: &[u8]| {
        let path = desk.write(name, bytes);
        fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
        let file = File::open(path).unwrap();
        file.try_lock().unwrap();
        file
    };
    let _tokens = held("tokens.json", UNSIGNED);
    let _log = held("audit.log", b"");
    let _credentials = held("aws-credentials", FILE.as_bytes());
    let sign = ["sign", "--key", SIGNKEY, "--audit-log", "audit.log", "tokens.json"];
    desk.countersign(&sign).with_pin().go().exits(0);
    let update = server.run("update", &["--once"]).env("AWS_SHARED_CREDENTIALS_FILE", "aws-credentials");
    update.go().exits(0);
    // Anyone who may not write to the log may not open its lock either; the others leave nothing behind.
    let locks: Vec<_> = fs::read_dir(desk.folder())
        .unwrap()
        .map(|entry| entry.unwrap())
        .filter(|entry| entry.file_name().to_string_lossy().ends_with(".lock"))
        .map(|entry| {
            (entry.file_name().into_string().unwrap(), entry.metadata().unwrap().permissions().mode() & 0o777)
        })
        .collect();
    assert_eq!(locks, [(".countersign-audit.log.lock".to_owned(), 0o600)]);
}

#[test]
fn the_process_that_holds_a_file_is_named() {
    let desk = Desk::new();
    desk.write("tokens.json", UNSIGNED);
    let pipe = desk.path("pin-pipe");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let mut first =
        desk.countersign(&["sign", "--key", SIGNKEY, "--pin-source", "file:pin-pipe", "tokens.json"]);
    first.command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null());
    let mut child = first.command.spawn().unwrap();
    let lock = desk.path(".countersign-tokens.json.lock");
    let process = child.id().to_string();
    eventually("it is locked", || (fs::read_to_string(&lock).ok()? == process).then_some(()));
    let second = desk.countersign(&["sign", "--key", SIGNKEY, "tokens.json"]).with_pin().go().exits(1);
    second.says(&format!("is being signed by another process (countersign, process {process})"));
    // A signal leaves nothing behind.
    crate::support::parts::tool("kill", &["-TERM".as_ref(), process.as_ref()]);
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert!(!lock.exists());
}

#[test]
fn what_a_killed_run_left_is_removed_and_nothing_else() {
    let server = Server::new();
    let desk = &server.desk;
    let cache = desk.path(".cache/countersign/credentials");
    server.done(server.run("credential-process", &[])).exits(0);
    let old = SystemTime::from(clock::now()) - Duration::from_secs(120);
    let leave = |path: &Path, written: SystemTime| {
        fs::write(path, b"a secret").unwrap();
        let file = File::options().append(true).open(path).unwrap();
        file.set_modified(written).unwrap();
        file
    };
    let left = [
        desk.path(".countersign-0123456789abcdef.tmp"),
        desk.path(".countersign-Xy12Zz.tmp"),
        cache.join(".new-abcdef"),
        cache.join(".countersign-0123456789abcdef.tmp"),
    ];
    left.iter().for_each(|path| drop(leave(path, old)));
    let in_use = desk.path(".countersign-fedcba9876543210.tmp");
    let locked = leave(&in_use, old);
    locked.try_lock().unwrap();
    let young = desk.path(".countersign-00000000aaaaaaaa.tmp");
    leave(&young, clock::now().into());
    let foreign = desk.path("notes.tmp");
    leave(&foreign, old);
    desk.write("tokens.json", UNSIGNED);
    desk.countersign(&["sign", "--key", SIGNKEY, "tokens.json"]).with_pin().go().exits(0);
    server.done(server.run("credential-process", &["--refresh"])).exits(0);
    for path in &left {
        assert!(!path.exists(), "{path:?}");
    }
    for path in [in_use, young, foreign] {
        assert!(path.exists(), "{path:?}");
    }
}

#[test]
fn a_new_credentials_file_is_never_seen_without_credentials() {
    let server = Server::new();
    let path = server.desk.path("aws-credentials");
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let looking = scope.spawn(|| {
            let mut lengths = std::collections::BTreeSet::new();
            while !is_over.load(Ordering::SeqCst) {
                lengths.extend(fs::metadata(&path).ok().map(|metadata| metadata.len()));
            }
            lengths
        });
        for _ in 0..8 {
            let _ = fs::remove_file(&path);
            server.run("update", &["--once"]).env("AWS_SHARED_CREDENTIALS_FILE", &path).go().exits(0);
        }
        is_over.store(true, Ordering::SeqCst);
        let lengths = looking.join().unwrap();
        assert!(!lengths.is_empty() && !lengths.contains(&0), "{lengths:?}");
    });
}

#[test]
fn root_is_warned_of_what_belongs_to_others() {
    let server = Server::new();
    let desk = &server.desk;
    desk.write("tokens.json", UNSIGNED);
    desk.write("token", b"0123456789abcdef0123456789abcdef");
    fs::set_permissions(desk.path("token"), Permissions::from_mode(0o600)).unwrap();
    for name in ["tokens.json", "device/pin", "token"] {
        give_away(&desk.path(name));
    }
    let done = desk.countersign(&["sign", "--key", SIGNKEY, "tokens.json"]).with_pin().go().exits(0);
    done.says("\"tokens.json\" belongs to another user (64123), who chooses what root signs").says(
        "the PIN file \"device/pin\" belongs to another user (64123), who knows the PIN: chown root it",
    );
    let run = server.run("serve", &["--port", "0", "--container-token-file", "token"]);
    let serving = crate::support::serving::Serving::of(&server, run);
    assert!(serving.stop().contains("the token file \"token\" belongs to another user (64123)"));
}

#[test]
fn without_proc_a_warning_says_that_the_pin_stays_in_the_environment() {
    let desk = Desk::new();
    desk.write("tokens.json", UNSIGNED);
    let sign = ["sign", "--key", SIGNKEY, "--pin-source", "env:OFFICERS_PIN", "tokens.json"];
    let warning = "the PIN stays in the environment variable OFFICERS_PIN";
    let pin = crate::support::desk::PIN;
    let run = desk.countersign_after_mounting("mount -t tmpfs none /proc && exec \"$@\"", &sign);
    run.env("OFFICERS_PIN", pin).go().exits(0).says(warning);
    let done = desk.countersign(&sign).env("OFFICERS_PIN", pin).go().exits(0);
    assert!(!done.stderr().contains(warning), "{}", done.stderr());
}
