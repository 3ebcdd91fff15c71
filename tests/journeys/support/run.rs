//! A run of the program, and its outcome.

use std::ffi::OsStr;
use std::fs;
use std::io::Write;
use std::process::{Command, Output, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use tempfile::NamedTempFile;

use crate::support::running::eventually;

/// No run takes this long; one that does hangs.
const LONGEST: Duration = Duration::from_secs(60);

/// A run of the program that is about to start.
pub struct Run {
    pub command: Command,
    input: Vec<u8>,
}

impl Run {
    /// A command that is complete except for what a test adds.
    pub fn of(command: Command) -> Self {
        Run { command, input: Vec::new() }
    }

    /// The right PIN, from the device's PIN file.
    pub fn with_pin(self) -> Self {
        self.env("COUNTERSIGN_PIN_SOURCE", "file:device/pin")
    }

    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    pub fn without_env(mut self, name: &str) -> Self {
        self.command.env_remove(name);
        self
    }

    pub fn stdin(mut self, bytes: &[u8]) -> Self {
        self.command.stdin(Stdio::piped());
        self.input = bytes.to_vec();
        self
    }

    /// Runs it to its end, and acts as soon as it has printed a text.
    #[track_caller]
    pub fn go_and_when_it_says(mut self, text: &str, act: impl FnOnce()) -> Done {
        let stderr = NamedTempFile::new().expect("a temporary file");
        self.command.stderr(stderr.reopen().expect("a file is opened"));
        let running = std::thread::spawn(move || self.go());
        let said = || String::from_utf8(fs::read(stderr.path()).expect("a file is read")).expect("UTF-8");
        eventually(text, || {
            // Before looking, because a program that ended may have printed it last.
            let has_ended = running.is_finished();
            let has_said = said().contains(text);
            assert!(has_said || !has_ended, "it ended, and has not said {text:?}: {}", said());
            has_said.then_some(())
        });
        act();
        let mut done = running.join().expect("it ends");
        done.0.stderr = said().into_bytes();
        done
    }

    /// Runs it to its end.
    pub fn go(mut self) -> Done {
        let mut child = self.command.spawn().expect("the program starts");
        if let Some(mut stdin) = child.stdin.take() {
            // The program may refuse before it has read everything.
            let _ = stdin.write_all(&self.input);
        }
        let (process, (ended, end)) = (child.id(), mpsc::channel());
        std::thread::spawn(move || ended.send(child.wait_with_output()));
        match end.recv_timeout(LONGEST) {
            Ok(output) => Done(output.expect("the program ends")),
            Err(_) => {
                let _ = Command::new("kill").args(["-9", &process.to_string()]).status();
                panic!("the program hangs")
            }
        }
    }
}

/// A run that has ended.
#[derive(Debug)]
pub struct Done(Output);

impl Done {
    pub fn code(&self) -> i32 {
        self.0.status.code().expect("an exit code, not a signal")
    }

    pub fn stdout(&self) -> String {
        String::from_utf8(self.0.stdout.clone()).expect("stdout is UTF-8")
    }

    pub fn stdout_bytes(&self) -> &[u8] {
        &self.0.stdout
    }

    pub fn stderr(&self) -> String {
        String::from_utf8(self.0.stderr.clone()).expect("stderr is UTF-8")
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.0.stdout)
            .unwrap_or_else(|error| panic!("stdout is not JSON ({error}): {}", self.stdout()))
    }

    /// The same run with the variable parts of its stdout removed.
    pub fn map_stdout(mut self, change: impl FnOnce(&str) -> String) -> Self {
        self.0.stdout = change(&self.stdout()).into_bytes();
        self
    }

    /// The same run with the variable parts of its stderr removed.
    pub fn map_stderr(mut self, change: impl FnOnce(&str) -> String) -> Self {
        self.0.stderr = change(&self.stderr()).into_bytes();
        self
    }

    /// Asserts the exit code, and shows the output if it is another.
    #[track_caller]
    pub fn exits(self, code: i32) -> Self {
        assert_eq!(self.0.status.code(), Some(code), "stderr: {}\nstdout: {}", self.stderr(), self.stdout());
        self
    }

    #[track_caller]
    pub fn says(self, text: &str) -> Self {
        assert!(self.stderr().contains(text), "stderr does not say {text:?}: {}", self.stderr());
        self
    }
}
