//! Reporting the service's state to systemd (sd_notify(3)); does nothing if systemd did not start it.

use std::env;
use std::io::ErrorKind;
use std::time::Duration;

use crate::platform::socket::Mailbox;

/// systemd, if it listens, before it was told anything.
#[derive(Debug)]
pub struct Systemd {
    mailbox: Option<Mailbox>,
    watchdog: Option<Duration>,
}

/// systemd's watchdog. Only [`Systemd::ready`] creates one: a service that is not ready has no watchdog to
/// feed.
#[derive(Debug)]
pub struct Watchdog {
    systemd: Systemd,
    /// Whether systemd received that the service is ready.
    is_known: bool,
}

/// When to repeat what systemd did not receive.
const AGAIN: Duration = Duration::from_secs(1);

impl Systemd {
    /// As `NOTIFY_SOCKET` and `WATCHDOG_USEC` say.
    pub fn of_environment() -> Self {
        let mailbox = env::var("NOTIFY_SOCKET").ok().and_then(|name| Mailbox::named(&name));
        let microseconds = env::var("WATCHDOG_USEC").ok().and_then(|text| text.parse().ok());
        Systemd { mailbox, watchdog: microseconds.map(Duration::from_micros) }
    }

    /// The service can be used now.
    pub fn ready(self) -> Watchdog {
        let is_known = self.tell("READY=1");
        Watchdog { systemd: self, is_known }
    }

    /// True if it was received, or nobody listens. This does not wait for a socket whose queue is full,
    /// because it runs on the thread that answers requests.
    fn tell(&self, state: &str) -> bool {
        let Some(mailbox) = &self.mailbox else { return true };
        !matches!(mailbox.send(state.as_bytes()), Err(error) if error.kind() == ErrorKind::WouldBlock)
    }
}

impl Watchdog {
    /// The service is not stuck.
    pub fn alive(&mut self) {
        let state = if self.is_known { "WATCHDOG=1" } else { "READY=1\nWATCHDOG=1" };
        self.is_known |= self.systemd.tell(state);
    }

    /// How long until systemd expects to hear that, if it does: half of the time that it waits.
    pub fn interval(&self) -> Option<Duration> {
        let regular = self.systemd.watchdog.map(|watchdog| watchdog / 2);
        if self.is_known { regular } else { Some(regular.map_or(AGAIN, |regular| regular.min(AGAIN))) }
    }
}
