//! A program that runs until it is told to end, `serve` or `update`, and what it prints in the meantime.

use std::cell::RefCell;
use std::fs::File;
use std::path::PathBuf;
use std::process::Child;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, kill_process_group, waitid};

use crate::support::leaks::Secrets;
use crate::support::run::Run;
use crate::support::server::Server;

/// No test waits longer for any one thing.
const LONGEST: Duration = Duration::from_secs(30);

/// The program, which ends when this value is dropped. Its output must then contain no secret.
pub struct Running<'a> {
    server: &'a Server,
    child: Child,
    output: PathBuf,
    secrets: RefCell<Vec<String>>,
}

impl<'a> Running<'a> {
    /// Starts a run.
    pub fn of(server: &'a Server, mut run: Run) -> Self {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let output = server.desk.path(&format!("output-{}", NUMBER.fetch_add(1, Ordering::SeqCst)));
        let open = || File::options().create(true).append(true).open(&output).expect("a file is opened");
        run.command.stdout(open()).stderr(open());
        let child = run.command.spawn().expect("the program starts");
        Running { server, child, output, secrets: RefCell::default() }
    }

    /// Everything that it has printed.
    pub fn said(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.output).expect("a file is read")).into_owned()
    }

    /// Waits until it has printed something.
    #[track_caller]
    pub fn says(&self, text: &str) -> &Self {
        self.says_times(1, text)
    }

    /// Waits until it has printed something this often.
    #[track_caller]
    pub fn says_times(&self, times: usize, text: &str) -> &Self {
        let start = Instant::now();
        loop {
            // Before looking, because a program that ended may have printed it last.
            let is_over = self.has_ended() || start.elapsed() >= LONGEST;
            if self.said().matches(text).count() >= times {
                return self;
            }
            assert!(!is_over, "it does not say {text:?} {times} times: {}", self.said());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    fn has_ended(&self) -> bool {
        let look = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        waitid(WaitId::Pid(self.pid()), look).is_ok_and(|status| status.is_some())
    }

    pub fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    #[track_caller]
    pub fn signal(&self, signal: Signal) -> &Self {
        kill_process(self.pid(), signal).expect("a process is told");
        self
    }

    /// Waits for its end, which must come by itself or by a signal that was sent.
    #[track_caller]
    pub fn ends(&mut self, code: i32) -> String {
        let start = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("a child is asked for") {
                break status;
            }
            assert!(start.elapsed() < LONGEST, "it does not end: {}", self.said());
            std::thread::sleep(Duration::from_millis(10));
        };
        assert_eq!(status.code(), Some(code), "{status}: {}", self.said());
        self.said()
    }

    /// Another text that it must not print.
    pub fn hides(&self, secret: &str) {
        self.secrets.borrow_mut().push(secret.to_owned());
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        let secrets = Secrets::of(self.server).and(&self.secrets.borrow());
        if !std::thread::panicking() && !self.has_ended() {
            secrets.are_not_in_process(self.pid());
        }
        if matches!(self.child.try_wait(), Ok(None)) {
            // What it started too, if it is a group of its own.
            let _ = kill_process_group(self.pid(), Signal::KILL);
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
        if !std::thread::panicking() {
            secrets.are_not_in("what it said", self.said().as_bytes());
            secrets.are_not_in_folder(self.server.desk.folder());
        }
    }
}

/// Waits until there is a value.
#[track_caller]
pub fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(start.elapsed() < LONGEST, "timed out waiting for: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// The device of a desk, pulled out for as long as this lives.
pub struct PulledOut<'a>(&'a Server);

impl<'a> PulledOut<'a> {
    pub fn of(server: &'a Server) -> Self {
        let tokens = server.desk.path("device/tokens");
        std::fs::rename(&tokens, server.desk.path("unplugged")).expect("a folder is moved");
        std::fs::create_dir(&tokens).expect("a folder is made");
        PulledOut(server)
    }
}

impl Drop for PulledOut<'_> {
    fn drop(&mut self) {
        let tokens = self.0.desk.path("device/tokens");
        // Others may look into it in the meantime: the full folder replaces the empty one in one step.
        let _ = std::fs::remove_dir_all(&tokens);
        let _ = std::fs::rename(self.0.desk.path("unplugged"), &tokens);
    }
}
