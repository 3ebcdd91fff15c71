//! openCryptoki's soft token: its daemon, a clock that cryptoki cannot read, exportable keys, and in version
//! 3.8 no CKM_SHA256_RSA_PKCS.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;

use crate::support::clock;
use crate::support::desk::{Desk, SIGNKEY};
use crate::support::openssl::{openssl, openssl_accepts};
use crate::support::parts::{softhsm_module, tool, where_it_may_mount};
use crate::support::real_modules::{
    PIN, Service, device_is_gone, generate_key, initialise, lists_and_signs, module, only_countersign_speaks,
    pkcs11_tool,
};
use crate::support::run::Run;
use crate::support::token_files::UNSIGNED;

const QUORUM: &[u8] = include_bytes!("../../samples/aws-quorum-user-unsigned.json");

/// Debian's configuration puts the soft token into this slot.
const SLOT: &str = "3";

/// The daemon's name, its shared memory (of both kinds) and its folders exist once on a machine. Each test
/// therefore gets a machine of its own, made of namespaces for processes, shared memory and mounts, where
/// p11-kit knows openCryptoki and SoftHSM2. With version 3.8 a user can do this; 3.23 keeps its configuration
/// from users: scripts/needs-root.sh.
const MACHINE: &str = "
    set -e
    # The daemon's user must be able to enter the folders, whatever the caller's umask.
    umask 022
    for folder in /var/lib/opencryptoki /var/log /run /dev/shm; do mount -t tmpfs tmpfs $folder; done
    # Where the tests run as a user, the only group of this machine is root's, which passes for pkcs11.
    if ! chgrp pkcs11 /run 2>/dev/null; then
        sed 's/^pkcs11:x:[0-9]*/pkcs11:x:0/' /etc/group >/run/group
        mount --bind /run/group /etc/group
    fi
    # Which folders there are, and whose, differs from version to version: the package says. Version 3.23 makes the rest.
    mkdir /run/lock
    grep -E '^[dD] (/run|/var/lock|/var/lib)/' /usr/lib/tmpfiles.d/opencryptoki.conf |
        while read -r _ folder mode user group _; do
            mkdir -p $folder; chown $user:$group $folder; chmod $mode $folder
        done
    mkdir -p /var/lib/opencryptoki/swtok/TOK_OBJ /var/log/opencryptoki
    mount --bind \"$1\" /usr/share/p11-kit/modules
    pkcsslotd
    exec sleep infinity";

/// A machine of its own with a key on the soft token.
struct OpenCryptoki {
    _machine: Service,
    /// The command that enters it.
    enter: Vec<String>,
    desk: Desk,
}

impl OpenCryptoki {
    fn new() -> Self {
        Self::beside(Desk::without_device())
    }

    /// The soft token beside the device of a desk.
    fn beside(desk: Desk) -> Self {
        let modules = desk.path("p11-kit-modules");
        fs::create_dir(&modules).unwrap();
        for (name, path) in [("opencryptoki", library()), ("softhsm2", PathBuf::from(softhsm_module()))] {
            fs::write(modules.join(format!("{name}.module")), format!("module: {}\n", path.display()))
                .unwrap();
        }
        desk.write("pin", PIN.as_bytes());
        desk.write("tokens.json", UNSIGNED);
        let as_user: &[&str] = match rustix::process::geteuid().is_root() {
            true => &[],
            false => &["--user", "--preserve-credentials"],
        };
        let unshare = where_it_may_mount();
        let mut machine = Command::new(unshare[0]);
        machine.args(&unshare[1..]).args(["--ipc", "--pid", "--fork", "--mount-proc", "--kill-child"]);
        machine.args(["sh", "-c", MACHINE, "sh"]).arg(modules);
        let mut machine = Service::start(&desk, &mut machine);
        let mut inside = String::new();
        let enter = |inside: &str| -> Vec<String> {
            let target = format!("--target={inside}");
            let enter = [&["nsenter", &target, "--mount", "--ipc", "--pid"], as_user].concat();
            enter.into_iter().map(str::to_owned).collect()
        };
        // The daemon does not tolerate a connection without a request, so its own module asks it.
        machine.until("pkcsslotd answers", |machine| {
            let child = Command::new("pgrep").args(["--parent", &machine.id().to_string()]).output().unwrap();
            inside = String::from_utf8(child.stdout).unwrap().trim().to_owned();
            let words = enter(&inside);
            let mut ask = Command::new(&words[0]);
            ask.args(&words[1..]).args(["pkcs11-tool", "--list-slots", "--module"]).arg(library());
            // Until the process runs this program, the daemon has not been started.
            fs::read(format!("/proc/{inside}/comm")).is_ok_and(|name| name == b"sleep\n")
                && ask.output().unwrap().status.success()
        });
        let enter = enter(&inside);
        let opencryptoki = OpenCryptoki { _machine: machine, enter, desk };
        initialise(&opencryptoki.enter(), &library(), SLOT);
        generate_key(&opencryptoki.enter(), &library(), "01", "signkey", &[]);
        opencryptoki
    }

