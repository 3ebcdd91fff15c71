//! Sockets with a name in the file system, by which daemons of other systems are asked: there are none here.

use std::convert::Infallible;
use std::io::{self, Read, Write};
use std::os::windows::io::AsSocket;
use std::path::Path;
use std::time::Duration;

/// Whether smart cards are reached by pcscd: Windows has a service of its own.
pub(crate) const HAS_PCSCD: bool = false;

/// After how many hops its packets are dropped.
///
/// # Errors
/// What the system said.
pub(crate) fn set_hop_limit(stream: impl AsSocket, is_ipv6: bool, limit: u8) -> io::Result<()> {
    let stream = socket2::SockRef::from(&stream);
    match is_ipv6 {
        false => stream.set_ttl_v4(limit.into()),
        true => stream.set_unicast_hops_v6(limit.into()),
    }
}

/// A connection to a daemon: there is none.
#[derive(Debug)]
pub(crate) struct LocalStream(Infallible);

impl LocalStream {
    /// Finds nobody.
    ///
    /// # Errors
    /// Always.
    pub(crate) fn connect(_path: impl AsRef<Path>) -> io::Result<Self> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub(crate) fn set_read_timeout(&self, _limit: Option<Duration>) -> io::Result<()> {
        match self.0 {}
    }

    pub(crate) fn set_write_timeout(&self, _limit: Option<Duration>) -> io::Result<()> {
        match self.0 {}
    }
}

impl Read for LocalStream {
    fn read(&mut self, _bytes: &mut [u8]) -> io::Result<usize> {
        match self.0 {}
    }
}

impl Write for LocalStream {
    fn write(&mut self, _bytes: &[u8]) -> io::Result<usize> {
        match self.0 {}
    }

    fn flush(&mut self) -> io::Result<()> {
        match self.0 {}
    }
}

/// Where somebody listens for single messages: nobody does.
#[derive(Debug)]
pub(crate) struct Mailbox(Infallible);

impl Mailbox {
    /// None.
    pub(crate) fn named(_name: &str) -> Option<Self> {
        None
    }

    /// Sends a message.
    ///
    /// # Errors
    /// None: nobody has one.
    pub(crate) fn send(&self, _message: &[u8]) -> io::Result<()> {
        match self.0 {}
    }
}
