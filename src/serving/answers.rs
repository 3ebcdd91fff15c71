//! What is answered to which request. Knows no socket.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use hyper::http::request::Parts;
use hyper::http::{Method, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;
use zeroize::Zeroizing;

use super::roles::{Role, Roles};
use super::tokens::Tokens;
use crate::device::pending_calls;
use crate::rolesanywhere::output;

const TTL: &str = "x-aws-ec2-metadata-token-ttl-seconds";
const TOKEN: &str = "x-aws-ec2-metadata-token";
/// What proxies add: RFC 7239, RFC 9110 section 7.6.3, and the usual one.
const FORWARDED: [&str; 3] = ["forwarded", "via", "x-forwarded-for"];
const CREDENTIALS: &str = "/latest/meta-data/iam/security-credentials";
/// No device takes as long for a call, not even one that waits for a touch.
const STUCK: Duration = Duration::from_secs(120);
/// The address of the real service, which some programs name as host whatever they connect to.
const LINK_LOCAL: &str = "169.254.169.254";

/// All that answers depend on.
#[derive(Debug)]
pub struct Service {
    roles: Arc<Roles>,
    tokens: Tokens,
    container_token: Option<SecretString>,
    address: SocketAddr,
}

/// An answer.
pub struct Reply {
    /// The HTTP status.
    pub status: StatusCode,
    /// The media type of the body.
    pub content_type: &'static str,
    /// How long the token of the body is valid, in seconds; `None` where the body is no token.
    pub ttl: Option<u64>,
    /// The body, which may hold credentials.
    pub body: Zeroizing<String>,
}

impl Reply {
    fn text(status: StatusCode, body: impl Into<String>) -> Self {
        Reply { status, content_type: "text/plain", ttl: None, body: Zeroizing::new(body.into()) }
    }

    fn json(status: StatusCode, body: Zeroizing<String>) -> Self {
        Reply { status, content_type: "application/json", ttl: None, body }
    }
}

impl Service {
    /// A service of `roles` at `address`. Without a container token, the container credentials endpoint is not served.
    pub fn new(roles: Arc<Roles>, container_token: Option<SecretString>, address: SocketAddr) -> Self {
        Service { roles, tokens: Tokens::new(), container_token, address }
    }

    /// The answer to a request, whatever its body is.
    pub fn answer(&self, request: &Parts) -> Reply {
        // What came through a proxy may come from another computer; what names another host, from a web page that a
        // name server has led here.
        if FORWARDED.iter().any(|name| request.headers.contains_key(*name)) {
            return Reply::text(StatusCode::FORBIDDEN, "forwarded requests are refused\n");
        }
        if !self.is_own_host(request) {
            return Reply::text(StatusCode::FORBIDDEN, "this host is not served\n");
        }
        let path = request.uri.path();
        let path = path.strip_suffix('/').unwrap_or(path);
        match (&request.method, path) {
            (&Method::PUT, "/latest/api/token") => self.token(request),
            (&Method::GET, "/health") => self.health(),
            (&Method::GET, path) => {
                if let Some(role) = path.strip_prefix("/creds/") {
                    return self.container(request, role);
                }
                match path.strip_prefix(CREDENTIALS) {
                    Some(rest) => self.metadata(request, rest),
                    None => Reply::text(StatusCode::NOT_FOUND, "not found\n"),
                }
            }
            (_, "/latest/api/token" | "/health" | CREDENTIALS) => {
                Reply::text(StatusCode::METHOD_NOT_ALLOWED, "method not allowed\n")
            }
            _ => Reply::text(StatusCode::NOT_FOUND, "not found\n"),
        }
    }

    fn token(&self, request: &Parts) -> Reply {
        let seconds = header(request, TTL).and_then(|text| text.parse::<u64>().ok());
        let Some(seconds) = seconds.filter(|seconds| (1..=21_600).contains(seconds)) else {
            return Reply::text(StatusCode::BAD_REQUEST, format!("{TTL} must be 1 to 21600\n"));
        };
        match self.tokens.make(Duration::from_secs(seconds)) {
            Some(token) => Reply { ttl: Some(seconds), ..Reply::text(StatusCode::OK, token) },
            None => Reply::text(StatusCode::SERVICE_UNAVAILABLE, "the system gives no random numbers\n"),
        }
    }

    /// `rest` is what stands behind the path of all roles.
    fn metadata(&self, request: &Parts, rest: &str) -> Reply {
        if !header(request, TOKEN).is_some_and(|token| self.tokens.is_good(token)) {
            return Reply::text(StatusCode::UNAUTHORIZED, "a token of PUT /latest/api/token is wanted\n");
        }
        match rest.strip_prefix('/') {
            None if rest.is_empty() => {
                // A machine of EC2 has one role, and botocore takes the whole answer for its name.
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
        let Some(token) = &self.container_token else {
            return Reply::text(StatusCode::NOT_FOUND, "not served: --container-token-file is not given\n");
        };
        let given = header(request, "authorization").unwrap_or_default();
        if verify_slices_are_equal(given.as_bytes(), token.expose_secret().as_bytes()).is_err() {
            return Reply::text(StatusCode::UNAUTHORIZED, "the token of the token's file is wanted\n");
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
                let body = json!({ "code": "NoCredentials", "message": reason }).to_string();
                Reply::json(StatusCode::SERVICE_UNAVAILABLE, Zeroizing::new(body))
            }
        }
    }

    /// How it goes; nothing secret.
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
        // A call to a device cannot be ended from here: whoever looks is told that the renewal waits for it.
        let waits_for = pending_calls().into_iter().next().map(|call| {
            let seconds = call.since.elapsed().as_secs();
            json!({ "device": call.subject.as_ref(), "function": call.function, "seconds": seconds })
        });
        let document = json!({ "state": state, "waits_for": waits_for, "roles": roles });
        Reply::json(status, Zeroizing::new(document.to_string()))
    }

    /// Whether there is anything to hand out, or the renewal is not stuck in a device: else a new process is better.
    pub fn is_of_use(&self) -> bool {
        let is_stuck = pending_calls().iter().any(|call| call.since.elapsed() > STUCK);
        let now = self.roles.now();
        !is_stuck || self.roles.all().iter().any(|role| role.valid_at(now).is_some())
    }

    /// Whether the request names this service as its host: by an address that it has, or as localhost.
    fn is_own_host(&self, request: &Parts) -> bool {
        if request.headers.get_all("host").iter().count() != 1 {
            return false;
        }
        let Some(host) = header(request, "host") else { return false };
        // A target in absolute form names the host, whatever the header says (RFC 9112 section 3.2.2).
        let target = request.uri.authority().map(|authority| authority.as_str());
        self.is_own_name(host) && target.is_none_or(|target| self.is_own_name(target))
    }

    fn is_own_name(&self, host: &str) -> bool {
        let (name, port) = match host.rsplit_once(':') {
            Some((name, port)) if !port.contains(']') && !port.is_empty() => (name, Some(port)),
            _ => (host, None),
        };
        if port.is_some_and(|port| port.parse() != Ok(self.address.port())) {
            return false;
        }
        let name = name.trim_start_matches('[').trim_end_matches(']');
        match name.parse::<IpAddr>() {
            Ok(address) => {
                address.is_loopback()
                    || address == self.address.ip()
                    || name == LINK_LOCAL
                    || self.address.ip().is_unspecified()
            }
            Err(_) => name.eq_ignore_ascii_case("localhost"),
        }
    }
}

fn header<'a>(request: &'a Parts, name: &str) -> Option<&'a str> {
    request.headers.get(name)?.to_str().ok()
}
