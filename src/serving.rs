//! Credentials for programs on this computer, provided as EC2's instance metadata service and the container
//! credentials endpoint do.
//!
//! Which roles there are ([`ServedRole`]), the credentials to serve ([`Roles`]), keeping them valid
//! ([`Renewals`]) and what is answered ([`Service`]) know no socket; [`Listener`] and [`Systemd`] are the
//! edge. Prints nothing.

mod answers;
mod config;
mod container_token;
mod hosts;
mod http;
mod notify;
mod renewals;
mod roles;
mod tokens;

pub use answers::{Refusal, Reply, Service};
pub use config::{ConfigError, RoleOptions, ServedRole};
pub use container_token::{CONTAINER_TOKEN_MODE, ContainerTokenError, container_token};
pub use http::{Listener, NotListening, RequestEvent, RequestObserver};
pub use notify::{Systemd, Watchdog};
pub use renewals::{RenewalEvent, Renewals};
pub use roles::{Role, Roles};
