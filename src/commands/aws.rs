//! What the commands for IAM Roles Anywhere share: their options in the library's form, and the words for
//! what happens.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use countersign::credentials::{
    Clock, CredentialOptions, CredentialRequest, Event, NextAttempt, Observer, Provider,
};
use countersign::duration::in_words;
use countersign::error::{Error, Exit};
use countersign::rolesanywhere::SkippedRoot;

use super::context::Context;
use super::validity::when_valid;
use crate::cli::RolesAnywhere;
use crate::terminal::Terminal;

/// The options in the library's form.
pub(crate) fn credential_options(options: &RolesAnywhere) -> CredentialOptions {
    let options = options.clone();
    let (endpoint, endpoint_variable) = match options.endpoint {
        Some(url) => (Some(url), None),
        None => endpoint_of_environment(),
    };
    CredentialOptions {
        certificate: options.certificate,
        private_key: options.private_key,
        intermediates: options.intermediates,
        role_arn: options.role_arn,
        profile_arn: options.profile_arn,
        trust_anchor_arn: options.trust_anchor_arn,
        session_duration: options.session_duration,
        role_session_name: options.role_session_name,
        region: options.region,
        endpoint,
        endpoint_variable,
        fips: options.fips,
        dualstack: options.dualstack,
        with_proxy: options.with_proxy,
        trust_any_server: options.no_verify_ssl,
    }
}

/// What to ask AWS for. Where that is incomplete, the quotes on the command line may be the reason.
pub(crate) fn request(options: &CredentialOptions) -> Result<CredentialRequest, Error> {
    CredentialRequest::parse(options).map_err(|error| match Terminal::quoting_advice() {
        Some(advice) if matches!(error.exit(), Exit::Usage | Exit::Malformed) => {
            error.with_consequence(advice)
        }
        _ => error,
    })
}

/// As AWS's programs read it: the service's own variable takes precedence over the one for all services
/// (<https://docs.aws.amazon.com/sdkref/latest/guide/feature-ss-endpoints.html>).
fn endpoint_of_environment() -> (Option<String>, Option<&'static str>) {
    let is_true = |name: &str| std::env::var(name).is_ok_and(|value| value.eq_ignore_ascii_case("true"));
    if is_true("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS") {
        return (None, None);
    }
    let of_variable = |name: &'static str| {
        let value = std::env::var(name).ok().filter(|value| !value.is_empty())?;
        Some((Some(value), Some(name)))
    };
    ["AWS_ENDPOINT_URL_ROLESANYWHERE", "AWS_ENDPOINT_URL"]
        .into_iter()
        .find_map(of_variable)
        .unwrap_or_default()
}

/// Obtains credentials with the devices that the options name.
pub(crate) fn provider<'a>(
    request: CredentialRequest,
    options: &Context,
    clock: &Arc<Clock>,
    observer: Observer<'a>,
) -> Result<Provider<'a>, Error> {
    Ok(Provider::new(request, options.access().clone(), Arc::clone(clock), observer)?)
}

/// Says what happens while credentials are obtained.
pub(crate) fn tell(event: &Event<'_>, options: &Context, terminal: &Terminal) {
    let log = |line: String| terminal.detail(&format!("rolesanywhere: {line}"));
    match event {
        Event::AnyServerIsTrusted => {
            terminal.warn("--no-verify-ssl: anyone between this computer and AWS can take the credentials");
        }
        Event::RootSkipped(SkippedRoot { bundle, number, reason }) => {
            terminal.warn(&format!("certificate {number} of the CA bundle {bundle:?} is left out: {reason}"))
        }
        Event::Device(event) => options.tell(event, terminal),
        Event::KeyOpened(key) => terminal.detail(&format!("{}: {}", key.uri(), key.facts().kind())),
        Event::KeyCanLeave if terminal.is_verbose() => terminal.warn("this key can leave its device"),
        Event::KeyCanLeave => {}
        Event::ChainIsNotValid { certificate } => terminal.warn(&format!(
            "the certificate {} above it {}: AWS will refuse the chain; --intermediates FILE names one with its renewal",
            certificate.subject(),
            when_valid(certificate, SystemTime::now())
        )),
        Event::CertificateEndsSoon { certificate, left } => terminal.warn(&format!(
            "the certificate {} ends in {}, on {}",
            certificate.subject(),
            in_words(*left),
            certificate.last_day()
        )),
        Event::SigningBegins => options.watch().signing_begins(|| "the request".into()),
        Event::SigningEnds => options.watch().signing_ends(),
        Event::Signed { request, mechanism, bytes } => {
            log(format!("signed mechanism={mechanism} bytes={bytes}"));
            terminal.debug(&format!("canonical request:\n{}", request.canonical_request()));
            terminal.debug(&format!("string to sign:\n{}", request.string_to_sign()));
        }
        Event::Answered { method, host, answer } => log(format!(
            "method={method} host={host} status={} request_id={} ms={}",
            answer.status,
            answer.request_id.as_deref().unwrap_or("-"),
            answer.took.as_millis()
        )),
        Event::ClockIsOff { ahead } => terminal.warn(&format!(
            "this computer's clock is {} AWS's by {}; the request is sent once more with AWS's time",
            if *ahead > 0 { "ahead of" } else { "behind" },
            in_words(Duration::from_secs(ahead.unsigned_abs()))
        )),
        Event::AttemptFailed { attempts, error, pause } => {
            log(format!("try={attempts} error={:?} pause_ms={}", error.to_string(), pause.as_millis()))
        }
    }
}

/// When a failed renewal is tried again, in words.
pub(super) fn next_attempt(next: NextAttempt) -> String {
    match next {
        NextAttempt::WhenAsked => "when SIGHUP asks for it or the PIN's file was corrected".to_owned(),
        NextAttempt::In(pause) => format!("in {}", in_words(pause)),
    }
}
