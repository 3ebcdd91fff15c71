//! A YubiHSM 2 behind a connector of its own: `tests/yubihsm`, for Yubico's module and shell.

use std::fs;
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Output};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU16, Ordering};

use tempfile::TempDir;

use crate::support::clock;
use crate::support::desk::{Desk, PIN};
use crate::support::parts::{SYSTEM_PATH, example};
use crate::support::real_modules::{module, wait_until};
use crate::support::run::Run;

/// The device's URI.
pub const DEVICE: &str = "pkcs11:token=YubiHSM";

/// The number of the first authentication key, which precedes the password in a PKCS#11 PIN.
const FIRST_KEY: &str = "0001";

pub struct YubiHsm {
    folder: TempDir,
    port: u16,
    program: Option<Child>,
}

impl YubiHsm {
    /// A new device that has only authentication key 1.
    pub fn new() -> Self {
        Self::with_options(&[])
    }

    /// The same with options of `tests/yubihsm`.
    pub fn with_options(options: &[&str]) -> Self {
        let folder = TempDir::with_prefix("countersign-yubihsm-").expect("a temporary folder");
        let mut device = YubiHsm { folder, port: free_port(), program: None };
        let url = format!("connector = {}\n", device.url());
        fs::write(device.path("yubihsm_pkcs11.conf"), url).expect("a file is written");
        device.start_connector(options);
        device
    }

    /// The device keeps its objects and its log across restarts, but no sessions.
    pub fn start_connector(&mut self, options: &[&str]) {
        self.stop_connector();
        let _ = fs::remove_file(self.memory("ready"));
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL"]).arg(example("yubihsm")).arg(self.memory(""));
        command.args(["--port", &self.port.to_string(), "--password", PIN]).args(options);
        self.program = Some(command.spawn().expect("the connector starts"));
        wait_until("the connector listens", || self.memory("ready").exists());
    }

    pub fn stop_connector(&mut self) {
        if let Some(mut program) = self.program.take() {
            let _ = program.kill();
            let _ = program.wait();
        }
    }

    /// The connector stays, the device disappears.
    pub fn unplug(&self) {
        fs::write(self.memory("unplugged"), "").expect("a file is written");
    }

    pub fn plug_in(&self) {
        fs::remove_file(self.memory("unplugged")).expect("it was unplugged");
    }

    /// Other programs use this many of the device's 16 sessions.
    pub fn sessions_in_use(&self, count: usize) {
        fs::write(self.memory("sessions-in-use"), count.to_string()).expect("a file is written");
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// A file in the device's memory.
    pub fn memory(&self, name: &str) -> PathBuf {
        self.path("device").join(name)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// How often the device received a command (two hexadecimal digits), and gave this answer.
    pub fn count(&self, command: &str, answer: &str) -> usize {
        let commands = fs::read_to_string(self.memory("commands")).unwrap_or_default();
        commands.lines().filter(|line| line.starts_with(command) && line.ends_with(answer)).count()
    }

    /// How often a session was requested, with any authentication key and password.
    pub fn login_attempts(&self) -> usize {
        self.count("03 ", "")
    }

    /// countersign with this device and the right PIN.
    pub fn countersign(&self, desk: &Desk, arguments: &[&str]) -> Run {
        self.reached_by(desk.countersign(arguments))
    }

    pub fn reached_by(&self, run: Run) -> Run {
        run.env("COUNTERSIGN_MODULE", module("yubihsm_pkcs11.so"))
            .env("YUBIHSM_PKCS11_CONF", self.configuration())
            .env("COUNTERSIGN_PIN_SOURCE", self.pin_source(&format!("{FIRST_KEY}{PIN}")))
    }

    /// What names the connector to the module.
    pub fn configuration(&self) -> PathBuf {
        self.path("yubihsm_pkcs11.conf")
    }

    /// A file with a PIN, as `--pin-source` expects it.
    pub fn pin_source(&self, pin: &str) -> String {
        use std::os::unix::fs::PermissionsExt;
        static NEXT: AtomicU16 = AtomicU16::new(0);
        let path = self.path(&format!("pin-{}", NEXT.fetch_add(1, Ordering::Relaxed)));
        fs::write(&path, pin)
            .and_then(|()| fs::set_permissions(&path, fs::Permissions::from_mode(0o600)))
            .expect("a PIN file");
        format!("file:{}", path.display())
    }

    /// Runs Yubico's own tool with authentication key 1; returns what it prints.
    pub fn shell(&self, arguments: &[&str]) -> String {
        let output = self.shell_ends(arguments);
        let said = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        assert!(output.status.success(), "yubihsm-shell {arguments:?}: {}", said.concat());
        said.concat()
    }

    /// The same, whatever its exit code.
    pub fn shell_ends(&self, arguments: &[&str]) -> Output {
        self.shell_as(&format!("{FIRST_KEY}{PIN}"), arguments)
    }

    /// The same with the authentication key and the password of another PIN.
    pub fn shell_as(&self, pin: &str, arguments: &[&str]) -> Output {
        let (key, password) = pin.split_at(FIRST_KEY.len());
        let mut command = Command::new("yubihsm-shell");
        let login = ["--authkey", &format!("0x{key}"), "--password", password];
        command.args(["--connector", &self.url()]).args(login).args(arguments);
        command.env("PATH", SYSTEM_PATH).current_dir(self.folder.path());
        clock::set(&mut command).output().expect("yubihsm-shell is installed (scripts/packages.txt)")
    }

    /// A key generated by Yubico's tool.
    pub fn with_key(self, id: &str, label: &str, algorithm: &str, capabilities: &str) -> Self {
        self.make_key(id, label, algorithm, capabilities, "all");
        self
    }

    pub fn make_key(&self, id: &str, label: &str, algorithm: &str, capabilities: &str, domains: &str) {
        let action = ["--action", "generate-asymmetric-key", "--object-id", id, "--label", label];
        let key = ["--algorithm", algorithm, "--capabilities", capabilities, "--domains", domains];
        self.shell(&[action, key].concat());
    }

    /// Another authentication key, which may give keys the rights that it has itself; returns its PIN.
    pub fn make_authentication_key(&self, id: &str, capabilities: &str, domains: &str) -> String {
        self.make_delegating_key(id, capabilities, capabilities, domains)
    }

    /// An authentication key that may give keys other rights.
    pub fn make_delegating_key(&self, id: &str, capabilities: &str, given: &str, domains: &str) -> String {
        let password = "another-password";
        let action = ["--action", "put-authentication-key", "--object-id", id, "--label", "another"];
        let rights = ["--capabilities", capabilities, "--delegated", given, "--domains", domains];
        self.shell(&[&action[..], &rights, &["--new-password", password]].concat());
        format!("{}{password}", id.trim_start_matches("0x"))
    }
}

impl Drop for YubiHsm {
    fn drop(&mut self) {
        self.stop_connector();
    }
}

/// Below the ports that the system assigns to other programs, and above those of the card readers, so that a
/// restarted connector gets its own again.
fn free_port() -> u16 {
    static NEXT: OnceLock<AtomicU16> = OnceLock::new();
    // Another run of the tests starts elsewhere.
    let next = NEXT.get_or_init(|| AtomicU16::new(30_200 + (std::process::id() % 50) as u16 * 50));
    (0..1000)
        .map(|_| next.fetch_add(1, Ordering::Relaxed))
        .find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok())
        .expect("a free port")
}
