//! The one check for what must never be seen: the PIN, what AWS issued, and what a test adds.

use std::fs;
use std::path::{Path, PathBuf};

use aho_corasick::AhoCorasick;
use rustix::process::Pid;

use crate::support::desk::PIN;
use crate::support::server::Server;

/// What must not be seen.
pub struct Secrets {
    /// Nowhere at all.
    pin: String,
    /// Nowhere except where credentials are kept on purpose: the cache, the credentials file, a token's file.
    given: Vec<String>,
}

impl Secrets {
    /// The PIN alone.
    pub fn pin() -> Self {
        Secrets { pin: PIN.to_owned(), given: Vec::new() }
    }

    /// The PIN, every secret key and session token that was issued, and the signatures that they were issued
    /// for.
    pub fn of(server: &Server) -> Self {
        let mut secrets = Self::pin();
        for line in server.aws.log() {
            let credential = &line["credential"];
            let named = ["secretAccessKey", "sessionToken"].map(|name| credential[name].as_str());
            secrets.given.extend(named.into_iter().flatten().map(str::to_owned));
            let authorization = line["headers"]["authorization"].as_str().unwrap_or_default();
            secrets.given.extend(authorization.split_once("Signature=").map(|(_, hex)| hex.to_owned()));
        }
        secrets.given.retain(|secret| !secret.is_empty());
        secrets
    }

    /// Adds more: a token of the metadata server, a container's token.
    pub fn and(mut self, more: &[String]) -> Self {
        self.given.extend_from_slice(more);
        self
    }

    /// Asserts that a program printed none of them.
    #[track_caller]
    pub fn are_not_in(&self, place: &str, text: &[u8]) {
        self.pin_is_not_in(place, text);
        // All at once: a service that ran for long received thousands.
        let given = AhoCorasick::new(&self.given).expect("few enough secrets");
        if let Some(found) = given.find(text) {
            let secret = &self.given[found.pattern()];
            panic!("{secret:?} is in {place}: {}", String::from_utf8_lossy(text));
        }
    }

    /// Asserts that none of them is visible in a running process: in its command line, or in its environment.
    #[track_caller]
    pub fn are_not_in_process(&self, process: Pid) {
        for name in ["cmdline", "environ"] {
            let path = format!("/proc/{}/{name}", process.as_raw_nonzero());
            // A process that has ended has none, and a hardened one shows its environment only to root.
            self.are_not_in(&path, &fs::read(&path).unwrap_or_default());
        }
    }

    /// Asserts that a folder's logs contain none of them, and that no file contains the PIN; the device, and
    /// files whose names say that a test put a PIN into them, are exempt.
    #[track_caller]
    pub fn are_not_in_folder(&self, folder: &Path) {
        for file in files(folder) {
            let name = file.strip_prefix(folder).expect("a file of the folder").display().to_string();
            // By now a file may be gone or unreadable.
            let contents = fs::read(&file).unwrap_or_default();
            let is_log = ["output", "calls", "audit"].iter().any(|start| name.starts_with(start));
            match is_log {
                true => self.are_not_in(&name, &contents),
                false if !name.contains("pin") => self.pin_is_not_in(&name, &contents),
                false => {}
            }
        }
    }

    #[track_caller]
    fn pin_is_not_in(&self, place: &str, text: &[u8]) {
        assert!(!contains(text, &self.pin), "the PIN is in {place}: {}", String::from_utf8_lossy(text));
    }
}

/// Plain files in a folder; what is in `device` belongs to the device.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        match entry.file_type() {
            Ok(kind) if kind.is_dir() && entry.file_name() != "device" => found.extend(files(&entry.path())),
            Ok(kind) if kind.is_file() => found.push(entry.path()),
            _ => {}
        }
    }
    found
}

fn contains(text: &[u8], secret: &str) -> bool {
    text.windows(secret.len()).any(|part| part == secret.as_bytes())
}
