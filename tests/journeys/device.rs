//! A throw-away SoftHSM2 device in a folder of its own, and countersign run against it.

use std::ffi::OsStr;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::{OnceLock, mpsc};
use std::time::Duration;

use tempfile::TempDir;

/// No run takes as long; one that does hangs.
const LONGEST: Duration = Duration::from_secs(60);

pub const PIN: &str = "123456";
pub const UNSIGNED: &[u8] = include_bytes!("../samples/aws-mfa-unsigned.json");
pub const SIGNED: &[u8] = include_bytes!("../samples/aws-mfa-signed.json");
pub const SIGNKEY: &str = "pkcs11:token=officer;id=%01;type=private";

/// A folder to work in, with a SoftHSM2 store below `device/`.
pub struct Desk {
    folder: TempDir,
}

impl Desk {
    /// A desk whose device holds only the key of every day: `signkey`, RSA-2048, not extractable, with a certificate.
    pub fn new() -> Self {
        Self::provisioned(&["--keys", "signkey"])
    }

    /// A desk with every kind of key on its device.
    pub fn with_all_keys() -> Self {
        Self::provisioned::<&str>(&[])
    }

    /// A desk made with options of `softhsm/provision`.
    pub fn provisioned<S: AsRef<OsStr>>(options: &[S]) -> Self {
        let desk = Self::without_device();
        let output = Command::new(root().join("softhsm/provision"))
            .args(options)
            .arg(desk.path("device"))
            .output()
            .expect("softhsm/provision runs");
        assert!(output.status.success(), "softhsm/provision: {}", String::from_utf8_lossy(&output.stderr));
        desk
    }

    /// A desk without any device.
    pub fn without_device() -> Self {
        Desk { folder: TempDir::with_prefix("countersign-").expect("a temporary folder") }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub fn write(&self, name: &str, bytes: &[u8]) -> PathBuf {
        fs::write(self.path(name), bytes).expect("a file is written");
        self.path(name)
    }

    pub fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).expect("a file is read")
    }

    /// The program in this folder, with nothing of the caller's environment but what names the device.
    pub fn countersign<S: AsRef<OsStr>>(&self, arguments: &[S]) -> Run {
        // In a session of its own there is no terminal to ask at, wherever the tests run.
        let mut command = Command::new("setsid");
        command.arg(env!("CARGO_BIN_EXE_countersign")).args(arguments);
        self.prepare(command)
    }

    /// The program under another one that gives it its surroundings (`unshare`, `setpriv`).
    pub fn countersign_under(&self, wrapper: &[&str], arguments: &[&str]) -> Run {
        let mut command = Command::new("setsid");
        command.args(wrapper).arg(env!("CARGO_BIN_EXE_countersign")).args(arguments);
        self.prepare(command)
    }

    /// The program in a mount namespace of its own, by a script that mounts something and then runs `"$@"`.
    pub fn countersign_after_mounting(&self, script: &str, arguments: &[&str]) -> Run {
        let as_root: &[&str] = if rustix::process::geteuid().is_root() { &[] } else { &["--map-root-user"] };
        let wrapper = [&["unshare", "--mount"], as_root, &["sh", "-c", script, "sh"]].concat();
        self.countersign_under(&wrapper, arguments)
    }

    fn prepare(&self, mut command: Command) -> Run {
        command
            .env_clear()
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .env("HOME", self.folder.path())
            .env("SOFTHSM2_CONF", self.path("device/softhsm2.conf"))
            .env("COUNTERSIGN_MODULE", softhsm_module())
            .current_dir(self.folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        Run { command, input: Vec::new() }
    }
}

/// A run of the program that is about to start.
pub struct Run {
    pub command: Command,
    input: Vec<u8>,
}

impl Run {
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
            .unwrap_or_else(|error| panic!("stdout is no JSON ({error}): {}", self.stdout()))
    }

    /// The same run with what varies in its stdout taken out.
    pub fn map_stdout(mut self, change: impl FnOnce(&str) -> String) -> Self {
        self.0.stdout = change(&self.stdout()).into_bytes();
        self
    }

    /// The same run with what varies in its stderr taken out.
    pub fn map_stderr(mut self, change: impl FnOnce(&str) -> String) -> Self {
        self.0.stderr = change(&self.stderr()).into_bytes();
        self
    }

    /// Asserts the exit code, and shows what was said if it is another.
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

pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The SoftHSM2 module of this system.
pub fn softhsm_module() -> &'static str {
    const PLACES: [&str; 3] = [
        "/usr/lib/softhsm/libsofthsm2.so",
        "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so",
        "/usr/lib/aarch64-linux-gnu/softhsm/libsofthsm2.so",
    ];
    PLACES
        .into_iter()
        .find(|path| Path::new(path).exists())
        .expect("SoftHSM2 is installed (apt install softhsm2)")
}

/// The test-only module that makes calls fail.
pub fn fault_module() -> PathBuf {
    static MODULE: OnceLock<PathBuf> = OnceLock::new();
    MODULE.get_or_init(|| example("fault_module").with_file_name("libfault_module.so")).clone()
}

/// A test-only program. `cargo test` builds it, but not when it is told to run one test file.
pub fn example(name: &str) -> PathBuf {
    let programs = Path::new(env!("CARGO_BIN_EXE_countersign")).parent().expect("a folder");
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["build", "--quiet", "--locked", "--example", name, "--target-dir"]);
    cargo.arg(programs.parent().expect("the target folder")).current_dir(root());
    if programs.ends_with("release") {
        cargo.arg("--release");
    }
    assert!(cargo.status().expect("cargo runs").success(), "{name} is built");
    programs.join("examples").join(name)
}

/// A program that must succeed; its stdout.
pub fn tool(program: &str, arguments: &[&OsStr]) -> Vec<u8> {
    let output =
        Command::new(program).args(arguments).output().unwrap_or_else(|error| panic!("{program}: {error}"));
    assert!(output.status.success(), "{program} {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

/// Runs openssl with text arguments.
pub fn openssl(arguments: &[&str]) -> Vec<u8> {
    tool("openssl", &arguments.iter().map(OsStr::new).collect::<Vec<_>>())
}

/// The pairs of decoded `unsigned` and `signed` in a token file.
pub fn token_pairs(bytes: &[u8]) -> Vec<(Vec<u8>, Vec<u8>)> {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    let document: serde_json::Value = serde_json::from_slice(bytes).expect("a token file is JSON");
    let decode =
        |value: &serde_json::Value| STANDARD.decode(value.as_str().expect("a string")).expect("base64");
    let tokens = document["tokens"].as_array().expect("a list of tokens");
    tokens.iter().map(|token| (decode(&token["unsigned"]), decode(&token["signed"]))).collect()
}

/// Whether `openssl pkeyutl -verify` accepts each signature of a file as one over the token as a digest: what AWS's
/// guide does, by a program that shares no code with this one.
pub fn openssl_accepts(desk: &Desk, file: &str, public_key: &str) -> bool {
    let pairs = token_pairs(&desk.read(file));
    pairs.iter().all(|(token, signature)| openssl_accepts_digest(desk, token, signature, public_key))
}

/// Whether `openssl pkeyutl -verify` accepts a signature over a digest.
pub fn openssl_accepts_digest(desk: &Desk, digest: &[u8], signature: &[u8], public_key: &str) -> bool {
    let digest = desk.write("openssl-digest", digest);
    let signature = desk.write("openssl-signature", signature);
    let output = Command::new("openssl")
        .args(["pkeyutl", "-verify", "-pubin", "-inkey", public_key, "-pkeyopt", "digest:sha256", "-in"])
        .arg(digest)
        .arg("-sigfile")
        .arg(signature)
        .current_dir(desk.folder())
        .output()
        .expect("openssl runs");
    output.status.success()
}

/// A token file with `count` tokens, each another digest.
pub fn unsigned_file(count: usize) -> Vec<u8> {
    use base64::Engine as _;
    use sha2::{Digest, Sha256};
    let tokens: Vec<String> = (0..count)
        .map(|index| {
            let digest =
                base64::engine::general_purpose::STANDARD.encode(Sha256::digest(index.to_be_bytes()));
            format!("    {{\n      \"unsigned\": \"{digest}\",\n      \"signed\": \"\"\n    }}")
        })
        .collect();
    format!("{{\n  \"version\": \"2.0\",\n  \"tokens\": [\n{}\n  ]\n}}\n", tokens.join(",\n")).into_bytes()
}
