//! Sending a request: TLS 1.2 or later, no redirects, a proxy only when one is given, and a timeout for every wait.

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use ureq::tls::{Certificate as Root, RootCerts, TlsConfig, TlsProvider};
use ureq::{Agent, Proxy};
use zeroize::Zeroizing;

use super::{Answer, Credentials, ResponseError, SignedRequest, read};
use crate::error::{Exit, Explain};

/// For one request, from resolving the host name to the answer's last byte. AWS answers within a second.
const WHOLE: Duration = Duration::from_secs(14);
const CONNECT: Duration = Duration::from_secs(5);
/// Credentials take two kilobytes.
const MAX_BODY: u64 = 1 << 20;

/// How to reach the service.
#[derive(Clone, Debug, Default)]
pub struct ClientOptions {
    /// The trusted roots (`AWS_CA_BUNDLE`), as DER; none means the system's roots (`SSL_CERT_FILE`,
    /// `SSL_CERT_DIR`) and Mozilla's.
    pub roots: Option<Vec<Vec<u8>>>,
    /// The certificates of a bundle that cannot be used.
    pub skipped_roots: Vec<SkippedRoot>,
    /// The proxy's URL.
    pub proxy: Option<String>,
    /// Accept any server: only for testing a network.
    pub trust_any_server: bool,
}

/// A certificate of a bundle that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SkippedRoot {
    /// The bundle.
    pub bundle: PathBuf,
    /// Its position in the bundle, from 1.
    pub number: usize,
    /// Why.
    pub reason: String,
}

/// A client of the service.
#[derive(Debug)]
pub struct Client {
    roots: Option<Vec<Vec<u8>>>,
    trust_any_server: bool,
    proxy: Option<Proxy>,
    /// Created when something is sent: loading the system's roots takes longer than finding credentials in a
    /// cache.
    agent: OnceLock<Agent>,
}

/// An answer, and how long it took.
#[derive(Debug)]
pub struct Answered {
    /// The credentials, or why there are none.
    pub result: Result<Credentials, ResponseError>,
    /// The HTTP status.
    pub status: u16,
    /// The identifier that AWS's support asks for.
    pub request_id: Option<String>,
    /// From the first byte to the last.
    pub took: Duration,
    /// The answer's date, in Unix seconds (RFC 9110 section 6.6.1).
    pub date: Option<i64>,
    /// When its head had arrived.
    pub arrived: Instant,
}

impl Client {
    /// A client with these options.
    ///
    /// # Errors
    /// [`ClientError::Proxy`] for an invalid proxy URL, [`ClientError::ProxyKind`] for a proxy that does not
    /// speak HTTP.
    pub fn new(options: &ClientOptions) -> Result<Self, ClientError> {
        let proxy = options.proxy.as_deref().map(read_proxy).transpose()?;
        Ok(Client {
            roots: options.roots.clone(),
            trust_any_server: options.trust_any_server,
            proxy,
            agent: OnceLock::new(),
        })
    }

    fn agent(&self) -> Agent {
        let roots = self.roots.clone().unwrap_or_else(known_roots);
        let roots: Vec<Root<'static>> = roots.iter().map(|root| Root::from_der(root).to_owned()).collect();
        let tls = TlsConfig::builder()
            .provider(TlsProvider::Rustls)
            .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
            .root_certs(RootCerts::new_with_certs(&roots))
            .disable_verification(self.trust_any_server)
            .build();
        Agent::config_builder()
            .tls_config(tls)
            .proxy(self.proxy.clone())
            .max_redirects(0)
            .max_redirects_will_error(false)
            .http_status_as_error(false)
            .timeout_global(Some(WHOLE))
            .timeout_connect(Some(CONNECT))
            .user_agent(concat!("countersign/", env!("CARGO_PKG_VERSION")))
            // One credential an hour: by then, a connection that was kept has been cut.
            .max_idle_connections(0)
            .build()
            .new_agent()
    }

