//! What the real modules besides SoftHSM2 have in common: services that run beside the test, and devices set
//! up with OpenSC's tool.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};

use crate::support::desk::Desk;
use crate::support::openssl::openssl_accepts;
use crate::support::parts::{SYSTEM_PATH, tool};
use crate::support::run::{Done, Run};
use crate::support::token_files::UNSIGNED;

/// A program that runs beside the test, in a process group of its own; it is killed together with everything
/// that it started.
pub struct Service {
    process: Child,
    /// Its output.
    log: PathBuf,
}

impl Service {
    pub fn start(desk: &Desk, command: &mut Command) -> Self {
        use std::os::unix::process::CommandExt;
        let log = desk.path(&format!("{}.log", command.get_program().display()));
        let file = File::create(&log).expect("a log is made");
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(file).process_group(0);
        // Services are for administrators, whose programs are not on every user's PATH.
        command.env("PATH", SYSTEM_PATH);
        let process = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        Service { process, log }
    }

    /// Waits until something is true that it brings about.
    #[track_caller]
    pub fn until(&mut self, what: &str, mut is_so: impl FnMut(&Self) -> bool) {
        wait_until(what, || {
            let ended = self.process.try_wait().expect("its state is known");
            let said = || fs::read_to_string(&self.log).unwrap_or_default();
            assert!(ended.is_none(), "{what}: it ended ({ended:?}) and said: {}", said());
            is_so(self)
        });
    }

    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// Makes it hang.
    pub fn stop(&self) {
        kill_process_group(Pid::from_child(&self.process), Signal::STOP).expect("it is stopped");
    }

    pub fn kill(&mut self) {
        // If it is gone already, that is fine.
        let _ = kill_process_group(Pid::from_child(&self.process), Signal::KILL);
        let _ = self.process.wait();
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Whether a program listens on a Unix socket. The socket's file exists a moment earlier.
pub fn listens(socket: &Path) -> bool {
    UnixStream::connect(socket).is_ok()
}

/// Waits until something is true that a started program brings about.
#[track_caller]
pub fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < Duration::from_secs(30), "{what}: not after 30 seconds");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Waits for the second signature of a run whose FAULT_LOG is `calls`.
#[track_caller]
pub fn wait_for_second_signature(desk: &Desk) {
    wait_until("the second signature begins", || {
        let calls = fs::read_to_string(desk.path("calls")).unwrap_or_default();
        calls.lines().filter(|call| *call == "C_Sign").count() == 2
    });
}

/// The file of a module in one of Debian's folders for them.
pub fn module(name: &str) -> PathBuf {
    let folders = ["x86_64-linux-gnu", "aarch64-linux-gnu"].map(|folder| Path::new("/usr/lib").join(folder));
    folders
        .iter()
        .flat_map(|folder| [folder.join("pkcs11"), folder.clone()])
        .map(|folder| folder.join(name))
        .find(|path| path.exists())
        .unwrap_or_else(|| panic!("{name} is installed (scripts/packages.txt says by which package)"))
}

/// The PIN of a device that `initialise` sets up. openCryptoki refuses 12345678, its own first one.
pub const PIN: &str = "24681357";

/// Turns a module's empty slot into the device `officer`, with OpenSC's tool, which runs behind `wrapper`.
pub fn initialise(wrapper: &[&str], module: &Path, slot: &str) {
    let first_pin = "11111111";
    let so = ["--login", "--login-type", "so", "--so-pin", "87654321"];
    let steps: [&[&str]; 3] = [
        &["--init-token", "--label", "officer", "--so-pin", "87654321"],
        &[&so[..], &["--init-pin", "--pin", first_pin]].concat(),
        // openCryptoki requires the user to change a PIN that somebody else set.
        &["--login", "--pin", first_pin, "--change-pin", "--new-pin", PIN],
    ];
    for step in steps {
        pkcs11_tool(wrapper, module, &[&["--slot", slot], step].concat());
    }
}

/// Generates an RSA-2048 key on the device that `initialise` set up.
pub fn generate_key(wrapper: &[&str], module: &Path, id: &str, label: &str, options: &[&str]) {
    let device = ["--token-label", "officer", "--login", "--pin", PIN];
    let key = ["--keypairgen", "--key-type", "rsa:2048", "--id", id, "--label", label, "--usage-sign"];
    pkcs11_tool(wrapper, module, &[&device[..], &key, &["--sensitive"], options].concat());
}

/// Runs OpenSC's tool behind `wrapper`; returns what it prints.
pub fn pkcs11_tool(wrapper: &[&str], module: &Path, arguments: &[&str]) -> String {
    let tool_and_module = ["pkcs11-tool", "--module", module.to_str().expect("UTF-8")];
    let words = [wrapper, &tool_and_module, arguments].concat();
    let said = tool(words[0], &words[1..].iter().map(OsStr::new).collect::<Vec<_>>());
    String::from_utf8(said).expect("UTF-8")
}

/// What all devices have in common: the published sample is signed with `key`, openssl accepts every
/// signature, and `list` shows the device and a key without a PIN. Only countersign itself prints anything.
#[track_caller]
pub fn lists_and_signs(desk: &Desk, key: &str, options: &[&str], run: impl Fn(&[&str]) -> Run) -> Done {
    let listed = run(&["list"]).without_env("COUNTERSIGN_PIN_SOURCE").go().exits(0);
    let device = key.split(';').next().unwrap_or(key);
    for text in [device, "RSA-2048"] {
        assert!(listed.stdout().contains(text), "{text} is not in: {}", listed.stdout());
    }
    run(&["public-key", "--key", key, "-o", "officer.pub"]).go().exits(0);
    desk.write("tokens.json", UNSIGNED);
    let done = run(&[&["sign", "--key", key], options, &["tokens.json"]].concat()).go().exits(0);
    assert!(openssl_accepts(desk, "tokens.json", "officer.pub"));
    only_countersign_speaks(&listed);
    only_countersign_speaks(&done);
    done
}

/// Asserts that every line on stderr is countersign's, and none the module's.
#[track_caller]
pub fn only_countersign_speaks(done: &Done) {
    let ours = |line: &str| {
        let first = line.split([' ', ':']).next().unwrap_or_default();
        ["tokens.json", "officer.token", "pkcs11", "error", "help", "warning", "Private"].contains(&first)
            || line.starts_with("  ")
            || first
                .parse::<usize>()
                .is_ok_and(|_| line.contains(" signed ") || line.contains(" signatures "))
            || line.contains(", serial ")
            // A device without a serial number.
            || line.starts_with("officer (")
    };
    let said = done.stderr();
    assert!(said.lines().all(ours), "the module writes on stderr: {said}");
}

/// Asserts that an absent device is reported as such, and that the file is unchanged.
#[track_caller]
pub fn device_is_gone(desk: &Desk, done: &Done) {
    assert!([3, 6].contains(&done.code()), "exit {}: {}", done.code(), done.stderr());
    assert_eq!(desk.read("tokens.json"), UNSIGNED);
}
