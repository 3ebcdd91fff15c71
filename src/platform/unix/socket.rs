//! Sockets with a name in the file system, by which daemons of this computer are asked.

use std::io;
use std::os::fd::AsFd;
pub(crate) use std::os::unix::net::UnixStream as LocalStream;
use std::os::unix::net::{SocketAddr, UnixDatagram};

use super::own;
pub(crate) use super::own::HAS_PCSCD;

/// After how many hops its packets are dropped.
///
/// # Errors
/// What the system said.
pub(crate) fn set_hop_limit(stream: impl AsFd, is_ipv6: bool, limit: u8) -> io::Result<()> {
    match is_ipv6 {
        false => rustix::net::sockopt::set_ip_ttl(stream, limit.into())?,
        true => rustix::net::sockopt::set_ipv6_unicast_hops(stream, Some(limit))?,
    }
    Ok(())
}

/// Where somebody listens for single messages.
#[derive(Debug)]
pub(crate) struct Mailbox(SocketAddr);

impl Mailbox {
    /// The one of this name: a path, or what the system means by `@NAME`.
    pub(crate) fn named(name: &str) -> Option<Self> {
        match name.strip_prefix('@') {
            Some(name) => own::address_without_a_file(name).map(Mailbox),
            None => SocketAddr::from_pathname(name).ok().map(Mailbox),
        }
    }

    /// Sends a message, without a wait for room.
    ///
    /// # Errors
    /// What the system said: [`io::ErrorKind::WouldBlock`] if there is no room.
    pub(crate) fn send(&self, message: &[u8]) -> io::Result<()> {
        let socket = UnixDatagram::unbound()?;
        socket.set_nonblocking(true)?;
        socket.send_to_addr(message, &self.0).map(|_| ())
    }
}
