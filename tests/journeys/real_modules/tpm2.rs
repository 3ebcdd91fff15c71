//! A TPM: swtpm behind its resource manager, and tpm2-pkcs11, which also likes to write on stderr.

use std::ffi::OsStr;
use std::fs;
use std::process::Command;

use super::{
    Service, device_is_gone, lists_and_signs, module, only_countersign_speaks, wait_for_second_signature,
};
use crate::device::{
    Desk, Run, SIGNKEY as SOFTHSM_KEY, UNSIGNED, fault_module, openssl_accepts, softhsm_module, tool,
};

/// A TPM of its own with one token on it. What is dropped first is what depends on the others.
pub struct Tpm {
    _resource_manager: Service,
    _bus: Service,
    chip: Service,
    /// As `env` takes them.
    variables: Vec<String>,
    pub desk: Desk,
}

impl Tpm {
    pub fn new() -> Self {
        let desk = Desk::without_device();
        for folder in ["state", "store"] {
            fs::create_dir(desk.path(folder)).unwrap();
        }
        desk.write("pin", b"123456");
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
        chip.until("swtpm listens", |_| ["tpm", "tpm.ctrl"].iter().all(|socket| desk.path(socket).exists()));
        bus.until("the bus is there", |_| desk.path("bus").exists());
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
        tpm.ptool(&["addtoken", "--pid=1", "--label=officer", "--userpin=123456", "--sopin=87654321"]);
        tpm
    }

    pub fn with_key(self, label: &str, options: &[&str]) -> Self {
        let (named, rsa) = (format!("--key-label={label}"), "--algorithm=rsa2048");
        self.ptool(&[&["addkey", rsa, "--label=officer", &named, "--userpin=123456"], options].concat());
        self
    }

    fn ptool(&self, arguments: &[&str]) {
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

const KEY: &str = "pkcs11:token=officer;object=signkey;type=private";
const SIGN: [&str; 4] = ["sign", "--key", KEY, "tokens.json"];

#[test]
fn a_key_in_the_tpm_signs() {
    let tpm = Tpm::new().with_key("signkey", &[]);
    let run = |arguments: &[&str]| tpm.countersign(arguments);
    lists_and_signs(&tpm.desk, KEY, &[], run).says("RSA-2048, cannot leave the device");
    tpm.desk.write("officer.token", b"any bytes");
    let detached = ["sign", "--detached", "--json", "--key", KEY, "officer.token"];
    let document = tpm.countersign(&detached).go().exits(0).json();
    assert_eq!(document["mechanism"], "CKM_SHA256_RSA_PKCS");
    let verify = ["verify", "--detached", "--public-key", "officer.pub", "officer.token"];
    tpm.countersign(&verify).go().exits(0);
}

#[test]
fn a_key_that_wants_its_pin_each_time_gets_it() {
    let tpm = Tpm::new().with_key("alwayskey", &["--attr-always-authenticate"]);
    let key = "pkcs11:token=officer;object=alwayskey;type=private";
    lists_and_signs(&tpm.desk, key, &[], |arguments| tpm.countersign(arguments));
    let listed = tpm.countersign(&["list", "--login"]).go().exits(0);
    assert!(listed.stdout().contains("PIN for each signature"), "{}", listed.stdout());
}

#[test]
fn wrong_pins_are_told_until_the_tpm_locks() {
    let tpm = Tpm::new().with_key("signkey", &[]);
    let wrong = [&SIGN[..], &["--pin-source", "file:wrong-pin"]].concat();
    tpm.countersign(&wrong).go().exits(5).says("CKR_PIN_INCORRECT");
    let mut tries = 1;
    while !tpm.countersign(&wrong).go().exits(5).stderr().contains("is locked") {
        tries += 1;
        assert!(tries < 10, "not locked after {tries}");
    }
    // Also for the right PIN, which the TPM does not look at any more.
    tpm.countersign(&SIGN).go().exits(5).says("is locked");
    assert_eq!(tpm.desk.read("tokens.json"), UNSIGNED);
}

#[test]
fn a_tpm_that_goes_away_leaves_the_file_alone() {
    let mut tpm = Tpm::new().with_key("signkey", &[]);
    let run = tpm
        .countersign(&SIGN)
        .env("COUNTERSIGN_MODULE", fault_module())
        .env("FAULT_MODULE", module("libtpm2_pkcs11.so"))
        .env("FAULTS", "C_Sign:2=delay:2000")
        .env("FAULT_LOG", tpm.desk.path("calls"));
    let signing = std::thread::spawn(|| run.go());
    wait_for_second_signature(&tpm.desk);
    tpm.chip.kill();
    device_is_gone(&tpm.desk, &signing.join().unwrap());
    device_is_gone(&tpm.desk, &tpm.countersign(&SIGN).go());
}

#[test]
fn what_the_module_writes_on_stderr_is_not_shown() {
    let mut tpm = Tpm::new().with_key("signkey", &[]);
    let wrong = [&SIGN[..], &["--pin-source", "file:wrong-pin"]].concat();
    only_countersign_speaks(&tpm.countersign(&wrong).go().exits(5));
    tpm.chip.kill();
    only_countersign_speaks(&tpm.countersign(&SIGN).go());
}

#[test]
fn a_module_that_is_registered_and_has_no_tpm_is_skipped_in_silence() {
    let desk = Desk::new();
    let modules = desk.path("p11-kit-modules");
    fs::create_dir(&modules).unwrap();
    let tpm2 = module("libtpm2_pkcs11.so").display().to_string();
    for (name, path) in [("a-tpm2", tpm2.as_str()), ("softhsm2", softhsm_module())] {
        fs::write(modules.join(format!("{name}.module")), format!("module: {path}\n")).unwrap();
    }
    let script = format!("mount --bind '{}' /usr/share/p11-kit/modules && exec \"$@\"", modules.display());
    // Where it looks for a TPM: at a simulator's socket, and at a resource manager, whose own library speaks up too.
    for place in ["swtpm:path=/nowhere", "tabrmd:bus_type=session"] {
        let run = |arguments: &[&str]| {
            desk.countersign_after_mounting(&script, arguments)
                .without_env("COUNTERSIGN_MODULE")
                .env("TPM2_PKCS11_TCTI", place)
                .env("TPM2_PKCS11_STORE", desk.folder())
                .env("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nowhere")
                .with_pin()
                .go()
                .exits(0)
        };
        desk.write("tokens.json", UNSIGNED);
        let done = run(&["sign", "--key", SOFTHSM_KEY, "tokens.json"]);
        assert!(openssl_accepts(&desk, "tokens.json", "device/signkey.pub.pem"));
        assert!(run(&["list"]).stdout().contains("skipped: C_Initialize said CKR_GENERAL_ERROR"));
        only_countersign_speaks(&done);
    }
}
