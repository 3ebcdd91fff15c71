//! Temporary AWS credentials, from the service that the other tests use too.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::desk::{Desk, Done, KEY, MODULE};
use crate::support::authority::{Authority, Leaf};
use crate::support::roles_anywhere::{PROFILE, ROLE, RolesAnywhere, TRUST_ANCHOR};

struct Server {
    desk: Desk,
    aws: RolesAnywhere,
}

impl Server {
    fn new() -> Self {
        let (desk, authority) = (Desk::new(), Authority::with_intermediate());
        let aws = RolesAnywhere::with_options(&authority, &[]);
        authority.issue(&desk.path("key.pub.pem"), &Leaf::default(), &desk.path("server.pem"));
        desk.write("intermediates.pem", &std::fs::read(authority.intermediates()).unwrap());
        desk.write("ca.pem", &std::fs::read(aws.ca()).unwrap());
        Server { desk, aws }
    }

    fn run(&self, command: &str, more: &[&str]) -> Command {
        let options = [
            command,
            "--role-arn",
            ROLE,
            "--profile-arn",
            PROFILE,
            "--trust-anchor-arn",
            TRUST_ANCHOR,
            "--endpoint",
            self.aws.url(),
            "--private-key",
            KEY,
            "--certificate",
            "server.pem",
            "--intermediates",
            "intermediates.pem",
            "--module",
            MODULE,
            "--pin-source",
            "file:pin",
        ];
        let mut run = self.desk.countersign(&[&options[..], more].concat());
        run.env("AWS_CA_BUNDLE", "ca.pem").env("LOCALAPPDATA", self.desk.windows_path("cache"));
        run
    }
}

#[test]
fn a_credential_is_obtained_and_kept_for_the_next_program() {
    let server = Server::new();
    for _ in 0..2 {
        let done = Done::of(server.run("credential-process", &[])).exits(0);
        let document: Value = serde_json::from_str(&done.stdout).expect("JSON");
        assert_eq!(document["Version"], 1);
        assert_eq!(document["AccessKeyId"], server.aws.access_keys()[0], "{}", done.stderr);
    }
    assert_eq!(server.aws.log().len(), 1, "the second came from the cache");
}

#[test]
fn a_credentials_file_is_kept_current() {
    let server = Server::new();
    server.desk.write("credentials", b"[other]\r\naws_access_key_id = X\r\n");
    let mut run = server.run("update", &["--once", "--profile", "work"]);
    run.env("AWS_SHARED_CREDENTIALS_FILE", "credentials");
    Done::of(run).exits(0);
    let text = String::from_utf8(server.desk.read("credentials")).unwrap();
    assert!(text.starts_with("[other]\r\naws_access_key_id = X\r\n"), "{text}");
    assert!(text.contains("[work]") && text.contains(&server.aws.access_keys()[0]), "{text}");
}

#[test]
fn a_service_serves_until_it_is_killed() {
    let server = Server::new();
    let mut run = server.run("serve", &["--port", "0"]);
    let mut child = run.stderr(Stdio::piped()).spawn().unwrap();
    let (mut said, mut byte) = (String::new(), [0]);
    let mut stderr = child.stderr.take().unwrap();
    let address = loop {
        assert_eq!(stderr.read(&mut byte).unwrap(), 1, "{said}");
        said.push(byte[0].into());
        if let Some((_, rest)) = said.split_once("listening on http://")
            && let Some((address, _)) = rest.split_once('\n')
        {
            break address.trim().to_owned();
        }
    };
    let ask = |request: &str| {
        let mut stream = TcpStream::connect(&address).unwrap();
        stream
            .write_all(format!("{request}\r\nHost: {address}\r\nConnection: close\r\n\r\n").as_bytes())
            .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    };
    let token = ask("PUT /latest/api/token HTTP/1.1\r\nX-aws-ec2-metadata-token-ttl-seconds: 60");
    let token = token.lines().last().unwrap();
    let path = "/latest/meta-data/iam/security-credentials/demo";
    let answer = ask(&format!("GET {path} HTTP/1.1\r\nX-aws-ec2-metadata-token: {token}"));
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(answer.contains(&server.aws.access_keys()[0]), "{answer}");
}
