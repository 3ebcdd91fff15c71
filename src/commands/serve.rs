//! `countersign serve`: credentials for programs on this computer, as EC2's instance metadata service and as a container's
//! endpoint hand them out.

use std::net::SocketAddr;
use std::sync::Arc;

use countersign::credentials::{Clock, Event};
use countersign::duration::in_words;
use countersign::error::Error;
use countersign::serving::{
    Listener, NextAttempt, RenewalEvent, Renewals, ServedRole, Service, Systemd, container_token,
};

use super::aws;
use super::context::Context;
use crate::cli::Serve;
use crate::lifecycle::LIFECYCLE;
use crate::terminal::Terminal;

pub(crate) fn run(arguments: &Serve, context: &Context, terminal: &Terminal) -> Result<(), Error> {
    let wanted = aws::credential_options(&arguments.roles_anywhere);
    let served = match &arguments.config {
        Some(path) => ServedRole::of_file(path, &wanted)?,
        None => vec![ServedRole::of_options(&wanted)?],
    };
    let clock = Arc::new(Clock::default());
    let observer = |event: Event<'_>| aws::tell(&event, context, terminal);
    let mut providers = Vec::new();
    for ServedRole { name, request } in served {
        providers.push((name, aws::provider(request, context, &clock, &observer)?));
    }
    let token = arguments.container_token_file.as_deref().map(container_token).transpose()?;
    let listener = Listener::bind(SocketAddr::new(arguments.listen, arguments.port))?;
    let address = listener.address();
    if !arguments.listen.is_loopback() {
        terminal.warn(&format!(
            "{address} can be reached from other computers: whoever reaches it gets the credentials"
        ));
    }

    // Before anybody can ask: what cannot be had now is an error now.
    let told = |event: RenewalEvent<'_>| tell(&event, terminal);
    let mut renewals = Renewals::new(providers, &clock);
    renewals.start(&told)?;
    LIFECYCLE.become_service();
    let service = Service::new(Arc::clone(renewals.roles()), token, address);
    listener.serve(service, arguments.hop_limit, Systemd::of_environment())?;
    let roles = Arc::clone(renewals.roles());
    LIFECYCLE.give_up_when(move || roles.all().iter().all(|role| role.valid_at(roles.now()).is_none()));
    terminal.log(&format!("listening on http://{address}/"));

    loop {
        let asked = LIFECYCLE.wait_for_renewal(|| renewals.remaining());
        renewals.renew(asked, &told);
    }
}

fn tell(event: &RenewalEvent<'_>, terminal: &Terminal) {
    terminal.log(&match event {
        RenewalEvent::Obtained { role, credentials } => {
            format!("role={role} expiration={}", credentials.expiration().as_str())
        }
        RenewalEvent::Renewed { role, credentials } => {
            format!("role={role} renewed expiration={}", credentials.expiration().as_str())
        }
        RenewalEvent::Failed { role, error, next } => {
            let next = match next {
                NextAttempt::WhenAsked => "when SIGHUP asks for it".to_owned(),
                NextAttempt::In(pause) => format!("in {}", in_words(*pause)),
            };
            format!("role={role} not renewed, next try {next}: {error}")
        }
    });
}
