//! What stands between a smart card and its module: pcscd, and GnuPG's scdaemon, which keeps a card for itself.

use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use countersign::device::ModuleKind;
use countersign::error::{Error, Exit};

use super::report::Report;

/// pcscd accepts at once.
const PATIENCE: Duration = Duration::from_secs(2);

/// Before any module is loaded: those for smart cards hang when pcscd does, and what was found until then is printed.
pub(super) fn check_that_pcscd_accepts(report: &mut Report<'_>) -> Result<(), Error> {
    match pcscd() {
        Err(NoPcscd { reason, accepts: false }) => report.fault(
            "pcscd",
            Exit::Device,
            format!("it does not answer ({reason}); modules for smart cards wait for it"),
            "systemctl restart pcscd",
        ),
        _ => Ok(()),
    }
}

/// `modules`: the paths of the modules that were found.
pub(super) fn check(modules: &[String], report: &mut Report<'_>) -> Result<(), Error> {
    let module = modules.iter().find(|path| ModuleKind::at(Path::new(path)).needs_pcscd());
    let reader = usb_reader();
    match (pcscd(), module, &reader) {
        (Ok(socket), _, _) => report.ok("pcscd", format!("runs ({})", socket.display()))?,
        (Err(_), None, None) => {
            report.ok("pcscd", "does not run; no smart card module and no reader needs it")?;
        }
        (Err(NoPcscd { reason, .. }), module, Some(reader)) => report.fault(
            "pcscd",
            Exit::Device,
            format!(
                "does not answer ({reason}), and there is a smart card or reader: {reader}{}",
                if module.is_none() { ", for which no module is configured" } else { "" }
            ),
            "apt install pcscd; systemctl start pcscd.socket",
        )?,
        (Err(NoPcscd { reason, .. }), Some(module), None) => report.warning(
            "pcscd",
            format!("does not answer ({reason}): {module} will see no card"),
            Some("apt install pcscd; systemctl start pcscd.socket"),
        )?,
    }
    match scdaemon() {
        Some(process) => report.warning(
            "scdaemon",
            format!("GnuPG's scdaemon runs (process {process}): it may hold a YubiKey for itself"),
            Some("gpgconf --kill scdaemon; for good: disable-ccid and pcsc-shared in ~/.gnupg/scdaemon.conf"),
        ),
        None => report.ok("scdaemon", "does not run"),
    }
}

/// Why pcscd does not answer.
struct NoPcscd {
    reason: String,
    /// False for one that lets everybody wait.
    accepts: bool,
}

/// The socket of a pcscd that answers, or why it does not.
fn pcscd() -> Result<PathBuf, NoPcscd> {
    let named = std::env::var_os("PCSCLITE_CSOCK_NAME").map(PathBuf::from);
    let socket = named.unwrap_or_else(|| PathBuf::from("/run/pcscd/pcscd.comm"));
    // One whose queue is full lets whoever connects wait.
    let (sender, answer) = mpsc::channel();
    let path = socket.clone();
    let connect = move || sender.send(UnixStream::connect(path).map(|_| ()));
    if let Err(error) = thread::Builder::new().spawn(connect) {
        return Err(NoPcscd { reason: format!("{}: not tried: {error}", socket.display()), accepts: true });
    }
    match answer.recv_timeout(PATIENCE) {
        Ok(Ok(())) => Ok(socket),
        Ok(Err(error)) => Err(NoPcscd { reason: format!("{}: {error}", socket.display()), accepts: true }),
        Err(_) => Err(NoPcscd { reason: format!("{}: it accepts nobody", socket.display()), accepts: false }),
    }
}

/// A reader, or a key that is one, on USB: an interface of class CCID (0b).
fn usb_reader() -> Option<String> {
    let read = |path: PathBuf| std::fs::read_to_string(path).ok().map(|text| text.trim().to_owned());
    let interfaces = std::fs::read_dir("/sys/bus/usb/devices").ok()?.flatten();
    interfaces.map(|entry| entry.path()).find_map(|interface| {
        (read(interface.join("bInterfaceClass"))? == "0b").then_some(())?;
        // 1-2:1.0 is an interface of the device 1-2.
        let device = interface.file_name()?.to_str()?.split(':').next()?.to_owned();
        let product = read(Path::new("/sys/bus/usb/devices").join(&device).join("product"));
        Some(product.unwrap_or(device))
    })
}

/// The number of a process that is called so.
fn scdaemon() -> Option<String> {
    let processes = std::fs::read_dir("/proc").ok()?.flatten().map(|entry| entry.path());
    let mut named = processes.filter(|process| {
        std::fs::read_to_string(process.join("comm")).is_ok_and(|name| name.trim_end() == "scdaemon")
    });
    Some(named.next()?.file_name()?.to_string_lossy().into_owned())
}
