//! Telling systemd how it goes (sd_notify(3)); nothing where systemd did not start it.

use std::env;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

/// systemd, if it listens, before it has been told anything.
#[derive(Debug)]
pub struct Systemd {
    address: Option<SocketAddr>,
    watchdog: Option<Duration>,
}

/// systemd's watchdog. Only [`Systemd::ready`] makes one: a service that is not ready has no watchdog to feed.
#[derive(Debug)]
pub struct Watchdog {
    systemd: Systemd,
}

impl Systemd {
    /// As `NOTIFY_SOCKET` and `WATCHDOG_USEC` say.
    pub fn of_environment() -> Self {
        let address = env::var("NOTIFY_SOCKET").ok().and_then(|path| match path.strip_prefix('@') {
            Some(name) => SocketAddr::from_abstract_name(name).ok(),
            None => SocketAddr::from_pathname(path).ok(),
        });
        let microseconds = env::var("WATCHDOG_USEC").ok().and_then(|text| text.parse().ok());
        Systemd { address, watchdog: microseconds.map(Duration::from_micros) }
    }

    /// The service can be used now.
    pub fn ready(self) -> Watchdog {
        self.tell("READY=1");
        Watchdog { systemd: self }
    }

    fn tell(&self, state: &str) {
        let Some(address) = &self.address else { return };
        let _ = UnixDatagram::unbound().and_then(|socket| socket.send_to_addr(state.as_bytes(), address));
    }
}

impl Watchdog {
    /// The service is not stuck.
    pub fn alive(&self) {
        self.systemd.tell("WATCHDOG=1");
    }

    /// How often systemd expects to hear that, if at all: half of the time that it waits.
    pub fn interval(&self) -> Option<Duration> {
        self.systemd.watchdog.map(|watchdog| watchdog / 2)
    }
}