    fn enter(&self) -> Vec<&str> {
        self.enter.iter().map(String::as_str).collect()
    }

    /// The program on that machine, with p11-kit's modules.
    fn countersign(&self, arguments: &[&str]) -> Run {
        // Entering a mount namespace leads to its root folder.
        let folder = self.desk.folder().to_str().unwrap();
        let there = ["sh", "-c", "cd \"$0\" && exec \"$@\"", folder];
        self.desk
            .countersign_under(&[&self.enter()[..], &there].concat(), arguments)
            .without_env("COUNTERSIGN_MODULE")
            .env("COUNTERSIGN_PIN_SOURCE", "file:pin")
    }

    fn stop_daemon(&self) {
        let stop =
            "pkill -x pkcsslotd && while find /run -name pkcsslotd.socket | grep -q .; do sleep 0.05; done";
        let words = [&self.enter()[1..], &["sh", "-c", stop]].concat();
        tool("nsenter", &words.iter().map(OsStr::new).collect::<Vec<_>>());
    }

    /// What the module says about itself, according to OpenSC's tool.
    fn says(&self, question: &str) -> String {
        pkcs11_tool(&self.enter(), &library(), &["--slot", SLOT, question])
    }

    /// Names the key by the device's manufacturer, which is IBM in some versions and IBM Corp. in others.
    fn key_by_manufacturer(&self) -> String {
        let said = self.says("--list-slots");
        let slot = said.lines().skip_while(|line| !line.ends_with(": officer"));
        let maker = slot.filter_map(|line| line.trim().strip_prefix("token manufacturer : ")).next().unwrap();
        format!("pkcs11:token=officer;manufacturer={};id=%01;type=private", maker.trim().replace(' ', "%20"))
    }
}

fn library() -> PathBuf {
    module("libopencryptoki.so.0")
}

#[test]
fn a_device_that_signs_only_digests_signs_all_formats() {
    let opencryptoki = OpenCryptoki::new();
    let desk = &opencryptoki.desk;
    let exportable = ["--allow-exportable"];
    let run = |arguments: &[&str]| opencryptoki.countersign(arguments);
    let key = "pkcs11:token=officer;id=%01;type=private";
    lists_and_signs(desk, key, &exportable, run).says("CAN leave the device");
    // If the device cannot hash, as in version 3.8, countersign does it.
    desk.write("officer.token", b"any bytes");
    let detached = ["sign", "--detached", "--json", "--allow-exportable", "officer.token"];
    let document = opencryptoki.countersign(&detached).go().exits(0).json();
    let can_hash = opencryptoki.says("--list-mechanisms").contains("SHA256-RSA-PKCS,");
    let mechanism = if can_hash { "CKM_SHA256_RSA_PKCS" } else { "CKM_RSA_PKCS" };
    assert_eq!(document["mechanism"], mechanism);
    let [public_key, signature, message] = ["officer.pub", "officer.token.sig", "officer.token"]
        .map(|file| desk.path(file).display().to_string());
    openssl(&["dgst", "-sha256", "-verify", &public_key, "-signature", &signature, &message]);
    desk.write("quorum.json", QUORUM);
    let approve = ["sign", "--allow-exportable", "--username", "alice", "quorum.json"];
    opencryptoki.countersign(&approve).go().exits(0);
    let count = ["verify", "--public-key", "alice=officer.pub", "--require", "1", "quorum.json"];
    opencryptoki.countersign(&count).go().exits(0);
}

