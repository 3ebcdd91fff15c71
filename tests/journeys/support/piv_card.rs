//! A PIV card in a reader of its own: `tests/piv_card` behind pcscd, separate from any readers of this
//! machine.

use std::fs;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::rc::Rc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::support::desk::{Desk, PIN};
use crate::support::parts::{SYSTEM_PATH, example, where_it_may_mount};
use crate::support::real_modules::listens;
use crate::support::run::{Done, Run};
use crate::support::token_files::UNSIGNED;

/// Starting pcscd, or noticing a card, takes some tenths of a second.
const LONGEST: Duration = Duration::from_secs(20);

/// pcscd checks its readers every 400 ms, which is faster than anyone's hand.
const BETWEEN_LOOKS: Duration = Duration::from_millis(500);

/// Two PKCS#11 modules for PIV cards.
pub const OPENSC: &str = "opensc-pkcs11.so";

pub const YKCS11: &str = "libykcs11.so";

/// As every YubiKey comes with it: for Triple DES, or AES-192 from firmware 5.7 on.
pub const MANAGEMENT_KEY: &str = "010203040506070801020304050607080102030405060708";

const YKMAN_PIV: [&str; 3] = ["--reader", "CCID 00 00", "piv"];

/// A card, and the reader that it is in or beside. Both are gone when this is.
pub struct PivCard {
    reader: Rc<Reader>,
    slot: u16,
    program: Option<Child>,
}

/// pcscd, with two slots of vpcd.
struct Reader {
    folder: TempDir,
    port: u16,
    pcscd: Child,
}

impl PivCard {
    /// A new card with options of `tests/piv_card`, inserted.
    pub fn inserted(options: &[&str]) -> Self {
        let mut card = Self::absent();
        card.insert(options);
        card
    }

    /// A reader without a card.
    pub fn absent() -> Self {
        PivCard { reader: Rc::new(Reader::start()), slot: 0, program: None }
    }

    /// A new card in the reader's second slot.
    pub fn beside(&self, options: &[&str]) -> Self {
        let mut card = PivCard { reader: self.reader.clone(), slot: 1, program: None };
        card.insert(options);
        card
    }

    /// The card keeps keys, PIN and counters from one insertion to the next.
    pub fn insert(&mut self, options: &[&str]) {
        self.pull();
        let _ = fs::remove_file(self.path("ready"));
        let mut command = Command::new(program());
        let port = (self.reader.port + self.slot).to_string();
        command.arg(self.path("")).args(["--port", &port, "--pin", PIN]).args(options);
        self.program = Some(command.spawn().expect("the card's program starts"));
        let is_there = || self.path("ready").exists() && self.reader.has_card(self.slot);
        until("the reader has noticed the card", is_there);
    }

    pub fn pull(&mut self) {
        if let Some(mut program) = self.program.take() {
            end(&mut program);
            until("the reader has noticed that the card is gone", || !self.reader.has_card(self.slot));
            // If a card comes back before pcscd checks again, pcscd takes it for one that never left.
            std::thread::sleep(BETWEEN_LOOKS);
        }
    }

    /// A file of the card's memory.
    pub fn path(&self, name: &str) -> PathBuf {
        self.reader.folder.path().join(format!("card{}", self.slot)).join(name)
    }

    pub fn pin_tries(&self) -> String {
        fs::read_to_string(self.path("pin-tries")).expect("the card counts")
    }

    /// How often the card received a command, and with which result: `20 0080 8 -> 63c2`.
    pub fn count(&self, start: &str, status: &str) -> usize {
        let commands = fs::read_to_string(self.path("commands")).unwrap_or_default();
        commands.lines().filter(|line| line.starts_with(start) && line.ends_with(status)).count()
    }

    /// Waits until the card has received a command and executed it.
    pub fn wait_for(&self, start: &str) {
        until(start, || self.count(start, "") > 0);
    }

    /// The public key of a slot, for openssl.
    pub fn public_key(&self, slot: &str) -> String {
        self.path(&format!("{slot}.pub.pem")).to_str().expect("UTF-8").to_owned()
    }

