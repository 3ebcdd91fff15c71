//! Scripts and servers of `tests/aws`, in the Python environment that `scripts/python-env` creates.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use serde_json::Value;

use crate::support::clock;
use crate::support::parts::root;

/// A server of `tests/aws`. It prints `READY name=value …` when it is up, and ends when this value is
/// dropped.
pub struct PythonServer {
    process: Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
    stderr: File,
    ready: Ready,
}

/// The line that a server prints when it is up.
pub struct Ready(String);

impl PythonServer {
    pub fn start(script: &str, options: &[&str]) -> Self {
        let stderr = tempfile::tempfile().expect("a temporary file");
        let mut process = python(script)
            .args(options)
            // It ends when this pipe does, so it cannot outlive a test program that was killed.
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(stderr.try_clone().expect("a file can be opened twice"))
            // It says where it was if it crashes.
            .env("PYTHONFAULTHANDLER", "1")
            .spawn()
            .expect("Python starts");
        let stdin = process.stdin.take().expect("a pipe");
        let stdout = BufReader::new(process.stdout.take().expect("a pipe"));
        let mut server = PythonServer { process, stdin, stdout, stderr, ready: Ready(String::new()) };
        let ready = server.line();
        assert!(ready.starts_with("READY"), "{script}: {ready}{}", server.end());
        server.ready = Ready(ready);
        server
    }

    /// A value in the line that the server printed when it was up.
    pub fn ready(&self, name: &str) -> &str {
        self.ready.value(name)
    }

    /// Sends a line to its stdin, and returns the line that it answers on stdout.
    pub fn ask(&mut self, request: &Value) -> Ready {
        let line = match writeln!(self.stdin, "{request}") {
            Ok(()) => self.line(),
            Err(_) => String::new(),
        };
        assert!(!line.is_empty(), "no answer to {request}{}", self.end());
        Ready(line)
    }

    /// How it ended and what it said, for a message.
    fn end(&mut self) -> String {
        // A process that has closed its stdout may take a moment to end.
        std::thread::sleep(Duration::from_millis(200));
        format!("\n{:?}\n{}", self.process.try_wait(), said(&mut self.stderr))
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.stdout.read_line(&mut line).expect("the server's line is read");
        line.trim().to_owned()
    }
}

impl Ready {
    #[track_caller]
    pub fn is(&self, line: &str) {
        assert_eq!(self.0, line);
    }

    pub fn value(&self, name: &str) -> &str {
        let value = self.0.split(' ').find_map(|word| word.strip_prefix(name)?.strip_prefix('='));
        value.unwrap_or_else(|| panic!("no {name} in {:?}", self.0))
    }
}

impl Drop for PythonServer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A script of `tests/aws` that is about to start, with nothing from the caller's environment.
pub fn python(script: &str) -> Command {
    interpreter(&root().join("tests/aws").join(script))
}

/// A program of the Python environment itself.
pub fn installed(program: &str) -> Command {
    interpreter(&python_env().join("bin").join(program))
}

fn interpreter(script: &Path) -> Command {
    let mut command = Command::new(python_env().join("bin/python"));
    command.arg(script).env_clear().env("PATH", "/usr/bin:/bin");
    clock::set(&mut command);
    // Bytecode goes below target/, not among the sources.
    command.env("PYTHONPYCACHEPREFIX", python_env().join("pycache"));
    command
}

/// The folder that `scripts/python-env` creates, once for all tests.
fn python_env() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let output =
            Command::new(root().join("scripts/python-env")).output().expect("scripts/python-env runs");
        assert!(output.status.success(), "scripts/python-env: {}", String::from_utf8_lossy(&output.stderr));
        PathBuf::from(String::from_utf8(output.stdout).expect("a path").trim())
    })
}

fn said(errors: &mut File) -> String {
    let mut text = String::new();
    errors.rewind().and_then(|()| errors.read_to_string(&mut text)).expect("a file is read");
    text
}
