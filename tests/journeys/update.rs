//! `countersign update --once`: one profile of the credentials file is written, and everything else stays.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use serde_json::json;

use crate::support::clients::{Moto, Way, boto3};
use crate::support::credentials_file::{FILE, last_given, parts, read_by_boto3};
use crate::support::faults::faulty;
use crate::support::leaks::Secrets;
use crate::support::run::{Done, Run};
use crate::support::server::Server;

/// Root may read and write everything; without capabilities it is a user like any other.
const UNPRIVILEGED: [&str; 3] = ["setpriv", "--inh-caps=-all", "--bounding-set=-all"];

fn once(server: &Server, file: &str, profile: &str) -> Run {
    server.run("update", &["--once", "--profile", profile]).env("AWS_SHARED_CREDENTIALS_FILE", file)
}

fn secretless(server: &Server, done: Done) -> Done {
    Secrets::of(server).are_not_in("what it said", (done.stdout() + &done.stderr()).as_bytes());
    done
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).expect("it is there").permissions().mode() & 0o7777
}

#[test]
fn a_missing_file_is_created_for_its_owner_alone_and_boto3_uses_it() {
    let server = Server::new();
    let desk = &server.desk;
    let done = server.run("update", &["--once", "--debug"]).go().exits(0).says("[default] is good until 20");
    secretless(&server, done);
    let path = desk.path(".aws/credentials");
    assert_eq!((mode(&path), mode(&desk.path(".aws"))), (0o600, 0o700));
    assert_eq!(read_by_boto3("default", &[&path])[0]["credentials"], last_given(&server));
    assert_eq!(fs::read_dir(desk.path(".aws")).unwrap().count(), 1, "nothing else is left there");

    let moto = Moto::start();
    once(&server, "aws-credentials", "work").go().exits(0);
    let used = boto3(desk, &moto, &Way::File { profile: "work" });
    assert_eq!(used["calls"][0]["sent_access_key"], json!([last_given(&server)[0]]));
}

#[test]
fn everything_else_in_the_file_stays_as_it_was() {
    let server = Server::new();
    let desk = &server.desk;
    fs::create_dir(desk.path("real")).unwrap();
    let path = desk.write("real/credentials", FILE.as_bytes());
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    symlink("real/credentials", desk.path("link")).unwrap();
    for _ in 0..2 {
        secretless(&server, once(&server, "link", "work").go().exits(0));
        let (others, own) = parts(&fs::read(&path).unwrap(), "work");
        assert_eq!(others, parts(FILE.as_bytes(), "work").0);
        assert_eq!(own.len(), 3);
        assert!(own.iter().all(|line| line.ends_with("\r\n")), "{own:?}");
        assert_eq!(read_by_boto3("work", &[&path])[0]["credentials"], last_given(&server));
    }
    assert_eq!(fs::read_link(desk.path("link")).unwrap(), Path::new("real/credentials"));
    assert_eq!(mode(&path), 0o640);
}

#[test]
fn the_target_of_a_dangling_link_is_created() {
    let server = Server::new();
    let desk = &server.desk;
    fs::create_dir(desk.path("links")).unwrap();
    symlink("target", desk.path("links/credentials")).unwrap();
    once(&server, "links/credentials", "work").go().exits(0);
    assert!(fs::symlink_metadata(desk.path("links/credentials")).unwrap().is_symlink());
    assert_eq!(mode(&desk.path("links/target")), 0o600);
    assert!(!desk.path("target").exists());
}

#[test]
fn names_that_no_profile_can_have_are_refused_before_anything_is_done() {
    let server = Server::new();
    for name in ["", "DEFAULT", "profile work", " work", "a]b", "a\nb", "a#b"] {
        once(&server, "aws-credentials", name).go().exits(2);
    }
    assert!(!server.desk.path("aws-credentials").exists());
    assert!(server.aws.log().is_empty());
}

#[test]
fn a_folder_that_cannot_be_written_to_is_found_before_a_signature_is_spent() {
    let server = Server::new();
    let desk = &server.desk;
    fs::create_dir(desk.path("folder")).unwrap();
    desk.write("folder/credentials", FILE.as_bytes());
    fs::set_permissions(desk.path("folder"), fs::Permissions::from_mode(0o555)).unwrap();
    let options = server.options_but(&[]);
    let arguments: Vec<&str> =
        ["update", "--once"].into_iter().chain(options.iter().map(String::as_str)).collect();
    fs::set_permissions(desk.path("folder/credentials"), fs::Permissions::from_mode(0o444)).unwrap();
    for file in ["folder/credentials", "folder/new", "folder/new/credentials"] {
        let run = match rustix::process::geteuid().is_root() {
            true => desk.countersign_under(&UNPRIVILEGED, &arguments),
            false => desk.countersign(&arguments),
        };
        run.with_pin()
            .env("AWS_CA_BUNDLE", server.aws.ca())
            .env("AWS_SHARED_CREDENTIALS_FILE", file)
            .go()
            .exits(1)
            .says("folder");
    }
    fs::set_permissions(desk.path("folder"), fs::Permissions::from_mode(0o755)).unwrap();
    assert_eq!(desk.read("folder/credentials"), FILE.as_bytes());
    assert_eq!(server.aws.log().len(), 0, "a request was made for credentials that could not be written");
}

#[test]
fn a_wrong_pin_is_sent_once_and_nothing_is_written() {
    let server = Server::new();
    server.desk.write("wrong", b"999999\n");
    let run = once(&server, "aws-credentials", "work").env("COUNTERSIGN_PIN_SOURCE", "file:wrong");
    let done = faulty(&server, run, "").go().exits(5);
    assert!(!done.stderr().contains("999999"));
    let calls = String::from_utf8(server.desk.read("calls")).unwrap();
    assert_eq!(calls.lines().filter(|line| *line == "C_Login").count(), 1, "{calls}");
    assert!(server.aws.log().is_empty() && !server.desk.path("aws-credentials").exists());
}
