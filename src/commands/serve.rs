//! `countersign serve`: credentials for programs on this computer, as EC2's instance metadata service and as a container's
//! endpoint hand them out.

mod answers;
mod config;
mod container_token;
mod http;
mod notify;
mod roles;
mod tokens;

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use countersign::duration::in_words;
use countersign::error::{Error, Exit, Explain};

use super::aws::{Provider, Renewal};
use super::key::KeyOptions;
use crate::cli::Serve;
use crate::lifecycle::LIFECYCLE;
use crate::terminal::Terminal;
use answers::Service;
use notify::Systemd;
use roles::Roles;

pub(crate) fn run(arguments: &Serve, options: &KeyOptions, terminal: &Terminal) -> Result<(), Error> {
    let wanted = config::roles(arguments)?;
    let mut providers = Vec::new();
    for (name, wanted) in wanted {
        providers.push((name, Provider::new(wanted, options, terminal)?));
    }
    let container_token =
        arguments.container_token_file.as_deref().map(container_token::of_file).transpose()?;
    let address = SocketAddr::new(arguments.listen, arguments.port);
    let listener = TcpListener::bind(address).map_err(|source| NotListening { address, source })?;
    let address = listener.local_addr().map_err(|source| NotListening { address, source })?;
    if !arguments.listen.is_loopback() {
        terminal.warn(&format!(
            "{address} can be reached from other computers: whoever reaches it gets the credentials"
        ));
    }

    // Before anybody can ask: what cannot be had now is an error now.
    let roles = Arc::new(Roles::new(
        providers.iter().map(|(name, provider)| (name.clone(), provider.role().clone())),
    ));
    let mut renewals = Vec::new();
    for (name, provider) in &mut providers {
        let credentials = provider.credentials()?;
        let mut renewal = Renewal::due();
        renewal.succeeded(&credentials);
        terminal.log(&format!("role={name} expiration={}", credentials.expiration().as_str()));
        roles.renewed(name, credentials);
        renewals.push(renewal);
    }
    LIFECYCLE.become_service();
    let service = Service::new(Arc::clone(&roles), container_token, address);
    http::serve(listener, service, arguments.hop_limit, Systemd::of_environment())
        .map_err(|source| NotListening { address, source })?;
    terminal.log(&format!("listening on http://{address}/"));

    loop {
        let next = renewals.iter().map(Renewal::remaining).min().unwrap_or(Duration::MAX / 4);
        let asked = LIFECYCLE.wait_for_renewal(next);
        for ((name, provider), renewal) in providers.iter_mut().zip(&mut renewals) {
            if !renewal.remaining().is_zero() && !asked {
                continue;
            }
            match provider.credentials() {
                Ok(credentials) => {
                    terminal.log(&format!(
                        "role={name} renewed expiration={}",
                        credentials.expiration().as_str()
                    ));
                    renewal.succeeded(&credentials);
                    roles.renewed(name, credentials);
                }
                Err(error) => {
                    renewal.failed(&error);
                    let next = match renewal.waits_for_person() {
                        true => "when SIGHUP asks for it".to_owned(),
                        false => format!("in {}", in_words(renewal.remaining())),
                    };
                    terminal.log(&format!("role={name} not renewed, next try {next}: {error}"));
                    roles.failed(name, &error.to_string());
                }
            }
        }
    }
}

/// The address cannot be had.
#[derive(Debug, thiserror::Error)]
#[error("nothing can listen on {address}: {source}")]
struct NotListening {
    address: SocketAddr,
    source: std::io::Error,
}

impl Explain for NotListening {
    fn exit(&self) -> Exit {
        Exit::Other
    }

    fn hint(&self) -> Option<String> {
        Some(
            "another program may listen there: choose another --port, or --port 0 for any that is free"
                .into(),
        )
    }
}
