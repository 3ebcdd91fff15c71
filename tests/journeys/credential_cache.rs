//! The cache of `credential-process`: one request for many runs, and never at the cost of safety.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::authority::Authority;
use crate::support::faults::behind_faults;
use crate::support::faults::calls;
use crate::support::run::Run;
use crate::support::server::Server;

const FOLDER: &str = ".cache/countersign/credentials";

fn run(server: &Server, more: &[&str]) -> Run {
    server.run("credential-process", more)
}

/// The access key that a run prints.
#[track_caller]
fn access_key(server: &Server, run: Run) -> String {
    let credentials = server.done(run).exits(0).json();
    credentials["AccessKeyId"].as_str().unwrap().to_owned()
}

/// The only file in the cache with this ending.
fn cached(server: &Server, ending: &str) -> PathBuf {
    let entries = fs::read_dir(server.desk.path(FOLDER)).unwrap().map(|entry| entry.unwrap().path());
    let found: Vec<PathBuf> = entries.filter(|path| path.to_str().unwrap().ends_with(ending)).collect();
    assert_eq!(found.len(), 1, "{found:?}");
    found[0].clone()
}

#[test]
fn only_its_owner_can_read_it() {
    let server = Server::new();
    // Even if files are readable by all by default.
    let options = server.options_but(&[]);
    let options: Vec<&str> =
        ["credential-process"].into_iter().chain(options.iter().map(String::as_str)).collect();
    let open = server.desk.countersign_under(&["sh", "-c", "umask 0 && exec \"$@\"", "sh"], &options);
    server.done(open.with_pin().env("AWS_CA_BUNDLE", server.aws.ca())).exits(0);
    let mode = |path: PathBuf| fs::metadata(path).unwrap().mode() & 0o7777;
    assert_eq!(mode(server.desk.path(FOLDER)), 0o700);
    assert_eq!(mode(cached(&server, ".json")), 0o600);
    assert_eq!(mode(cached(&server, ".lock")), 0o600);
    // No PIN, and no name that reveals a role.
    let name = cached(&server, ".json");
    assert!(!name.to_str().unwrap().contains("demo"));
    let kept: Value = serde_json::from_slice(&fs::read(&name).unwrap()).unwrap();
    assert_eq!(kept["AccessKeyId"], server.aws.access_keys()[0]);
}

#[test]
fn ten_that_start_at_once_make_one_request_and_one_signature() {
    let server = Server::new();
    let start = |_| {
        let options = server.options_but(&[]);
        let arguments = [vec!["credential-process".to_owned()], options].concat();
        let run = server.desk.countersign(&arguments).with_pin().env("AWS_CA_BUNDLE", server.aws.ca());
        let mut run = behind_faults(run, &server.desk, "");
        run.command.spawn().unwrap()
    };
    let children: Vec<_> = (0..10).map(start).collect();
    let outputs: Vec<_> = children.into_iter().map(|child| child.wait_with_output().unwrap()).collect();
    for output in &outputs {
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        assert_eq!(output.stdout, outputs[0].stdout);
    }
    assert_eq!(server.aws.log().len(), 1);
    assert_eq!((calls(&server.desk, "C_Login"), calls(&server.desk, "C_Sign")), (1, 1));
}

#[test]
fn credentials_are_handed_out_again_for_half_of_their_life() {
    let server = Server::of(Authority::with_intermediate(), &["--lifetime", "240"]);
    let first = access_key(&server, run(&server, &[]));
    assert_eq!(access_key(&server, run(&server, &[])), first);
    // They were obtained two minutes ago.
    came_before(&server, 121);
    assert_ne!(access_key(&server, run(&server, &[])), first);
    assert_eq!(server.aws.log().len(), 2);
}

/// As if the cached credentials had been obtained this many seconds earlier, and expired that much sooner.
fn came_before(server: &Server, seconds: i64) {
    let file = cached(server, ".json");
    let mut kept: Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
    let end: jiff::Timestamp = kept["Expiration"].as_str().unwrap().parse().unwrap();
    kept["Since"] = (kept["Since"].as_i64().unwrap() - seconds).into();
    kept["Expiration"] = (end - jiff::SignedDuration::from_secs(seconds)).to_string().into();
    fs::write(&file, kept.to_string()).unwrap();
}

