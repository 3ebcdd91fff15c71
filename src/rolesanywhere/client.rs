//! Sending a request: TLS 1.2 or later, no redirects, a proxy only when one is given, and an end to every wait.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use ureq::Agent;
use ureq::tls::{Certificate as Root, RootCerts, TlsConfig, TlsProvider};
use zeroize::Zeroizing;

use super::{Answer, Credentials, ResponseError, SignedRequest, read};
use crate::certificate::Certificate;
use crate::error::{Exit, Explain};

/// For one request from its name's resolution to the answer's last byte.
const WHOLE: Duration = Duration::from_secs(30);
const CONNECT: Duration = Duration::from_secs(10);
/// Credentials are two kilobytes.
const MAX_BODY: u64 = 1 << 20;

/// How to reach the service.
#[derive(Clone, Debug, Default)]
pub struct ClientOptions {
    /// Whom to trust (`AWS_CA_BUNDLE`); none: Mozilla's roots.
    pub roots: Option<Vec<Certificate>>,
    /// The proxy's URL.
    pub proxy: Option<String>,
    /// Accept any server: for tests of a network, never for use.
    pub trust_any_server: bool,
}

/// A client of the service.
#[derive(Debug)]
pub struct Client {
    agent: Agent,
}

/// An answer, and how long it took.
#[derive(Debug)]
pub struct Answered {
    /// The credentials, or why there are none.
    pub result: Result<Credentials, ResponseError>,
    /// The HTTP status.
    pub status: u16,
    /// What AWS's support wants to know.
    pub request_id: Option<String>,
    /// From the first byte to the last.
    pub took: Duration,
    /// The time that the answer bears, in Unix seconds (RFC 9110 section 6.6.1).
    pub date: Option<i64>,
    /// When its head was there.
    pub arrived: Instant,
}

impl Client {
    /// A client with these options.
    ///
    /// # Errors
    /// [`ClientError::Proxy`] for a proxy's URL that is none.
    pub fn new(options: &ClientOptions) -> Result<Self, ClientError> {
        let roots = match &options.roots {
            Some(roots) => {
                let roots: Vec<Root<'static>> =
                    roots.iter().map(|root| Root::from_der(root.der()).to_owned()).collect();
                RootCerts::new_with_certs(&roots)
            }
            None => RootCerts::WebPki,
        };
        let tls = TlsConfig::builder()
            .provider(TlsProvider::Rustls)
            .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
            .root_certs(roots)
            .disable_verification(options.trust_any_server)
            .build();
        let proxy = options.proxy.as_deref().map(ureq::Proxy::new).transpose();
        // Its text may hold a password.
        let proxy = proxy.map_err(|_| ClientError::Proxy)?;
        let agent = Agent::config_builder()
            .tls_config(tls)
            .proxy(proxy)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .http_status_as_error(false)
            .timeout_global(Some(WHOLE))
            .timeout_connect(Some(CONNECT))
            .user_agent(concat!("countersign/", env!("CARGO_PKG_VERSION")))
            // A credential an hour: a connection that was kept is a connection that has been cut.
            .max_idle_connections(0)
            .build()
            .new_agent();
        Ok(Client { agent })
    }

    /// Sends the request once. `now` is this computer's time in seconds since 1970, for comparing with the answer's.
    ///
    /// # Errors
    /// [`ClientError`] when there is no answer.
    pub fn send(&self, request: &SignedRequest, now: i64) -> Result<Answered, ClientError> {
        let start = Instant::now();
        let unreachable = |source: ureq::Error| ClientError::unreachable(&request.url, source);
        // ureq looks names up on a thread of its own, and panics where there is none.
        if let Err(error) = thread::Builder::new().spawn(|| {}) {
            return Err(unreachable(ureq::Error::Io(error)));
        }
        let mut sending = self.agent.post(&request.url);
        // The host's header is made of the URL, which is made of the same endpoint.
        for (name, value) in request.headers.iter().filter(|(name, _)| *name != "host") {
            sending = sending.header(*name, value);
        }
        let mut response = sending.send(&request.body[..]).map_err(unreachable)?;
        let arrived = Instant::now();
        let status = response.status().as_u16();
        let body = response.body_mut().with_config().limit(MAX_BODY).read_to_vec().map_err(unreachable)?;
        let body = Zeroizing::new(body);
        let header = |name: &str| response.headers().get(name).and_then(|value| value.to_str().ok());
        let request_id = header("x-amzn-requestid");
        let answer = Answer {
            status,
            error_type: header("x-amzn-errortype"),
            request_id,
            date: header("date"),
            body: &body,
        };
        Ok(Answered {
            result: read(&answer, now),
            status,
            request_id: request_id.map(str::to_owned),
            took: start.elapsed(),
            date: answer.date(),
            arrived,
        })
    }
}

/// No answer.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The proxy's URL is none.
    #[error("the proxy's URL is none")]
    Proxy,
    /// The service was not reached, or the answer did not arrive whole.
    #[error("{url} could not be reached: {reason}")]
    Unreachable {
        /// Where to.
        url: String,
        /// Why.
        reason: String,
        /// Whether the other side showed a certificate that is not trusted.
        distrusted: bool,
    },
}

impl ClientError {
    fn unreachable(url: &str, source: ureq::Error) -> Self {
        let distrusted = matches!(&source, ureq::Error::Rustls(rustls::Error::InvalidCertificate(_)))
            || source.to_string().contains("invalid peer certificate");
        ClientError::Unreachable { url: url.to_owned(), reason: source.to_string(), distrusted }
    }
}

impl Explain for ClientError {
    fn exit(&self) -> Exit {
        match self {
            ClientError::Proxy => Exit::Usage,
            ClientError::Unreachable { .. } => Exit::Aws,
        }
    }

    fn hint(&self) -> Option<String> {
        let hint = match self {
            ClientError::Proxy => "as in http://proxy.example.com:3128",
            ClientError::Unreachable { distrusted: true, .. } => {
                "if a proxy of your own stands between, AWS_CA_BUNDLE names the file with its CA"
            }
            ClientError::Unreachable { .. } => {
                "see whether this computer reaches the endpoint; a proxy is used only with --with-proxy"
            }
        };
        Some(hint.into())
    }

    fn may_pass(&self) -> bool {
        matches!(self, ClientError::Unreachable { distrusted: false, .. })
    }
}
