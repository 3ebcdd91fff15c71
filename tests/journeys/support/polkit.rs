//! A pcscd that asks polkit, with a system bus and a polkitd of its own.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::support::desk::Desk;
use crate::support::parts::tool;
use crate::support::real_modules::{Service, listens};

/// Separate processes and mounts: /run is a folder of the desk, and polkit has no rules except its actions'
/// defaults.
const MACHINE: &str = "
    set -e
    # Its users are not the one who runs the tests.
    umask 022
    chmod 755 \"$1\"
    mount --bind \"$1\" /run
    mount -t tmpfs -o mode=755 tmpfs /etc/polkit-1/rules.d
    mount -t tmpfs tmpfs /usr/share/polkit-1/rules.d
    mount -t tmpfs tmpfs /usr/lib/pcsc/drivers
    mkdir -p /run/dbus /run/pcscd
    dbus-daemon --system --nofork --nopidfile &
    until [ -S /run/dbus/system_bus_socket ]; do sleep 0.05; done
    /usr/lib/polkit-1/polkitd --no-debug &
    # pcscd asks at each connection; before polkitd is there, it refuses all.
    until dbus-send --system --print-reply --dest=org.freedesktop.PolicyKit1 /org/freedesktop/PolicyKit1/Authority \
        org.freedesktop.DBus.Peer.Ping >/dev/null 2>&1; do sleep 0.05; done
    exec pcscd --foreground --config /usr/lib/pcsc/drivers";

pub struct Polkit {
    machine: Service,
    run: PathBuf,
}

impl Polkit {
    /// None if pcscd is built without polkit, as up to Debian 12, or if this user may not become another one:
    /// only root may.
    pub fn start(desk: &Desk) -> Option<Self> {
        let asks = Path::new("/usr/share/polkit-1/actions/org.debian.pcsc-lite.policy").exists();
        if !asks || !rustix::process::geteuid().is_root() {
            return None;
        }
        let run = desk.path("run");
        fs::create_dir(&run).expect("a folder");
        let mut machine = Command::new("unshare");
        machine.args(["--mount", "sh", "-c", MACHINE, "sh"]).arg(&run);
        let mut polkit = Polkit { machine: Service::start(desk, &mut machine), run };
        let socket = polkit.socket();
        polkit.machine.until("pcscd listens", |_| listens(&socket));
        Some(polkit)
    }

    pub fn socket(&self) -> PathBuf {
        self.run.join("pcscd/pcscd.comm")
    }

    /// polkitd misses one of several changes of its folder now and then (2 times in 14 beside six busy loops); another
    /// change makes it read all rules again. False, for a condition that is waited for.
    pub fn looks_again(&self) -> bool {
        std::thread::sleep(Duration::from_secs(1));
        let file = "/etc/polkit-1/rules.d/99-nothing.rules";
        self.as_root(&format!("umask 022; echo '// nothing' >{file}; sleep 0.2; rm {file}"));
        false
    }

    /// Runs a line of shell as root on that machine.
    pub fn as_root(&self, line: &str) {
        let target = format!("--target={}", self.machine.id());
        tool("nsenter", &[&target, "--mount", "sh", "-c", line].map(AsRef::as_ref));
    }
}