    /// Sends the request once, and waits for the answer at most until `deadline`. `now` is this computer's
    /// time in seconds since 1970, for comparing with the answer's.
    ///
    /// # Errors
    /// [`ClientError`] if there is no answer.
    pub fn send(
        &self,
        request: &SignedRequest,
        now: i64,
        deadline: Instant,
    ) -> Result<Answered, ClientError> {
        let start = Instant::now();
        let unreachable =
            |source: ureq::Error| ClientError::unreachable(&request.url, self.proxy.as_ref(), source);
        // ureq resolves names on a separate thread, and panics if the system has none left.
        if let Err(error) = thread::Builder::new().spawn(|| {}) {
            return Err(unreachable(ureq::Error::Io(error)));
        }
        let mut sending = self.agent.get_or_init(|| self.agent()).post(&request.url);
        // The `host` header is derived from the URL, which comes from the same endpoint.
        for (name, value) in request.headers.iter().filter(|(name, _)| *name != "host") {
            sending = sending.header(*name, value);
        }
        let left = deadline.saturating_duration_since(start).max(Duration::from_millis(1));
        let sending = sending.config().timeout_global(Some(left.min(WHOLE))).build();
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

/// The roots of the system and Mozilla's. Mozilla's alone lack a company's own, and the system's alone may be
/// empty in a small container.
fn known_roots() -> Vec<Vec<u8>> {
    let of_system = rustls_native_certs::load_native_certs().certs;
    let of_mozilla = webpki_root_certs::TLS_SERVER_ROOT_CERTS;
    of_system.iter().chain(of_mozilla).map(|root| root.to_vec()).collect()
}

fn read_proxy(url: &str) -> Result<Proxy, ClientError> {
    let scheme = url.split_once("://").map_or("http", |(scheme, _)| scheme).to_ascii_lowercase();
    if ["socks", "socks4", "socks4a", "socks5", "socks5h"].contains(&scheme.as_str()) {
        return Err(ClientError::ProxyKind { scheme });
    }
    // Its text may hold a password.
    Proxy::new(url).map_err(|_| ClientError::Proxy)
}

/// There was no answer.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The proxy's URL is invalid.
    #[error("the proxy's URL is malformed")]
    Proxy,
    /// The proxy does not speak HTTP.
    #[error("the proxy scheme {scheme} is not supported")]
    ProxyKind {
        /// The scheme of its URL.
        scheme: String,
    },
    /// The proxy could not be reached.
    #[error("the proxy {proxy} could not be reached: {reason}")]
    ProxyUnreachable {
        /// Its host and port.
        proxy: String,
        /// Why.
        reason: String,
    },
    /// The service could not be reached, or the answer did not arrive whole.
    #[error("{url} could not be reached: {reason}")]
    Unreachable {
        /// The URL.
        url: String,
        /// Why.
        reason: String,
        /// Whether the other side presented an untrusted certificate.
        distrusted: bool,
    },
}

impl ClientError {
    fn unreachable(url: &str, proxy: Option<&Proxy>, source: ureq::Error) -> Self {
        if let Some(proxy) = proxy.filter(|_| is_before_connection(&source)) {
            let proxy = format!("{}:{}", proxy.host(), proxy.port());
            return ClientError::ProxyUnreachable { proxy, reason: source.to_string() };
        }
        let distrusted = matches!(&source, ureq::Error::Rustls(rustls::Error::InvalidCertificate(_)))
            || source.to_string().contains("invalid peer certificate");
        ClientError::Unreachable { url: url.to_owned(), reason: source.to_string(), distrusted }
    }
}

impl Explain for ClientError {
    fn exit(&self) -> Exit {
        match self {
            ClientError::Proxy | ClientError::ProxyKind { .. } => Exit::Usage,
            ClientError::Unreachable { .. } | ClientError::ProxyUnreachable { .. } => Exit::Aws,
        }
    }

    fn hint(&self) -> Option<String> {
        let hint = match self {
            ClientError::ProxyKind { .. } => "HTTPS_PROXY names one for HTTP: http://proxy.example.com:3128",
            ClientError::ProxyUnreachable { .. } => {
                "HTTPS_PROXY names it: check whether it runs, or leave --with-proxy (COUNTERSIGN_WITH_PROXY) out"
            }
            ClientError::Proxy => "as in http://proxy.example.com:3128",
            ClientError::Unreachable { distrusted: true, .. } => {
                "if your own proxy intercepts the connection, set AWS_CA_BUNDLE to the file with its CA"
            }
            ClientError::Unreachable { .. } => {
                "check whether this computer reaches the endpoint; a proxy is used only with --with-proxy"
            }
        };
        Some(hint.into())
    }

    fn may_pass(&self) -> bool {
        matches!(
            self,
            ClientError::Unreachable { distrusted: false, .. } | ClientError::ProxyUnreachable { .. }
        )
    }
}

/// Whether the other side of the connection, which is the proxy if there is one, could not be reached.
fn is_before_connection(error: &ureq::Error) -> bool {
    use std::io::ErrorKind;
    match error {
        ureq::Error::HostNotFound | ureq::Error::ConnectionFailed => true,
        ureq::Error::Timeout(timeout) => matches!(timeout, ureq::Timeout::Resolve | ureq::Timeout::Connect),
        ureq::Error::Io(error) => matches!(
            error.kind(),
            ErrorKind::ConnectionRefused | ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable
        ),
        _ => false,
    }
}
