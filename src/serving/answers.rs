//! Which answer each request gets. Knows no socket.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use hyper::http::request::Parts;
use hyper::http::{Method, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;
use zeroize::Zeroizing;

use super::hosts::{Hosts, header};
use super::roles::{Role, Roles};
use super::tokens::Tokens;
use crate::device::pending_calls;
use crate::rolesanywhere::{Region, output};

const NO_SESSION_TOKEN: &str = "a token from PUT /latest/api/token is required\n";
const TTL: &str = "x-aws-ec2-metadata-token-ttl-seconds";
const TOKEN: &str = "x-aws-ec2-metadata-token";
const CREDENTIALS: &str = "/latest/meta-data/iam/security-credentials";
/// No call to a device takes this long, not even one that waits for a touch.
const STUCK: Duration = Duration::from_secs(120);
const REGION: &str = "/latest/meta-data/placement/region";
const ZONE: &str = "/latest/meta-data/placement/availability-zone";
const DOCUMENT: &str = "/latest/dynamic/instance-identity/document";
/// Headers that a proxy adds (RFC 7239, RFC 9110 section 7.6.3, and the header that was used before them).
const OF_PROXIES: [&str; 3] = ["x-forwarded-for", "forwarded", "via"];

/// Everything that answers depend on.
#[derive(Debug)]
pub struct Service {
    roles: Arc<Roles>,
    tokens: Tokens,
    container_token: Option<SecretString>,
    hosts: Hosts,
    region: Region,
}

/// Why a request is refused, whatever it asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It came through a proxy, as this header says.
    Forwarded(&'static str),
    /// It names a host that is not this service's. If this is empty, it names none, or several.
    Host(String),
}

/// An answer.
pub struct Reply {
    /// The HTTP status.
    pub status: StatusCode,
    /// The media type of the body.
    pub content_type: &'static str,
    /// For how many seconds the token in the body is valid; `None` if the body is not a token.
    pub ttl: Option<u64>,
    /// The body, which may hold credentials.
    pub body: Zeroizing<String>,
    /// Why it was refused, if it was.
    pub refusal: Option<Refusal>,
}

impl Reply {
    fn text(status: StatusCode, body: impl Into<String>) -> Self {
        let body = Zeroizing::new(body.into());
        Reply { status, content_type: "text/plain", ttl: None, body, refusal: None }
    }

    fn json(status: StatusCode, body: Zeroizing<String>) -> Self {
        Reply { status, content_type: "application/json", ttl: None, body, refusal: None }
    }

    /// An error in the form that SDKs expect from a container's endpoint.
    fn container_error(status: StatusCode, code: &str, message: &str) -> Self {
        let body = json!({ "code": code, "message": message }).to_string();
        Reply::json(status, Zeroizing::new(body))
    }
}

impl Service {
    /// A service of `roles` at `address`, which also answers to the names in `allowed_hosts`. Without a
    /// container token, the container credentials endpoint is not served. Programs that ask for their region
    /// are told `region`.
    pub fn new(
        roles: Arc<Roles>,
        container_token: Option<SecretString>,
        (address, allowed_hosts): (SocketAddr, Vec<String>),
        region: Region,
    ) -> Self {
        let hosts = Hosts::new(address, allowed_hosts);
        Service { roles, tokens: Tokens::new(), container_token, hosts, region }
    }

    /// The answer to a request, whatever its body is.
    pub fn answer(&self, request: &Parts) -> Reply {
        let path = path_of(request);
        let role = path.strip_prefix("/creds/");
        if let Some(refusal) = self.refusal(request, role) {
            let message = match &refusal {
                Refusal::Forwarded(_) => "forwarded requests are refused",
                Refusal::Host(_) => "this host is not served",
            };
            let reply = match role {
                Some(_) => Reply::container_error(StatusCode::FORBIDDEN, "Forbidden", message),
                None => Reply::text(StatusCode::FORBIDDEN, format!("{message}\n")),
            };
            return Reply { refusal: Some(refusal), ..reply };
        }
        match (&request.method, path.as_str()) {
            (&Method::PUT, "/latest/api/token") => self.token(request),
            (&Method::GET, "/health") => self.health(),
            (&Method::GET, path) => {
                if let Some(role) = role {
                    return self.container(request, role);
                }
                match path.strip_prefix(CREDENTIALS) {
                    Some(rest) => self.metadata(request, rest),
                    None => self.place(request, path),
                }
            }
            (_, "/latest/api/token" | "/health" | CREDENTIALS | REGION | ZONE | DOCUMENT) => {
                Reply::text(StatusCode::METHOD_NOT_ALLOWED, "method not allowed\n")
            }
            _ => not_found(role),
        }
    }

    /// A request that came through a proxy may come from another computer. One that names another host may
    /// come from a web page that a name server has led here; such a page does not know the container's token.
    fn refusal(&self, request: &Parts, role: Option<&str>) -> Option<Refusal> {
        if let Some(name) = OF_PROXIES.into_iter().find(|name| request.headers.contains_key(*name)) {
            return Some(Refusal::Forwarded(name));
        }
        let host = self.hosts.check(request).err()?;
        (role.is_none() || !self.has_container_token(request)).then_some(Refusal::Host(host))
    }

    /// A program's place (zone and region), which some SDKs ask for before anything else.
    fn place(&self, request: &Parts, path: &str) -> Reply {
        let region = self.region.name();
        let (text, is_json) = match path {
            REGION => (region.to_owned(), false),
            // There is no zone. SDKs remove its last letter to get the region.
            ZONE => (format!("{region}a"), false),
            DOCUMENT => (json!({ "region": region }).to_string(), true),
            _ => return not_found(None),
        };
        if !self.has_session_token(request) {
            return Reply::text(StatusCode::UNAUTHORIZED, NO_SESSION_TOKEN);
        }
        match is_json {
            true => Reply::json(StatusCode::OK, Zeroizing::new(text)),
            false => Reply::text(StatusCode::OK, text),
        }
    }

    fn has_session_token(&self, request: &Parts) -> bool {
        header(request, TOKEN).is_some_and(|token| self.tokens.is_good(token))
    }

    fn has_container_token(&self, request: &Parts) -> bool {
        let given = header(request, "authorization").unwrap_or_default();
        self.container_token.as_ref().is_some_and(|token| {
            verify_slices_are_equal(given.as_bytes(), token.expose_secret().as_bytes()).is_ok()
        })
    }

    fn token(&self, request: &Parts) -> Reply {
        let seconds = header(request, TTL).and_then(|text| text.parse::<u64>().ok());
        let Some(seconds) = seconds.filter(|seconds| (1..=21_600).contains(seconds)) else {
            return Reply::text(StatusCode::BAD_REQUEST, format!("{TTL} must be 1 to 21600\n"));
        };
        match self.tokens.make(Duration::from_secs(seconds)) {
            Some(token) => Reply { ttl: Some(seconds), ..Reply::text(StatusCode::OK, token) },
            None => Reply::text(StatusCode::SERVICE_UNAVAILABLE, "the system provides no random numbers\n"),
        }
    }

    /// `rest` is what follows the path of all roles.
    fn metadata(&self, request: &Parts, rest: &str) -> Reply {
        if !self.has_session_token(request) {
            return Reply::text(StatusCode::UNAUTHORIZED, NO_SESSION_TOKEN);
        }
        match rest.strip_prefix('/') {
            None if rest.is_empty() => {
                // An EC2 instance has one role, and botocore takes the whole answer as its name.
                let first = self.roles.all().into_iter().next().map(|role| role.name);
                Reply::text(StatusCode::OK, first.unwrap_or_default())
            }
            Some(name) => self.of_role(name, |role| {
                role.valid_at(self.roles.now())
                    .map(|credentials| output::instance_metadata(credentials, role.since))
            }),
            None => Reply::text(StatusCode::NOT_FOUND, "not found\n"),
        }
    }

    fn container(&self, request: &Parts, name: &str) -> Reply {
        if self.container_token.is_none() {
            let message = "not served: --container-token-file is not given";
            return Reply::container_error(StatusCode::NOT_FOUND, "NotFound", message);
        }
        if !self.has_container_token(request) {
            let message = "the header Authorization must be the token of --container-token-file";
            return Reply::container_error(StatusCode::UNAUTHORIZED, "Unauthorized", message);
        }
        if self.roles.named(name).is_none() {
            return not_found(Some(name));
        }
        self.of_role(name, |role| {
            role.valid_at(self.roles.now()).map(|credentials| output::container(credentials, &role.arn))
        })
    }

    fn of_role(&self, name: &str, document: impl FnOnce(&Role) -> Option<Zeroizing<String>>) -> Reply {
        let Some(role) = self.roles.named(name) else {
            return Reply::text(StatusCode::NOT_FOUND, "there is no such role\n");
        };
        match document(&role) {
            Some(document) => Reply::json(StatusCode::OK, document),
            None => {
                let reason = role.last_error.unwrap_or_else(|| "they have ended".into());
                Reply::container_error(StatusCode::SERVICE_UNAVAILABLE, "NoCredentials", &reason)
            }
        }
    }

    /// The state of the service, without secrets.
    fn health(&self) -> Reply {
        let (roles, now) = (self.roles.all(), self.roles.now());
        let all_good = roles.iter().all(|role| role.valid_at(now).is_some());
        let renewing = roles.iter().all(|role| role.last_error.is_none());
        let state = match (all_good, renewing) {
            (true, true) => "ok",
            (true, false) => "not renewed",
            (false, _) => "no credentials",
        };
        let roles: Vec<_> = roles
            .iter()
            .map(|role| {
                json!({
                    "role": role.name,
                    "role_arn": role.arn.to_string(),
                    "expiration": role.credentials.as_ref().map(|credentials| credentials.expiration().as_str().to_owned()),
                    "good": role.valid_at(now).is_some(),
                    "renewals": role.renewals,
                    "last_error": role.last_error,
                })
            })
            .collect();
        let status = if all_good { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
        // A call to a device cannot be ended from here: clients are told that the renewal waits for it.
        let waits_for = pending_calls().into_iter().next().map(|call| {
            let seconds = call.since.elapsed().as_secs();
            json!({ "device": call.subject.as_ref(), "function": call.function, "seconds": seconds })
        });
        let document = json!({ "state": state, "waits_for": waits_for, "roles": roles });
        Reply::json(status, Zeroizing::new(document.to_string()))
    }

    /// Whether there is anything to hand out, or the renewal is not stuck in a device; otherwise a new
    /// process is better.
    pub fn is_of_use(&self) -> bool {
        let is_stuck = pending_calls().iter().any(|call| call.since.elapsed() > STUCK);
        let now = self.roles.now();
        !is_stuck || self.roles.all().iter().any(|role| role.valid_at(now).is_some())
    }
}

fn not_found(role: Option<&str>) -> Reply {
    match role {
        Some(_) => Reply::container_error(StatusCode::NOT_FOUND, "NotFound", "there is no such role"),
        None => Reply::text(StatusCode::NOT_FOUND, "not found\n"),
    }
}

/// The path with single slashes and none at its end: if an endpoint ends with a slash, two precede what is
/// asked for.
fn path_of(request: &Parts) -> String {
    let parts = request.uri.path().split('/').filter(|part| !part.is_empty());
    parts.fold(String::new(), |path, part| path + "/" + part)
}
