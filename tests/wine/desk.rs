//! A folder with a key, its module and a token file, and the program for Windows, run there by Wine.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

pub(crate) const PIN: &str = "swordfish-4711";
pub(crate) const MODULE: &str = "key_file_module.dll";
pub(crate) const KEY: &str = "pkcs11:token=Key%20File;object=signing";
pub(crate) const UNSIGNED: &[u8] = include_bytes!("../samples/aws-mfa-unsigned.json");

pub(crate) struct Desk {
    folder: TempDir,
}

impl Desk {
    pub(crate) fn new() -> Self {
        let desk = Desk { folder: tempfile::tempdir().expect("a folder") };
        fs::copy(built(MODULE), desk.path(MODULE)).expect("the module for Windows is built");
        let key = desk.path("key.der");
        tool("openssl", &["genrsa", "-traditional", "-out", "key.pem", "2048"], &desk);
        tool(
            "openssl",
            &["rsa", "-traditional", "-in", "key.pem", "-outform", "DER", "-out", "key.der"],
            &desk,
        );
        tool("openssl", &["rsa", "-in", "key.pem", "-pubout", "-out", "key.pub.pem"], &desk);
        assert!(key.is_file());
        desk.write("pin", PIN.as_bytes());
        tool("chmod", &["600", "pin"], &desk);
        desk.write("tokens.json", UNSIGNED);
        desk
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The same path in Windows' words.
    pub(crate) fn windows_path(&self, name: &str) -> String {
        format!("Z:{}", self.path(name).display()).replace('/', "\\")
    }

    pub(crate) fn write(&self, name: &str, bytes: &[u8]) {
        fs::write(self.path(name), bytes).expect("a file is written");
    }

    pub(crate) fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).expect("a file is read")
    }

    /// What is in the folder, by name.
    pub(crate) fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.folder.path()).expect("a folder is listed");
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    /// A run of the program for Windows, in this folder.
    pub(crate) fn countersign(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("wine");
        command.arg(built("countersign.exe")).args(arguments);
        command.current_dir(self.folder.path()).stdin(Stdio::null());
        for name in ["COUNTERSIGN_MODULE", "COUNTERSIGN_KEY", "COUNTERSIGN_PIN_SOURCE"] {
            command.env_remove(name);
        }
        command.env("WINEDEBUG", "-all").env("NO_COLOR", "1");
        command.env("KEY_FILE", "key.der").env("KEY_FILE_PIN", PIN);
        command
    }

    /// One that signs the token file in its place.
    pub(crate) fn sign(&self) -> Command {
        let arguments = ["sign", "--module", MODULE, "--key", KEY, "--pin-source", "file:pin", "tokens.json"];
        self.countersign(&arguments)
    }

    /// Checks with openssl that a token file is signed by the key.
    #[track_caller]
    pub(crate) fn is_signed(&self, name: &str) {
        let file: serde_json::Value = serde_json::from_slice(&self.read(name)).expect("JSON");
        let tokens = file["tokens"].as_array().expect("tokens");
        assert!(!tokens.is_empty());
        for token in tokens {
            for (member, to) in [("unsigned", "digest"), ("signed", "signature")] {
                self.write("text", token[member].as_str().expect(member).as_bytes());
                tool("openssl", &["base64", "-d", "-A", "-in", "text", "-out", to], self);
            }
            let arguments = "pkeyutl -verify -pubin -inkey key.pub.pem -in digest -sigfile signature -pkeyopt digest:sha256";
            tool("openssl", &arguments.split(' ').collect::<Vec<_>>(), self);
        }
        for name in ["text", "digest", "signature"] {
            fs::remove_file(self.path(name)).expect("a file is removed");
        }
    }
}

/// Waits until something is so.
#[track_caller]
pub(crate) fn eventually(what: &str, look: impl Fn() -> bool) {
    let start = Instant::now();
    while !look() {
        assert!(start.elapsed() < Duration::from_secs(120), "timed out waiting for: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// What was built for Windows, and lies in one folder.
pub(crate) fn built(name: &str) -> PathBuf {
    let folder = std::env::var_os("COUNTERSIGN_WINDOWS").expect("COUNTERSIGN_WINDOWS names the folder");
    Path::new(&folder).join(name)
}

#[track_caller]
fn tool(name: &str, arguments: &[&str], desk: &Desk) {
    let output = Command::new(name).args(arguments).current_dir(desk.folder.path()).output().expect(name);
    assert!(output.status.success(), "{name} {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// What a run printed, and how it ended.
pub(crate) struct Done {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Done {
    #[track_caller]
    pub(crate) fn of(mut command: Command) -> Self {
        Self::from_output(command.output().expect("wine starts"))
    }

    #[track_caller]
    pub(crate) fn from_output(output: Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("UTF-8");
        Done {
            code: output.status.code().expect("it ends by itself"),
            stdout: text(&output.stdout),
            stderr: text(&output.stderr),
        }
    }

    #[track_caller]
    pub(crate) fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{}{}", self.stdout, self.stderr);
        self
    }

    #[track_caller]
    pub(crate) fn says(self, text: &str) -> Self {
        assert!(self.stderr.contains(text), "{text:?} is not in {}", self.stderr);
        self
    }
}
