//! A server with a key on a device and a certificate, and the service that it asks for credentials.

use std::path::PathBuf;

use crate::support::authority::{Authority, Leaf, text};
use crate::support::desk::{Desk, SIGNKEY};
use crate::support::faults::behind_faults;
use crate::support::leaks::Secrets;
use crate::support::p11_kit::under_p11_kit;
use crate::support::roles_anywhere::{PROFILE, ROLE, RolesAnywhere, TRUST_ANCHOR};
use crate::support::run::{Done, Run};

/// A server whose certificate is in `server.pem` and whose key is `signkey`.
pub struct Server {
    pub desk: Desk,
    pub authority: Authority,
    pub aws: RolesAnywhere,
}

impl Server {
    pub fn new() -> Self {
        Self::of(Authority::with_intermediate(), &[])
    }

    /// A server of this authority, with options of `roles_anywhere_server.py`.
    pub fn of(authority: Authority, options: &[&str]) -> Self {
        let desk = Desk::new();
        let aws = RolesAnywhere::with_options(&authority, options);
        let server = Server { desk, authority, aws };
        server.certify("device/signkey.pub.pem", &Leaf::default());
        if server.authority.has_intermediate() {
            let intermediates = std::fs::read(server.authority.intermediates()).unwrap();
            server.desk.write("intermediates.pem", &intermediates);
        }
        server
    }

    /// Another `server.pem`.
    pub fn certify(&self, public_key: &str, leaf: &Leaf) {
        self.authority.issue(&self.desk.path(public_key), leaf, &self.desk.path("server.pem"));
    }

    /// The options for a request to AWS, with some replaced or, as in `("--intermediates", "")`, left out.
    pub fn options_but(&self, changed: &[(&str, &str)]) -> Vec<String> {
        let mut options = vec![
            ("--role-arn", ROLE),
            ("--profile-arn", PROFILE),
            ("--trust-anchor-arn", TRUST_ANCHOR),
            ("--endpoint", self.aws.url()),
            ("--private-key", SIGNKEY),
            ("--certificate", "server.pem"),
        ];
        if self.authority.has_intermediate() {
            options.push(("--intermediates", "intermediates.pem"));
        }
        options.retain(|(name, _)| changed.iter().all(|(other, _)| name != other));
        options.extend(changed.iter().filter(|(_, value)| !value.is_empty()));
        options.into_iter().flat_map(|(name, value)| [name.to_owned(), value.to_owned()]).collect()
    }

    pub fn run(&self, command: &str, more: &[&str]) -> Run {
        self.run_but(command, &[], more)
    }

    pub fn run_but(&self, command: &str, changed: &[(&str, &str)], more: &[&str]) -> Run {
        self.trusted_by(self.desk.countersign(&self.arguments(command, changed, more)))
    }

    /// A run with p11-kit configured only by `modules`.
    pub fn run_under_p11_kit(&self, modules: &[(&str, &str)], command: &str, more: &[&str]) -> Run {
        let arguments = self.arguments(command, &[], more);
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        self.trusted_by(under_p11_kit(&self.desk, modules, &arguments))
    }

    fn arguments(&self, command: &str, changed: &[(&str, &str)], more: &[&str]) -> Vec<String> {
        let more = more.iter().copied().map(str::to_owned);
        [command.to_owned()].into_iter().chain(self.options_but(changed)).chain(more).collect()
    }

    fn trusted_by(&self, run: Run) -> Run {
        let bundle: PathBuf = self.aws.ca();
        run.with_pin().env("AWS_CA_BUNDLE", text(&bundle))
    }

    /// `credential-process` without a cache, behind the module that counts calls.
    pub fn counted(&self, changed: &[(&str, &str)], more: &[&str]) -> Run {
        let _ = std::fs::remove_file(self.desk.path("calls"));
        let more = [more, &["--no-cache"]].concat();
        behind_faults(self.run_but("credential-process", changed, &more), &self.desk, "")
    }

    /// Runs it to its end, and asserts that its output contains no secret.
    #[track_caller]
    pub fn done(&self, run: Run) -> Done {
        let done = run.go();
        let secrets = Secrets::of(self);
        secrets.are_not_in("stderr", done.stderr().as_bytes());
        secrets.are_not_in_folder(self.desk.folder());
        if done.code() != 0 {
            secrets.are_not_in("stdout", done.stdout_bytes());
            assert!(!done.stdout().contains("AccessKeyId"), "{}", done.stdout());
        }
        done
    }

    /// Runs it to an error; stdout must be empty.
    #[track_caller]
    pub fn fails(&self, run: Run, code: i32) -> Done {
        let done = self.done(run).exits(code);
        assert_eq!(done.stdout(), "");
        assert!(done.stderr().contains("error: "), "{}", done.stderr());
        done
    }
}
