//! `countersign credential-process`, against a service that verifies each request with code of its own.

use std::path::PathBuf;

use serde_json::Value;

use crate::aws_authority::{Authority, Leaf, text};
use crate::aws_server::{PROFILE, ROLE, RolesAnywhere, TRUST_ANCHOR};
use crate::device::{Desk, Run, SIGNKEY};

/// A server whose certificate is in `server.pem` and whose key is `signkey`.
pub struct Server {
    pub desk: Desk,
    pub aws: RolesAnywhere,
}

impl Server {
    pub fn new() -> Self {
        let (desk, authority) = (Desk::new(), Authority::with_intermediate());
        authority.issue(&desk.path("device/signkey.pub.pem"), &Leaf::default(), &desk.path("server.pem"));
        std::fs::copy(authority.intermediates(), desk.path("intermediates.pem")).unwrap();
        let aws = RolesAnywhere::trusting(&authority);
        Server { desk, aws }
    }

    /// The options that say what is asked of whom.
    pub fn options(&self) -> Vec<String> {
        [
            ["--role-arn", ROLE],
            ["--profile-arn", PROFILE],
            ["--trust-anchor-arn", TRUST_ANCHOR],
            ["--endpoint", self.aws.url()],
            ["--private-key", SIGNKEY],
            ["--certificate", "server.pem"],
            ["--intermediates", "intermediates.pem"],
        ]
        .concat()
        .into_iter()
        .map(str::to_owned)
        .collect()
    }

    pub fn run(&self, command: &str, more: &[&str]) -> Run {
        let options = self.options();
        let arguments: Vec<&str> = [command]
            .into_iter()
            .chain(options.iter().map(String::as_str))
            .chain(more.iter().copied())
            .collect();
        let bundle: PathBuf = self.aws.ca();
        self.desk.countersign(&arguments).with_pin().env("AWS_CA_BUNDLE", text(&bundle))
    }
}

#[test]
fn a_credential_costs_one_request() {
    let server = Server::new();
    let credentials: Value = server.run("credential-process", &[]).go().exits(0).json();
    let log = server.aws.log();
    assert_eq!(log.len(), 1, "{log:#?}");
    assert_eq!(log[0]["verdict"], "accepted");
    assert_eq!(credentials["Version"], 1);
    assert_eq!(credentials["AccessKeyId"], log[0]["credential"]["accessKeyId"]);
    assert_eq!(credentials["SecretAccessKey"], log[0]["credential"]["secretAccessKey"]);
    assert_eq!(credentials["SessionToken"], log[0]["credential"]["sessionToken"]);
    assert_eq!(credentials["Expiration"], log[0]["credential"]["expiration"]);
    // The next one comes from the cache.
    let again = server.run("credential-process", &[]).go().exits(0).json();
    assert_eq!(again, credentials);
    assert_eq!(server.aws.log().len(), 1);
    let new = server.run("credential-process", &["--refresh"]).go().exits(0).json();
    assert_ne!(new["AccessKeyId"], credentials["AccessKeyId"]);
}
