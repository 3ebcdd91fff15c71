//! `countersign update` with a credentials file that cannot be replaced, as in a container: it is written in
//! place.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};

use rustix::process::geteuid;

use crate::support::credentials_file::{FILE, last_given, parts, read_by_boto3};
use crate::support::run::Run;
use crate::support::server::Server;

fn arguments(server: &Server, more: &[&str]) -> Vec<String> {
    let options = server.options_but(&[]);
    let more = more.iter().map(|option| (*option).to_owned());
    ["update", "--once", "--profile", "work"]
        .map(str::to_owned)
        .into_iter()
        .chain(more)
        .chain(options)
        .collect()
}

fn prepared(server: &Server, run: Run) -> Run {
    run.with_pin()
        .env("AWS_CA_BUNDLE", server.aws.ca())
        .env("AWS_SHARED_CREDENTIALS_FILE", "folder/credentials")
}

#[track_caller]
fn is_written(server: &Server) {
    let path = server.desk.path("folder/credentials");
    assert_eq!(read_by_boto3("work", &[&path])[0]["credentials"], last_given(server));
    let (others, own) = parts(&fs::read(&path).unwrap(), "work");
    assert_eq!((others, own.len()), (parts(FILE.as_bytes(), "work").0, 3));
    assert_eq!(fs::read_dir(server.desk.path("folder")).unwrap().count(), 1, "a temporary file is left");
}

fn server() -> Server {
    let server = Server::new();
    fs::create_dir(server.desk.path("folder")).unwrap();
    let file = server.desk.write("folder/credentials", FILE.as_bytes());
    fs::set_permissions(file, fs::Permissions::from_mode(0o600)).unwrap();
    server
}

#[test]
fn a_file_that_is_mounted_by_itself_is_written_into() {
    let server = server();
    let script = "cp folder/credentials of-the-host && mount --bind of-the-host folder/credentials && \"$@\"; \
        code=$?; cat folder/credentials >mounted; exit $code";
    let arguments = arguments(&server, &[]);
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let run = server.desk.countersign_after_mounting(script, &arguments);
    prepared(&server, run).go().exits(0).says("is written into");
    let file = server.desk.read("of-the-host");
    assert_eq!(file, server.desk.read("mounted"));
    fs::write(server.desk.path("folder/credentials"), file).unwrap();
    is_written(&server);
}

#[test]
fn a_token_file_that_is_mounted_by_itself_is_refused_before_the_pin_is_asked_for() {
    let server = server();
    server.desk.write("tokens.json", crate::support::token_files::UNSIGNED);
    let script = "cp tokens.json other.json && mount --bind other.json tokens.json && exec \"$@\"";
    let sign = ["sign", "--key", crate::support::desk::SIGNKEY, "tokens.json"];
    let run = server.desk.countersign_after_mounting(script, &sign);
    let done = run.with_pin().behind_faults(&server.desk, "").go().exits(1);
    assert!(done.stderr().contains("is a mount point of its own"), "{}", done.stderr());
    let calls = fs::read_to_string(server.desk.path("calls")).unwrap_or_default();
    assert!(!calls.contains("C_Login"), "{calls}");
}

#[test]
fn a_file_that_is_writable_in_a_folder_that_is_not_is_written_into() {
    let server = server();
    let folder = server.desk.path("folder");
    let close = |mode| fs::set_permissions(&folder, fs::Permissions::from_mode(mode)).unwrap();
    close(0o555);
    let arguments = arguments(&server, &[]);
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let run = match geteuid().is_root() {
        // Root may write anywhere; without capabilities it is a user like any other.
        true => {
            server.desk.countersign_under(&["setpriv", "--inh-caps=-all", "--bounding-set=-all"], &arguments)
        }
        false => server.desk.countersign(&arguments),
    };
    prepared(&server, run).go().exits(0).says("is written into");
    close(0o755);
    is_written(&server);
}

#[test]
fn in_place_the_file_stays_the_same_for_programs_that_keep_it_open() {
    let server = server();
    let inode = || fs::metadata(server.desk.path("folder/credentials")).unwrap().ino();
    let before = inode();
    let arguments = arguments(&server, &["--in-place"]);
    for _ in 0..2 {
        let done = prepared(&server, server.desk.countersign(&arguments)).go().exits(0);
        assert!(!done.stderr().contains("warning"), "{}", done.stderr());
        assert_eq!(inode(), before);
        is_written(&server);
    }
}