#[test]
fn its_keys_can_leave_it_so_they_are_refused_unless_asked_for() {
    let opencryptoki = OpenCryptoki::new();
    let done = opencryptoki.countersign(&["sign", "tokens.json"]).go().exits(4);
    only_countersign_speaks(&done.says("it can leave the device (CKA_EXTRACTABLE is true"));
    assert_eq!(opencryptoki.desk.read("tokens.json"), UNSIGNED);
}

#[test]
fn wrong_pins_are_counted_and_the_last_attempt_is_kept() {
    let opencryptoki = OpenCryptoki::new();
    opencryptoki.desk.write("wrong-pin", b"00000000");
    let sign = ["sign", "--allow-exportable", "--pin-source", "file:wrong-pin", "tokens.json"];
    let wrong = || opencryptoki.countersign(&sign).go().exits(5);
    only_countersign_speaks(&wrong().says("CKR_PIN_INCORRECT"));
    wrong().says("one attempt is left before the PIN is locked");
    wrong().says("it was not used");
    let last = [&sign[..], &["--use-last-try"]].concat();
    opencryptoki.countersign(&last).go().exits(5).says("is locked");
    opencryptoki.countersign(&["sign", "--allow-exportable", "tokens.json"]).go().exits(5).says("is locked");
    assert_eq!(opencryptoki.desk.read("tokens.json"), UNSIGNED);
}

#[test]
fn without_its_daemon_the_module_is_named_and_the_others_work() {
    let opencryptoki = OpenCryptoki::beside(Desk::new());
    let desk = &opencryptoki.desk;
    // Two devices with one label: the manufacturer distinguishes them.
    let key = opencryptoki.key_by_manufacturer();
    let sign = ["sign", "--allow-exportable", "--key", &key, "tokens.json"];
    opencryptoki.countersign(&sign).go().exits(0);
    desk.write("tokens.json", UNSIGNED);
    opencryptoki.stop_daemon();
    let listed = opencryptoki.countersign(&["list"]).go().exits(0);
    assert!(listed.stdout().contains("opencryptoki"), "{}", listed.stdout());
    assert!(listed.stdout().contains("skipped: C_Initialize said CKR_HOST_MEMORY"), "{}", listed.stdout());
    let gone = opencryptoki.countersign(&sign).go();
    device_is_gone(desk, &gone);
    let sign = ["sign", "--key", SIGNKEY, "--pin-source", "file:device/pin", "tokens.json"];
    only_countersign_speaks(&opencryptoki.countersign(&sign).go().exits(0));
    assert!(openssl_accepts(desk, "tokens.json", "device/signkey.pub.pem"));
    // If it is named, it must work.
    desk.write("tokens.json", UNSIGNED);
    let module = library().display().to_string();
    let named = ["--module", &module, "sign", "--allow-exportable", "tokens.json"];
    opencryptoki.countersign(&named).go().exits(3).says("CKR_HOST_MEMORY").says("libopencryptoki.so.0");
    assert_eq!(desk.read("tokens.json"), UNSIGNED);
}

#[test]
fn a_user_who_is_not_in_its_group_is_told_of_the_group() {
    let opencryptoki = OpenCryptoki::new();
    // A user who may use the program and the files here, and is in no group.
    let folder = opencryptoki.desk.folder();
    fs::set_permissions(folder, PermissionsExt::from_mode(0o755)).unwrap();
    fs::set_permissions(folder.join("tokens.json"), PermissionsExt::from_mode(0o644)).unwrap();
    let user = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"];
    let there = ["sh", "-c", "cd \"$0\" && exec \"$@\"", folder.to_str().unwrap()];
    let module = library().display().to_string();
    for arguments in [&["list"][..], &["sign", "tokens.json", "-o", "-"], &["doctor"]] {
        let words = [&opencryptoki.enter()[..], &user, &there].concat();
        let run = opencryptoki.desk.countersign_under(&words, &[&["--module", &module], arguments].concat());
        let done = clock::of_system(run).go().exits(3);
        let said = done.stdout() + &done.stderr();
        assert!(said.contains("openCryptoki serves only members of the group pkcs11"), "{said}");
        assert!(said.contains("usermod -aG pkcs11") && !said.contains("unplug"), "{said}");
    }
}
