//! Telling systemd how it goes (sd_notify(3)); nothing where systemd did not start it.

use std::env;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

/// systemd, if it listens.
#[derive(Clone)]
pub(super) struct Systemd {
    address: Option<SocketAddr>,
    watchdog: Option<Duration>,
}

impl Systemd {
    pub(super) fn of_environment() -> Self {
        let address = env::var("NOTIFY_SOCKET").ok().and_then(|path| match path.strip_prefix('@') {
            Some(name) => SocketAddr::from_abstract_name(name).ok(),
            None => SocketAddr::from_pathname(path).ok(),
        });
        let microseconds = env::var("WATCHDOG_USEC").ok().and_then(|text| text.parse().ok());
        Systemd { address, watchdog: microseconds.map(Duration::from_micros) }
    }

    /// It can be used now.
    pub(super) fn ready(&self) {
        self.tell("READY=1");
    }

    /// It is not stuck.
    pub(super) fn alive(&self) {
        self.tell("WATCHDOG=1");
    }

    /// How often systemd wants to hear that, if at all: half of what it waits.
    pub(super) fn interval(&self) -> Option<Duration> {
        self.watchdog.map(|watchdog| watchdog / 2)
    }

    fn tell(&self, state: &str) {
        let Some(address) = &self.address else { return };
        let _ = UnixDatagram::unbound().and_then(|socket| socket.send_to_addr(state.as_bytes(), address));
    }
}
