//! `countersign update` that is killed at any moment.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Instant;

use crate::support::credentials_file::{FILE, parts, read_by_boto3};
use crate::support::server::Server;

const KILLS: u32 = 100;

#[test]
fn kill_9_at_any_moment_leaves_a_file_with_the_old_credentials_or_the_new_ones() {
    let server = Server::new();
    let desk = &server.desk;
    let path = desk.write("aws-credentials", FILE.as_bytes());
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    let update = || {
        let mut run = server
            .run("update", &["--once", "--profile", "work"])
            .env("AWS_SHARED_CREDENTIALS_FILE", "aws-credentials");
        run.command.stdout(Stdio::null()).stderr(Stdio::null());
        run.command.spawn().expect("the program starts")
    };
    let started = Instant::now();
    assert!(update().wait().unwrap().success());
    // The replacement happens near the end of a run.
    let mut edge = started.elapsed();
    let others = parts(FILE.as_bytes(), "work").0;
    let mut before = desk.read("aws-credentials");
    let (mut old, mut new, mut copies) = (0, 0, Vec::<PathBuf>::new());
    for round in 0..KILLS {
        desk.restore_device();
        let mut child = update();
        // A quarter of the kills are spread over the run, the others follow the moment of the replacement.
        let is_spread = round % 4 == 0;
        let share = if is_spread { f64::from(round) / f64::from(KILLS) } else { 1.0 };
        std::thread::sleep(edge.mul_f64(share));
        child.kill().unwrap();
        child.wait().unwrap();
        let after = desk.read("aws-credentials");
        let (now_others, own) = parts(&after, "work");
        assert_eq!((now_others, own.len()), (others.clone(), 3), "round {round}");
        match after == before {
            true => old += 1,
            false => new += 1,
        }
        if !is_spread {
            edge = edge.mul_f64(if after == before { 1.04 } else { 0.96 });
        }
        copies.push(desk.write(&format!("copy-{round}"), &after));
        before = after;
    }
    assert!(old > 0 && new > 0, "the kills fell before ({old}) and after ({new}) the replacement");
    // What boto3 reads from each: credentials that were issued together.
    let copies: Vec<&Path> = copies.iter().map(AsRef::as_ref).collect();
    let log = server.aws.log();
    for read in read_by_boto3("work", &copies) {
        let own = &read["credentials"];
        assert!(
            log.iter().map(|line| &line["credential"]).any(|given| given["accessKeyId"] == own[0]
                && given["secretAccessKey"] == own[1]
                && given["sessionToken"] == own[2]),
            "{own}"
        );
    }
    // A killed run may leave the file that was to become the new one; nobody else can read it.
    for entry in fs::read_dir(desk.folder()).unwrap() {
        let entry = entry.unwrap();
        if entry.file_name().to_string_lossy().starts_with(".countersign-") {
            assert_eq!(entry.metadata().unwrap().permissions().mode() & 0o077, 0, "{:?}", entry.path());
        }
    }
    desk.restore_device();
    assert!(update().wait().unwrap().success());
    assert_eq!(fs::read(path).map(|file| parts(&file, "work").0).unwrap(), others);
}