    /// countersign with this card and the right PIN, through one module.
    pub fn countersign(&self, desk: &Desk, module: &str, arguments: &[&str]) -> Run {
        self.reached_by(desk.countersign(arguments))
            .env("COUNTERSIGN_MODULE", module_path(module))
            .env("COUNTERSIGN_PIN_SOURCE", self.pin_source(PIN))
    }

    pub fn reached_by(&self, run: Run) -> Run {
        let (name, socket) = self.socket_variable();
        run.env(name, socket)
    }

    /// One of Yubico's programs on this card, in the desk's folder; it must succeed.
    pub fn tool(&self, desk: &Desk, program: &str, arguments: &[&str]) {
        let output = self.tool_ends(desk, program, arguments);
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    }

    /// The same, however it ends.
    pub fn tool_ends(&self, desk: &Desk, program: &str, arguments: &[&str]) -> Output {
        let (name, socket) = self.socket_variable();
        let mut command = Command::new(program);
        command.args(arguments).env(name, socket).current_dir(desk.folder());
        command.output().expect("the program starts")
    }

    /// ykman's commands for PIV. It looks for devices on USB, unless it is told of a reader.
    pub fn ykman(&self, desk: &Desk, arguments: &[&str]) {
        self.tool(desk, "ykman", &[&YKMAN_PIV, arguments].concat());
    }

    /// The same, however it ends.
    pub fn ykman_ends(&self, desk: &Desk, arguments: &[&str]) -> Output {
        self.tool_ends(desk, "ykman", &[&YKMAN_PIV, arguments].concat())
    }

    /// What tells a PC/SC client where this pcscd is.
    pub fn socket_variable(&self) -> (&'static str, PathBuf) {
        ("PCSCLITE_CSOCK_NAME", self.reader.socket())
    }

    /// A file with a PIN, as `--pin-source` expects it.
    pub fn pin_source(&self, pin: &str) -> String {
        // The PIN must not be in the file's name: arguments are searched for it.
        let path = self.reader.folder.path().join(format!("given-pin-of-{}", pin.len()));
        fs::write(&path, pin).and_then(|()| fs::set_permissions(&path, private())).expect("a PIN file");
        format!("file:{}", path.display())
    }
}

impl Drop for PivCard {
    fn drop(&mut self) {
        if let Some(program) = &mut self.program {
            end(program);
        }
    }
}

impl Reader {
    fn start() -> Self {
        let folder = TempDir::with_prefix("countersign-piv-").expect("a temporary folder");
        let port = two_free_ports();
        let pcscd = start_pcscd(folder.path(), port);
        let reader = Reader { folder, port, pcscd };
        until("pcscd listens", || listens(&reader.socket()));
        reader
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join("run/pcscd/pcscd.comm")
    }

    /// Read from a table with a line for each slot, which begins with the slot's number.
    fn has_card(&self, slot: u16) -> bool {
        let mut command = Command::new("opensc-tool");
        command.arg("--list-readers").env("PCSCLITE_CSOCK_NAME", self.socket());
        let output = command.output().expect("opensc-tool runs");
        let text = String::from_utf8_lossy(&output.stdout);
        text.lines().any(|line| line.starts_with(&format!("{slot} ")) && line.contains(" Yes "))
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        end(&mut self.pcscd);
    }
}

fn program() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| example("piv_card"))
}

/// A module where Debian has it.
pub fn module_path(module: &str) -> PathBuf {
    ["/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/lib64", "/usr/lib"]
        .map(|folder| Path::new(folder).join(module))
        .into_iter()
        .find(|path| path.exists())
        .unwrap_or_else(|| panic!("{module} is installed (apt install opensc ykcs11)"))
}

