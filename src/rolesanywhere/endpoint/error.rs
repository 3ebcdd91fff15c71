//! What can be wrong with an endpoint.

use crate::error::{Exit, Explain};

/// Why there is no endpoint. No message quotes a URL, which may contain a password.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EndpointError {
    /// Neither `https://` nor `http://`.
    #[error("the endpoint does not begin with https:// or http://")]
    NoScheme,
    /// `user:password@`.
    #[error("the endpoint has a user name or an @ in it")]
    UserInfo,
    /// `?` or `#`.
    #[error("the endpoint has a ? or # in it")]
    Query,
    /// More than the host.
    #[error("the endpoint has a path")]
    Path,
    /// Neither a name nor an address.
    #[error("{text:?} is neither a host name nor an address")]
    Host {
        /// Its beginning.
        text: String,
    },
    /// Not a number from 1 to 65535.
    #[error("the endpoint's port is not a number from 1 to 65535")]
    Port,
    /// `http` to another computer.
    #[error("the endpoint http://{host} would send credentials over the network unencrypted")]
    NotEncrypted {
        /// The host.
        host: String,
    },
}

impl Explain for EndpointError {
    fn exit(&self) -> Exit {
        Exit::Usage
    }

    fn hint(&self) -> Option<String> {
        let hint = match self {
            EndpointError::NotEncrypted { .. } => {
                "write https://; http is for 127.0.0.1, [::1] and localhost only"
            }
            EndpointError::Host { .. } => {
                "a host is a name in ASCII (an international one in its xn-- form), an IPv4 address, or an IPv6 \
                 address in brackets"
            }
            _ => {
                "write a scheme, a host and perhaps a port, as in https://rolesanywhere.us-east-1.amazonaws.com"
            }
        };
        Some(hint.to_owned())
    }
}
