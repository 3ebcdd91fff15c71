//! The AWS SDKs for JavaScript and Rust, in programs that keep their credentials provider from call to call.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::OnceLock;

use serde_json::Value;

use crate::support::clients::{Moto, Way, at_desk};
use crate::support::clock;
use crate::support::desk::Desk;
use crate::support::parts::{build, root};

/// A client in the background, which ends when this value is dropped.
pub struct SdkClient {
    process: Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
}

impl SdkClient {
    /// `tests/aws/javascript`.
    pub fn javascript(desk: &Desk, moto: &Moto, way: &Way<'_>) -> Self {
        let mut command = Command::new("node");
        command.arg(root().join("tests/aws/javascript/signed_call.js"));
        Self::start(command, &[("NODE_PATH", node_modules())], desk, moto, way)
    }

    /// `tests/aws/rust`. If it uses the metadata service, that provides the region too.
    pub fn rust(desk: &Desk, moto: &Moto, way: &Way<'_>) -> Self {
        Self::start(Command::new(rust_client()), &[], desk, moto, way)
    }

    fn start(
        mut command: Command,
        variables: &[(&str, &Path)],
        desk: &Desk,
        moto: &Moto,
        way: &Way<'_>,
    ) -> Self {
        command.env_clear().env("PATH", "/usr/bin:/bin").envs(variables.iter().copied());
        at_desk(clock::set(&mut command), desk, way);
        if matches!(way, Way::Imds { .. }) {
            command.env_remove("AWS_DEFAULT_REGION");
        }
        let mut process = command
            .args(["--aws", moto.url()])
            // It ends when this pipe does, so it cannot outlive a test program that was killed.
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let stdin = process.stdin.take().expect("a pipe");
        let stdout = BufReader::new(process.stdout.take().expect("a pipe"));
        SdkClient { process, stdin, stdout }
    }

    /// What it reports about a signed call.
    pub fn call(&mut self) -> Value {
        writeln!(self.stdin).expect("the client reads");
        let mut line = String::new();
        self.stdout.read_line(&mut line).expect("the client's line is read");
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line:?}"))
    }

    /// The access key that it signs with.
    #[track_caller]
    pub fn key(&mut self) -> String {
        let said = self.call();
        assert_eq!(said["account"], "123456789012", "{said}");
        said["sent_access_key"].as_str().unwrap_or_else(|| panic!("{said}")).to_owned()
    }
}

impl Drop for SdkClient {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The folder that `scripts/node-env` creates, once for all tests.
fn node_modules() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let output = Command::new(root().join("scripts/node-env")).output().expect("scripts/node-env runs");
        assert!(output.status.success(), "scripts/node-env: {}", String::from_utf8_lossy(&output.stderr));
        PathBuf::from(String::from_utf8(output.stdout).expect("a path").trim())
    })
}

/// The program, built once.
fn rust_client() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        build(&["--manifest-path", "tests/aws/rust/Cargo.toml"]).join("debug/aws_rust_client")
    })
}
