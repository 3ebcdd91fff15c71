//! A throw-away SoftHSM2 device in a folder of its own.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::support::clock;
use crate::support::parts::{SYSTEM_PATH, softhsm_module, where_it_may_mount};
use crate::support::run::Run;
use crate::support::template;

/// The user PIN of every device in the tests. It fits a PIV card, and occurs in no other text.
pub const PIN: &str = "84620713";

pub const SIGNKEY: &str = "pkcs11:token=officer;id=%01;type=private";

/// A folder to work in, with a SoftHSM2 store below `device/`.
pub struct Desk {
    folder: TempDir,
}

impl Desk {
    /// A desk whose device holds only the everyday key: `signkey`, RSA-2048, not extractable, with a
    /// certificate.
    pub fn new() -> Self {
        Self::provisioned(&["--keys", "signkey"])
    }

    /// A desk with every kind of key on its device.
    pub fn with_all_keys() -> Self {
        Self::provisioned::<&str>(&[])
    }

    /// A desk made with options of `softhsm/provision`. If a test makes several, each has other keys.
    pub fn provisioned<S: AsRef<OsStr>>(options: &[S]) -> Self {
        let desk = Self::without_device();
        let mut words = vec![OsString::from("--pin"), OsString::from(PIN)];
        words.extend(options.iter().map(|word| word.as_ref().to_owned()));
        template::device(&desk.path("device"), words);
        desk
    }

    /// A desk without any device.
    pub fn without_device() -> Self {
        Desk { folder: TempDir::with_prefix("countersign-").expect("a temporary folder") }
    }

    /// Restores the device to its initial state. SoftHSM does not survive a program that is killed while it
    /// logs in.
    pub fn restore_device(&self) {
        template::restore(&self.path("device"));
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub fn write(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, bytes).expect("a file is written");
        clock::is_written_now(&path);
        path
    }

    pub fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).expect("a file is read")
    }

    /// The program in this folder, whose environment names the device and has nothing from the caller.
    pub fn countersign<S: AsRef<OsStr>>(&self, arguments: &[S]) -> Run {
        // A session of its own has no terminal for a prompt, wherever the tests run.
        let mut command = Command::new("setsid");
        command.arg(env!("CARGO_BIN_EXE_countersign")).args(arguments);
        self.prepare(command)
    }

    /// The program under another one that creates its surroundings (`unshare`, `setpriv`).
    pub fn countersign_under(&self, wrapper: &[&str], arguments: &[&str]) -> Run {
        let mut command = Command::new("setsid");
        command.args(wrapper).arg(env!("CARGO_BIN_EXE_countersign")).args(arguments);
        self.prepare(command)
    }

    /// The program in a mount namespace of its own, started by a script that mounts something and then runs
    /// `"$@"`.
    pub fn countersign_after_mounting(&self, script: &str, arguments: &[&str]) -> Run {
        let wrapper = [where_it_may_mount(), &["sh", "-c", script, "sh"]].concat();
        self.countersign_under(&wrapper, arguments)
    }

    fn prepare(&self, mut command: Command) -> Run {
        command
            .env_clear()
            .env("PATH", SYSTEM_PATH)
            .env("HOME", self.folder.path())
            .env("SOFTHSM2_CONF", self.path("device/softhsm2.conf"))
            .env("COUNTERSIGN_MODULE", softhsm_module())
            .current_dir(self.folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        clock::set(&mut command);
        Run::of(command)
    }
}