/// The version that a module says it has, as `(2, 20)`: ykcs11's for 2.2.0.
pub fn module_version(card: &PivCard, desk: &Desk, module: &str) -> (u32, u32) {
    let module = module_path(module);
    let output =
        card.tool_ends(desk, "pkcs11-tool", &["--module", module.to_str().expect("UTF-8"), "--show-info"]);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let version = text.split("(ver ").nth(1).and_then(|rest| rest.split(')').next()?.split_once('.'));
    let (major, minor) = version.unwrap_or_else(|| panic!("no version in {text}"));
    (major.parse().expect("a number"), minor.parse().expect("a number"))
}

/// pcscd has its socket's path compiled in, so it gets a file system of its own; it has only vpcd's
/// drivers, so that it takes no real reader away from the machine's own pcscd.
fn start_pcscd(folder: &Path, port: u16) -> Child {
    let configuration = folder.join("reader.conf.d");
    fs::create_dir(&configuration).expect("a folder");
    let driver = folder.join("libifdvpcd.so");
    fs::copy("/usr/lib/pcsc/drivers/serial/libifdvpcd.so", &driver).expect("vsmartcard-vpcd is installed");
    // ykcs11 expects a reader whose name contains YubiKey.
    let reader = format!(
        "FRIENDLYNAME \"Yubico YubiKey OTP+FIDO+CCID\"\nDEVICENAME /dev/null:{port:#x}\nLIBPATH {}\nCHANNELID {port:#x}\n",
        driver.display()
    );
    fs::write(configuration.join("vpcd"), reader).expect("a file is written");
    // A folder of the test as /run: clients in any namespace reach the socket in it.
    let run = folder.join("run");
    fs::create_dir_all(run.join("pcscd")).expect("a folder");
    let script = "mount --bind \"$1\" /run && shift && mount -t tmpfs none /usr/lib/pcsc/drivers && \
                  exec pcscd --foreground \"$@\"";
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL"]).args(where_it_may_mount());
    command.args(["sh", "-c", script, "sh"]).arg(run);
    command.arg("--config").arg(configuration).args(without_polkit());
    command.env("PATH", SYSTEM_PATH);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().expect("pcscd starts")
}

/// Since 2.0, pcscd asks polkit who may use it. polkit does not exist in this pcscd's file system, and pcscd
/// has an option for that.
fn without_polkit() -> Option<&'static str> {
    static KNOWN: OnceLock<bool> = OnceLock::new();
    let option = "--disable-polkit";
    let knows = || {
        let help = Command::new("pcscd").arg("--help").env("PATH", SYSTEM_PATH).output();
        String::from_utf8_lossy(&help.expect("pcscd is installed").stdout).contains(option)
    };
    KNOWN.get_or_init(knows).then_some(option)
}

/// vpcd listens on the first for a first card and on the next for a second. They are below the ports that the
/// system assigns to other programs.
fn two_free_ports() -> u16 {
    static NEXT: OnceLock<AtomicU16> = OnceLock::new();
    // Another run of the tests, also one with the same process number in a root, starts elsewhere.
    let random = || (RandomState::new().build_hasher().finish() % 5_000) as u16;
    let next = NEXT.get_or_init(|| AtomicU16::new(10_000 + random() * 4));
    let is_free = |port| TcpListener::bind(("0.0.0.0", port)).is_ok();
    (0..1000)
        .map(|_| next.fetch_add(2, Ordering::Relaxed))
        .find(|port| is_free(*port) && is_free(port + 1))
        .expect("two free ports")
}

fn until(what: &str, done: impl Fn() -> bool) {
    let start = Instant::now();
    while !done() {
        assert!(start.elapsed() < LONGEST, "timed out: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn private() -> fs::Permissions {
    use std::os::unix::fs::PermissionsExt;
    fs::Permissions::from_mode(0o600)
}

fn end(child: &mut Child) {
    let _ = child.kill();
    let _ = child.wait();
}

pub const BOTH: [&str; 2] = [OPENSC, YKCS11];

pub fn sign(card: &PivCard, desk: &Desk, module: &str, arguments: &[&str]) -> Done {
    desk.write("tokens.json", UNSIGNED);
    card.countersign(desk, module, arguments).go()
}