#[test]
fn credentials_that_cannot_be_renewed_are_handed_out_until_they_end() {
    let server = Server::of(Authority::with_intermediate(), &["--lifetime", "480"]);
    let first = access_key(&server, run(&server, &[]));
    // Four minutes are left, and the device is absent.
    came_before(&server, 240);
    fs::rename(server.desk.path("device"), server.desk.path("away")).unwrap();
    for _ in 0..2 {
        let done = server.done(run(&server, &[])).exits(0).says("could not be renewed, and are valid until");
        assert_eq!(done.json()["AccessKeyId"], first.as_str());
    }
    came_before(&server, 240);
    server.fails(run(&server, &[]), 3);
}

#[test]
fn a_pin_that_was_wrong_is_not_sent_again_while_the_credentials_are_valid_and_its_file_stays() {
    let server = Server::of(Authority::with_intermediate(), &["--lifetime", "480"]);
    let counted = || behind_faults(run(&server, &[]), &server.desk, "");
    server.done(counted()).exits(0);
    came_before(&server, 240);
    let right = server.desk.read("device/pin");
    server.desk.write("device/pin", b"999999\n");
    for _ in 0..3 {
        server.done(counted()).exits(0).says("could not be renewed");
    }
    assert_eq!(calls(&server.desk, "C_Login"), 2);
    std::thread::sleep(Duration::from_millis(20));
    server.desk.write("device/pin", &right);
    assert!(!server.done(counted()).exits(0).stderr().contains("could not be renewed"));
    assert_eq!(calls(&server.desk, "C_Login"), 3);
}

#[test]
fn it_needs_neither_device_nor_network_nor_pin() {
    let server = Server::new();
    let key = access_key(&server, run(&server, &[]));
    server.aws.next(json!({"do": "status", "status": 500, "times": 0}));
    fs::rename(server.desk.path("device"), server.desk.path("away")).unwrap();
    let alone = run(&server, &[]).without_env("COUNTERSIGN_PIN_SOURCE");
    assert_eq!(access_key(&server, alone), key);
    assert_eq!(server.aws.log().len(), 1);
}

#[test]
fn other_options_are_another_entry() {
    let server = Server::new();
    let role = ("--role-arn", "arn:aws:iam::123456789012:role/other");
    server.desk.write("another.pem", &server.desk.read("server.pem"));
    server.desk.write("others.pem", &server.desk.read("intermediates.pem"));
    let first = access_key(&server, run(&server, &[]));
    let mut seen = vec![first.clone()];
    for (changed, more) in [
        (vec![role], vec![]),
        (vec![], vec!["--session-duration", "900"]),
        (vec![], vec!["--role-session-name", "other"]),
        (vec![("--private-key", "pkcs11:token=officer;object=signkey;type=private")], vec![]),
        (vec![("--certificate", "another.pem")], vec![]),
        (vec![("--intermediates", "others.pem")], vec![]),
    ] {
        let other = || server.run_but("credential-process", &changed, &more);
        let key = access_key(&server, other());
        assert!(!seen.contains(&key), "{changed:?} {more:?}");
        assert_eq!(access_key(&server, other()), key);
        seen.push(key);
    }
    assert_eq!(access_key(&server, run(&server, &[])), first);
    // The verbosity makes no difference.
    assert_eq!(access_key(&server, run(&server, &["-v", "--json", "--timeout", "60"])), first);
    assert_eq!(server.aws.log().len(), seen.len());
}

#[test]
fn what_an_unverified_server_answered_is_not_for_runs_that_verify() {
    let server = Server::new();
    let blind = access_key(&server, run(&server, &["--no-verify-ssl"]));
    let sure = access_key(&server, run(&server, &[]));
    assert_ne!(blind, sure);
}

#[test]
fn a_file_of_the_same_name_elsewhere_is_another_certificate() {
    let server = Server::new();
    let first = access_key(&server, run(&server, &[]));
    let elsewhere = server.desk.path("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    for file in ["server.pem", "intermediates.pem", "device"] {
        symlink(server.desk.path(file), elsewhere.join(file)).unwrap();
    }
    let mut there = run(&server, &[]);
    there.command.current_dir(&elsewhere);
    assert_ne!(access_key(&server, there), first);
}

