//! A TPM: swtpm behind its resource manager.

use std::ffi::OsStr;
use std::fs;
use std::process::Command;

use crate::support::desk::{Desk, PIN};
use crate::support::parts::tool;
use crate::support::real_modules::{Service, listens, module};
use crate::support::run::Run;
use crate::support::token_files::UNSIGNED;

/// A TPM of its own with one token. Fields that depend on others are dropped first.
pub struct Tpm {
    _resource_manager: Service,
    _bus: Service,
    pub chip: Service,
    /// In the form for `env`.
    variables: Vec<String>,
    pub desk: Desk,
}

/// In the form for `tpm2_ptool`.
fn userpin() -> String {
    format!("--userpin={PIN}")
}

impl Tpm {
    pub fn new() -> Self {
        let desk = Desk::without_device();
        for folder in ["state", "store"] {
            fs::create_dir(desk.path(folder)).unwrap();
        }
        desk.write("pin", PIN.as_bytes());
        desk.write("wrong-pin", b"000000");
        desk.write("tokens.json", UNSIGNED);
        let at = |name: &str| desk.path(name).display().to_string();

        let (server, control) =
            (format!("type=unixio,path={}", at("tpm")), format!("type=unixio,path={}", at("tpm.ctrl")));
        let (state, flags) = (format!("dir={}", at("state")), "not-need-init,startup-clear");
        let mut swtpm = Command::new("swtpm");
        swtpm.args(["socket", "--tpm2", "--tpmstate", &state, "--server", &server, "--ctrl", &control]);
        let mut chip = Service::start(&desk, swtpm.args(["--flags", flags]));
        let address = format!("unix:path={}", at("bus"));
        let mut bus = Service::start(
            &desk,
            Command::new("dbus-daemon").args(["--session", "--nofork", "--address", &address]),
        );
        chip.until("swtpm listens", |_| ["tpm", "tpm.ctrl"].iter().all(|socket| listens(&desk.path(socket))));
        bus.until("the bus listens", |_| listens(&desk.path("bus")));
        let mut manager = Command::new("tpm2-abrmd");
        manager.args(["--session", "--allow-root", "--tcti", &format!("swtpm:path={}", at("tpm"))]);
        let mut manager = Service::start(&desk, manager.env("DBUS_SESSION_BUS_ADDRESS", &address));

        let variables = vec![
            format!("DBUS_SESSION_BUS_ADDRESS={address}"),
            "TPM2TOOLS_TCTI=tabrmd:bus_type=session".into(),
            "TPM2_PKCS11_TCTI=tabrmd:bus_type=session".into(),
            format!("TPM2_PKCS11_STORE={}", at("store")),
        ];
        manager.until("the resource manager answers", |_| {
            let mut ask = Command::new("env");
            ask.args(&variables).args(["tpm2_getrandom", "--hex", "1"]).output().unwrap().status.success()
        });
        let tpm = Tpm { _resource_manager: manager, _bus: bus, chip, variables, desk };
        tpm.ptool(&["init"]);
        tpm.ptool(&["addtoken", "--pid=1", "--label=officer", &userpin(), "--sopin=87654321"]);
        tpm
    }

    pub fn with_key(self, label: &str, options: &[&str]) -> Self {
        let (named, rsa) = (format!("--key-label={label}"), "--algorithm=rsa2048");
        self.ptool(&[&["addkey", rsa, "--label=officer", &named, &userpin()], options].concat());
        self
    }

    pub fn ptool(&self, arguments: &[&str]) {
        let mut words: Vec<&OsStr> = self.variables.iter().map(OsStr::new).collect();
        words.extend([OsStr::new("tpm2_ptool")].into_iter().chain(arguments.iter().map(OsStr::new)));
        let store = self.desk.path("store");
        tool("env", &[&words[..], &["--path".as_ref(), store.as_os_str()]].concat());
    }

    pub fn countersign(&self, arguments: &[&str]) -> Run {
        let run = self
            .desk
            .countersign(arguments)
            .env("COUNTERSIGN_MODULE", module("libtpm2_pkcs11.so"))
            .env("COUNTERSIGN_PIN_SOURCE", "file:pin");
        self.variables
            .iter()
            .filter_map(|variable| variable.split_once('='))
            .fold(run, |run, (name, value)| run.env(name, value))
    }
}
