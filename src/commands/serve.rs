//! `countersign serve`: credentials for programs on this computer, provided as EC2's instance metadata
//! service and the container credentials endpoint do.

use std::net::SocketAddr;
use std::sync::Arc;

use countersign::credentials::{Clock, Event};
use countersign::error::Error;
use countersign::platform::advice::how_to_own;
use countersign::save;
use countersign::serving::{
    Listener, Refusal, RenewalEvent, Renewals, RequestEvent, RequestObserver, ServedRole, Service, Systemd,
    container_token,
};

use super::aws;
use super::context::Context;
use crate::cli::Serve;
use crate::lifecycle::LIFECYCLE;
use crate::terminal::{self, Terminal};

pub(crate) fn run(arguments: &Serve, context: &Context, terminal: &Terminal) -> Result<(), Error> {
    let wanted = aws::credential_options(&arguments.roles_anywhere);
    let served = match &arguments.config {
        Some(path) => ServedRole::of_file(path, &wanted)?,
        None => vec![ServedRole::of_options(&wanted)?],
    };
    // The first role's region, because programs ask for the first role's credentials.
    let region = served[0].request.region.clone();
    let clock = Arc::new(Clock::default());
    let observer = |event: Event<'_>| aws::tell(&event, context, terminal);
    let mut providers = Vec::new();
    for ServedRole { name, request } in served {
        providers.push((name, aws::provider(request, context, &clock, &observer)?));
    }
    let token = arguments
        .container_token_file
        .as_deref()
        .map(|path| container_token(path, arguments.container_token_mode))
        .transpose()?;
    if let Some((path, uid)) =
        arguments.container_token_file.as_ref().and_then(|path| Some((path, save::other_owner(path)?)))
    {
        terminal.warn(&format!(
            "the token file {path:?} belongs to another user ({uid}), who can ask for all credentials: {}",
            how_to_own(path)
        ));
    }
    let listener = Listener::bind(SocketAddr::new(arguments.listen, arguments.port))?;
    let address = listener.address();
    if !arguments.listen.is_loopback() {
        terminal.warn(&format!(
            "{address} can be reached from other computers: anyone who reaches it gets the credentials"
        ));
    }

    // Before any request: if nothing can be obtained now, that is reported now.
    let told = |event: RenewalEvent<'_>| tell(&event, terminal);
    let mut renewals = Renewals::new(providers, &clock);
    renewals.start(arguments.require_all, &told)?;
    LIFECYCLE.become_service();
    let hosts = (address, arguments.allow_hosts.clone());
    let service = Service::new(Arc::clone(renewals.roles()), token, hosts, region);
    let observer = request_log(terminal.is_verbose());
    listener.serve(service, arguments.hop_limit, Systemd::of_environment(), observer)?;
    let roles = Arc::clone(renewals.roles());
    LIFECYCLE.give_up_when(move || roles.all().iter().all(|role| role.valid_at(roles.now()).is_none()));
    terminal.log(&format!("listening on http://{address}"));

    loop {
        let asked = LIFECYCLE.wait_for_renewal(|| renewals.remaining());
        renewals.renew(asked, &told);
    }
}

/// Logs each answer, on the thread that gives it.
fn request_log(is_verbose: bool) -> RequestObserver {
    Box::new(move |event| match event {
        RequestEvent::Answered { method, path, status, client, agent } if is_verbose => {
            let client = client.map_or_else(|| "-".into(), |client| client.to_string());
            terminal::log(&format!(
                "request: {method} {path:?} status={status} client={client} agent={agent:?}"
            ));
        }
        RequestEvent::Answered { .. } => {}
        RequestEvent::Refused { refusal, client } => {
            let client = client.map_or_else(|| "a client".into(), |client| client.ip().to_string());
            terminal::log(&match refusal {
                Refusal::Forwarded(header) => format!(
                    "refused: {client} connected through a proxy (header {header}), which may act for other computers: let it \
                     connect directly, for example with NO_PROXY; logged once"
                ),
                Refusal::Host(name) if name.is_empty() => {
                    format!("refused: {client} names no host, or several; logged once")
                }
                Refusal::Host(name) => format!(
                    "refused: {client} names the host {name:?}, which is not this service's: --allow-host NAME allows it; \
                     logged once"
                ),
            });
        }
    })
}

fn tell(event: &RenewalEvent<'_>, terminal: &Terminal) {
    terminal.log(&match event {
        RenewalEvent::Obtained { role, expiration } => {
            format!("role={role} expiration={}", expiration.as_str())
        }
        RenewalEvent::Renewed { role, expiration } => {
            format!("role={role} renewed expiration={}", expiration.as_str())
        }
        RenewalEvent::Failed { role, error, next } => {
            let next = aws::next_attempt(*next);
            format!("role={role} not renewed, next attempt {next}: {error}")
        }
    });
}