#[test]
fn it_can_be_refreshed_and_bypassed() {
    let server = Server::new();
    let first = access_key(&server, run(&server, &[]));
    let without = access_key(&server, run(&server, &["--no-cache"]));
    assert_ne!(without, first);
    assert_eq!(access_key(&server, run(&server, &[])), first);
    let renewed = access_key(&server, run(&server, &["--refresh"]));
    assert_eq!(access_key(&server, run(&server, &[])), renewed);
    assert_eq!(server.aws.log().len(), 3);
    // If they cannot be renewed, they stay.
    server.aws.next(json!({"do": "denied"}));
    server.fails(run(&server, &["--refresh"]), 9);
    assert_eq!(access_key(&server, run(&server, &[])), renewed);
    server.fails(run(&server, &["--refresh", "--no-cache"]), 2);
    // Without the cache, no files are left.
    let server = Server::new();
    server.done(run(&server, &["--no-cache"])).exits(0);
    assert!(!server.desk.path(".cache").exists());
}

/// A change that makes a cached file unusable.
type Spoil = fn(&PathBuf);

const SPOILT: [(&str, Spoil); 11] = [
    ("empty", |file| fs::write(file, b"").unwrap()),
    ("no JSON", |file| fs::write(file, b"{\"AccessKeyId\":").unwrap()),
    ("not UTF-8", |file| fs::write(file, [0xff; 100]).unwrap()),
    ("a huge file", |file| fs::write(file, vec![b' '; 1 << 20]).unwrap()),
    ("another document", |file| fs::write(file, br#"{"Version":1,"AccessKeyId":"ASIAX"}"#).unwrap()),
    ("no secret", |file| {
        let mut document: Value = serde_json::from_slice(&fs::read(file).unwrap()).unwrap();
        document["SecretAccessKey"] = "".into();
        fs::write(file, document.to_string()).unwrap();
    }),
    ("readable by others", |file| fs::set_permissions(file, Permissions::from_mode(0o644)).unwrap()),
    ("writable by its group", |file| fs::set_permissions(file, Permissions::from_mode(0o620)).unwrap()),
    ("a symbolic link", |file| {
        let there = file.with_extension("there");
        fs::rename(file, &there).unwrap();
        symlink(there, file).unwrap();
    }),
    ("a directory", |file| {
        fs::remove_file(file).unwrap();
        fs::create_dir(file).unwrap();
    }),
    ("a FIFO", |file| {
        fs::remove_file(file).unwrap();
        assert!(std::process::Command::new("mkfifo").arg(file).status().unwrap().success());
    }),
];

#[test]
fn a_damaged_cache_is_not_used_and_blocks_nobody() {
    let server = Server::new();
    access_key(&server, run(&server, &[]));
    for (what, spoil) in SPOILT {
        is_passed_over_and_replaced(&server, what, spoil);
    }
}

/// Asserts that a cached file is not used after the change, and that another one takes its place.
#[track_caller]
fn is_passed_over_and_replaced(server: &Server, what: &str, spoil: Spoil) {
    let before = access_key(server, run(server, &[]));
    let file = cached(server, ".json");
    spoil(&file);
    let start = Instant::now();
    let mut last = access_key(server, run(server, &[]));
    assert!(start.elapsed() < Duration::from_secs(10), "{what}");
    assert_ne!(last, before, "{what} was used");
    if what == "a directory" {
        // It cannot be replaced, and is ignored.
        fs::remove_dir(&file).unwrap();
        last = access_key(server, run(server, &[]));
    }
    // It was replaced: the next run finds a good one.
    assert_eq!(access_key(server, run(server, &[])), last, "{what} was not replaced");
    let metadata = fs::symlink_metadata(&file).unwrap();
    let me = rustix::process::geteuid().as_raw();
    assert!(metadata.is_file() && metadata.mode() & 0o7777 == 0o600 && metadata.uid() == me, "{what}");
    let _ = fs::remove_file(file.with_extension("there"));
}

/// Only root can give a file to another user: scripts/needs-root.sh.
#[test]
fn what_belongs_to_another_user_is_not_used() {
    let give =
        |path: &PathBuf| std::os::unix::fs::chown(path, Some(12_345), None).expect("root runs this test");
    let server = Server::new();
    is_passed_over_and_replaced(&server, "of another owner", give);
    let server = Server::new();
    let folder = server.desk.path(FOLDER);
    fs::create_dir_all(&folder).unwrap();
    fs::set_permissions(&folder, Permissions::from_mode(0o700)).unwrap();
    give(&folder);
    is_not_used(&server, &folder, "belongs to another user");
}

#[test]
fn a_lock_that_is_not_a_file_blocks_nobody() {
    for what in ["fifo", "folder", "link"] {
        let server = Server::new();
        server.done(run(&server, &[])).exits(0);
        let lock = cached(&server, ".lock");
        fs::remove_file(&lock).unwrap();
        match what {
            "fifo" => assert!(std::process::Command::new("mkfifo").arg(&lock).status().unwrap().success()),
            "folder" => fs::create_dir(&lock).unwrap(),
            _ => symlink("/dev/null", &lock).unwrap(),
        }
        let start = Instant::now();
        server.done(run(&server, &[])).exits(0);
        assert!(start.elapsed() < Duration::from_secs(10), "{what}");
    }
}

#[test]
fn a_folder_that_others_may_enter_is_not_used() {
    let server = Server::new();
    let folder = server.desk.path(FOLDER);
    fs::create_dir_all(&folder).unwrap();
    fs::set_permissions(&folder, Permissions::from_mode(0o755)).unwrap();
    is_not_used(&server, &folder, "can be used by others than its owner: chmod 700");
}

#[track_caller]
fn is_not_used(server: &Server, folder: &PathBuf, why: &str) {
    server.done(run(server, &["-v"])).exits(0).says(why);
    assert_eq!(fs::read_dir(folder).unwrap().count(), 0);
    assert_eq!(server.aws.log().len(), 1);
}

#[test]
fn without_a_place_for_the_cache_everything_still_works() {
    let server = Server::new();
    let keys: Vec<String> = [
        run(&server, &[]).without_env("HOME"),
        run(&server, &[]).env("HOME", "/proc"),
        run(&server, &[]).env("HOME", "relative"),
        run(&server, &[]).env("XDG_CACHE_HOME", "/dev/full"),
    ]
    .into_iter()
    .map(|run| access_key(&server, run))
    .collect();
    assert_eq!(keys, server.aws.access_keys());
    // On a read-only file system.
    let options = server.options_but(&[]);
    let options: Vec<&str> =
        ["credential-process"].into_iter().chain(options.iter().map(String::as_str)).collect();
    fs::create_dir(server.desk.path("home")).unwrap();
    let mounted = "mount -t tmpfs -o ro none home && exec \"$@\"";
    let read_only = server.desk.countersign_after_mounting(mounted, &options);
    let read_only =
        read_only.with_pin().env("AWS_CA_BUNDLE", server.aws.ca()).env("HOME", server.desk.path("home"));
    server.done(read_only).exits(0);
    // XDG_CACHE_HOME is where the cache is, if it is set.
    let elsewhere = || run(&server, &[]).env("XDG_CACHE_HOME", server.desk.path("xdg"));
    assert_eq!(access_key(&server, elsewhere()), access_key(&server, elsewhere()));
    assert!(server.desk.path("xdg/countersign/credentials").exists() && !server.desk.path(".cache").exists());
}

#[test]
fn a_killed_process_leaves_no_lock_and_no_half_written_file() {
    let server = Server::new();
    // Killed while it waits for the answer and holds the lock.
    server.aws.next(json!({"do": "delay", "ms": 20_000}));
    let mut first = run(&server, &[]);
    let mut first = first.command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    server.aws.log_of(1);
    first.kill().unwrap();
    first.wait().unwrap();
    let start = Instant::now();
    let key = access_key(&server, run(&server, &[]));
    assert!(start.elapsed() < Duration::from_secs(10));
    assert_eq!(access_key(&server, run(&server, &[])), key);
    // Killed at any moment, sometimes in the middle of writing.
    for wait in 0..25 {
        let mut run = run(&server, &["--refresh"]);
        let mut child = run.command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(4 * wait));
        let _ = child.kill();
        child.wait().unwrap();
        let file = fs::read(cached(&server, ".json")).unwrap();
        let kept: Value = serde_json::from_slice(&file).unwrap();
        assert!(server.aws.access_keys().contains(&kept["AccessKeyId"].as_str().unwrap().to_owned()));
    }
    // Without a device it cannot ask for new ones. The server's log proves nothing here: a request from a
    // child that was killed may still be on its way.
    fs::rename(server.desk.path("device"), server.desk.path("away")).unwrap();
    let kept: Value = serde_json::from_slice(&fs::read(cached(&server, ".json")).unwrap()).unwrap();
    assert_eq!(
        kept["AccessKeyId"],
        access_key(&server, run(&server, &[]).without_env("COUNTERSIGN_PIN_SOURCE"))
    );
}
