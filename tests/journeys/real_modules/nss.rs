//! NSS's own database, as in Firefox: softokn, to which p11-kit is configured to pass its parameters.

use std::ffi::OsStr;
use std::fs;
use std::process::Command;

use crate::support::desk::Desk;
use crate::support::openssl::openssl_accepts;
use crate::support::parts::tool;
use crate::support::real_modules::{lists_and_signs, module, only_countersign_speaks};
use crate::support::run::Run;
use crate::support::token_files::UNSIGNED;

// Without a login, softokn shows the name only on the certificate, so that names the key.
const KEY: &str = "pkcs11:token=NSS%20Certificate%20DB;object=signkey;type=cert";

/// A desk with a database that `certutil` created, and a p11-kit that knows only softokn.
struct Nss {
    desk: Desk,
}

impl Nss {
    fn with_key() -> Self {
        Self::locked_by(b"12345678\n")
    }

    /// A database with this password; an empty one leaves it open.
    fn locked_by(password: &[u8]) -> Self {
        let desk = Desk::without_device();
        for folder in ["db", "p11-kit-modules"] {
            fs::create_dir(desk.path(folder)).unwrap();
        }
        desk.write("pin", password);
        // Without this file certutil asks for random keystrokes; NSS adds the system's randomness to it.
        desk.write("noise", &[7; 1024]);
        let nss = Nss { desk };
        nss.certutil(&["-N"]);
        let certificate = ["-S", "-n", "signkey", "-s", "CN=officer", "-x", "-t", ",,", "-m", "1"];
        let noise = nss.desk.path("noise");
        nss.certutil(
            &[&certificate[..], &["-k", "rsa", "-g", "2048", "-z", noise.to_str().unwrap()]].concat(),
        );
        let configuration = format!(
            "module: {}\nx-init-reserved: configdir='{}' certPrefix='' keyPrefix='' secmod='' flags=\n",
            module("libsoftokn3.so").display(),
            nss.database()
        );
        nss.desk.write("p11-kit-modules/nss.module", configuration.as_bytes());
        nss
    }

    fn database(&self) -> String {
        format!("sql:{}", self.desk.path("db").display())
    }

    fn certutil(&self, arguments: &[&str]) {
        let (database, pin) = (self.database(), self.desk.path("pin"));
        let whole = [&["-d", &database, "-f", pin.to_str().unwrap()], arguments].concat();
        tool("certutil", &whole.iter().map(OsStr::new).collect::<Vec<_>>());
    }

    fn countersign(&self, arguments: &[&str]) -> Run {
        let modules = self.desk.path("p11-kit-modules");
        let script =
            format!("mount --bind '{}' /usr/share/p11-kit/modules && exec \"$@\"", modules.display());
        self.desk
            .countersign_after_mounting(&script, arguments)
            .without_env("COUNTERSIGN_MODULE")
            .env("COUNTERSIGN_PIN_SOURCE", "file:pin")
    }
}

#[test]
fn a_key_in_the_database_of_a_browser_signs() {
    let nss = Nss::with_key();
    let done =
        lists_and_signs(&nss.desk, KEY, &["--allow-exportable"], |arguments| nss.countersign(arguments));
    done.says("CAN leave the device");
}

#[test]
fn a_database_without_a_password_needs_no_pin() {
    let nss = Nss::locked_by(b"\n");
    nss.desk.write("tokens.json", UNSIGNED);
    let sign =
        ["sign", "--allow-exportable", "--key", KEY, "--write-public-key", "officer.pub", "tokens.json"];
    nss.countersign(&sign).without_env("COUNTERSIGN_PIN_SOURCE").go().exits(0);
    assert!(openssl_accepts(&nss.desk, "tokens.json", "officer.pub"));
}

#[test]
fn a_device_that_requires_no_pin_is_not_a_candidate() {
    // softokn always has a second device, for its own calculations: list says "no PIN needed".
    let nss = Nss::with_key();
    let listed = nss.countersign(&["list", "--login"]).go().exits(0);
    assert!(listed.stdout().contains("RSA-2048, EXPORTABLE"), "{}", listed.stdout());
}

#[test]
fn a_key_that_can_be_exported_is_refused_unless_asked_for() {
    let nss = Nss::with_key();
    nss.desk.write("tokens.json", UNSIGNED);
    let done = nss.countersign(&["sign", "--key", KEY, "tokens.json"]).go().exits(4);
    only_countersign_speaks(&done.says("it can leave the device"));
    assert_eq!(nss.desk.read("tokens.json"), UNSIGNED);
}

#[test]
fn a_wrong_password_of_the_database_is_reported() {
    let nss = Nss::with_key();
    nss.desk.write("tokens.json", UNSIGNED);
    nss.desk.write("wrong-pin", b"00000000");
    let sign = ["sign", "--key", KEY, "--pin-source", "file:wrong-pin", "tokens.json"];
    only_countersign_speaks(&nss.countersign(&sign).go().exits(5));
    assert_eq!(nss.desk.read("tokens.json"), UNSIGNED);
}

/// softokn refuses up to at least NSS 3.87; by 3.110 it shows empty devices.
#[test]
fn softokn_without_its_parameters_is_reported() {
    let desk = Desk::without_device();
    let library = module("libsoftokn3.so").display().to_string();
    let mut asked = Command::new("pkcs11-tool");
    let asked =
        asked.args(["--module", &library, "--list-slots"]).current_dir(desk.folder()).output().unwrap();
    let said = String::from_utf8([asked.stdout, asked.stderr].concat()).unwrap();
    let list = desk.countersign(&["--module", &library, "list"]).go();
    if asked.status.success() {
        let devices: Vec<_> =
            said.lines().filter_map(|line| line.trim().strip_prefix("token label ")).collect();
        assert!(!devices.is_empty(), "{said}");
        let listed = list.exits(0);
        for device in devices {
            let label = device.trim_start_matches([' ', ':']);
            assert!(listed.stdout().contains(&format!(" {label} (")), "{label}: {}", listed.stdout());
        }
        only_countersign_speaks(&listed);
    } else {
        assert!(said.contains("C_Initialize") && said.contains("CKR_ARGUMENTS_BAD"), "{said}");
        only_countersign_speaks(&list.exits(3).says("C_Initialize said CKR_ARGUMENTS_BAD"));
    }
}
