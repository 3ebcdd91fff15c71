//! The connections: HTTP/1.1 on a separate thread, while another thread renews.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::convert::Infallible;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE};
use hyper::http::request::Parts;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tokio::task::{JoinHandle, LocalSet, spawn_local};

use super::answers::{Refusal, Reply, Service};
use super::notify::Systemd;
use crate::error::{Exit, Explain};
use crate::platform::socket;

/// At one time. For one more, the connection is closed that has been idle for longest: SDKs wait for a
/// second, and a client that opens connections and says nothing must not keep them out.
const MOST_CONNECTIONS: usize = 512;
/// For a request's head.
const PATIENCE: Duration = Duration::from_secs(10);
/// No connection lives longer, so that those of clients that vanished silently end too.
const LONGEST: Duration = Duration::from_secs(600);
const MOST_HEADERS: usize = 64;
/// For a request's head, in bytes: hyper would keep 400 KiB for each connection whose head never ends.
const MOST_HEAD: usize = 16 << 10;

/// Further names are not remembered: a client that keeps inventing names fills neither memory nor the log.
const MOST_REFUSALS: usize = 16;

/// What the observer learns about a request. It holds no token.
#[derive(Debug)]
pub enum RequestEvent<'a> {
    /// A request was answered.
    Answered {
        /// Its method.
        method: &'a str,
        /// Its path, as it was asked for.
        path: &'a str,
        /// The status of the answer.
        status: u16,
        /// Where it came from.
        client: Option<SocketAddr>,
        /// The header `User-Agent`.
        agent: &'a str,
    },
    /// A request was refused, the first one for this reason.
    Refused {
        /// Why.
        refusal: &'a Refusal,
        /// Where it came from.
        client: Option<SocketAddr>,
    },
}

/// An observer of requests, called on the thread that answers them.
pub type RequestObserver = Box<dyn Fn(RequestEvent<'_>) + Send + Sync>;

/// A service and the observer of its answers.
struct Answering {
    service: Service,
    observer: RequestObserver,
    refused: Mutex<BTreeSet<String>>,
}

/// A socket that accepts connections, but is not served yet.
#[derive(Debug)]
pub struct Listener {
    socket: TcpListener,
    address: SocketAddr,
}

impl Listener {
    /// Listens on `address`; port 0 means any free port.
    ///
    /// # Errors
    /// [`NotListening`].
    pub fn bind(address: SocketAddr) -> Result<Self, NotListening> {
        let failed = |source| NotListening { address, source };
        let socket = TcpListener::bind(address).map_err(failed)?;
        let address = socket.local_addr().map_err(failed)?;
        Ok(Listener { socket, address })
    }

    /// Where it listens, with the port.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers from now on, on a separate thread, and reports readiness to systemd, and each request to
    /// `observer`. Answers cross at most `hop_limit` routers.
    ///
    /// # Errors
    /// [`NotListening`]: the system has no thread or no event queue left.
    pub fn serve(
        self,
        service: Service,
        hop_limit: u8,
        systemd: Systemd,
        observer: RequestObserver,
    ) -> Result<(), NotListening> {
        let address = self.address;
        let answering = Answering { service, observer, refused: Mutex::default() };
        serve(self.socket, answering, hop_limit, systemd).map_err(|source| NotListening { address, source })
    }
}

/// Nothing can listen on the address.
#[derive(Debug, thiserror::Error)]
#[error("nothing can listen on {address}: {source}")]
pub struct NotListening {
    address: SocketAddr,
    source: io::Error,
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

fn serve(listener: TcpListener, service: Answering, hop_limit: u8, systemd: Systemd) -> io::Result<()> {
    listener.set_nonblocking(true)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build()?;
    let listener = {
        let _inside = runtime.enter();
        tokio::net::TcpListener::from_std(listener)?
    };
    let service = Arc::new(service);
    std::thread::Builder::new().name("http".into()).spawn(move || {
        runtime.block_on(async move {
            // The connections are tasks of this one thread.
            let tasks = LocalSet::new();
            tasks.spawn_local(keep_alive(Arc::clone(&service), systemd));
            tasks.run_until(accept(listener, service, hop_limit)).await;
        });
    })?;
    Ok(())
}

/// Tells systemd that requests are answered, at first that they are from now on. The answering thread does
/// this, since the other one may be waiting for AWS, or for a device, while there is something to hand out.
async fn keep_alive(service: Arc<Answering>, systemd: Systemd) {
    let mut watchdog = systemd.ready();
    while let Some(interval) = watchdog.interval() {
        tokio::time::sleep(interval).await;
        if service.service.is_of_use() {
            watchdog.alive();
        }
    }
}

/// A connection, and when it was last answered.
struct Open {
    task: JoinHandle<()>,
    answered: Rc<Cell<Instant>>,
}

async fn accept(listener: tokio::net::TcpListener, service: Arc<Answering>, hop_limit: u8) {
    let mut all: Vec<Open> = Vec::new();
    loop {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            // For example, no descriptors are left: that passes.
            Err(_) => {
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        if all.len() >= MOST_CONNECTIONS {
            all.retain(|open| !open.task.is_finished());
        }
        if all.len() >= MOST_CONNECTIONS
            && let Some(idlest) = (0..all.len()).min_by_key(|at| all[*at].answered.get())
        {
            all.swap_remove(idlest).task.abort();
        }
        let answered = Rc::new(Cell::new(Instant::now()));
        let (service, is_answered) = (Arc::clone(&service), Rc::clone(&answered));
        let task = spawn_local(async move {
            let answering = connection(stream, &service, hop_limit, &is_answered);
            let _ = tokio::time::timeout(LONGEST, answering).await;
        });
        all.push(Open { task, answered });
    }
}

async fn connection(
    stream: TcpStream,
    service: &Arc<Answering>,
    hop_limit: u8,
    answered: &Cell<Instant>,
) -> Result<(), hyper::Error> {
    let _ = stream.set_nodelay(true);
    let client = stream.peer_addr().ok();
    let is_ipv6 = stream.local_addr().is_ok_and(|address| address.is_ipv6());
    let _ = socket::set_hop_limit(&stream, is_ipv6, hop_limit);
    let answer = |request: Request<Incoming>| {
        let service = Arc::clone(service);
        async move {
            answered.set(Instant::now());
            let (parts, _) = request.into_parts();
            Ok::<_, Infallible>(response(service.answer(&parts, client)))
        }
    };
    http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(PATIENCE)
        .max_headers(MOST_HEADERS)
        .max_buf_size(MOST_HEAD)
        .serve_connection(TokioIo::new(stream), service_fn(answer))
        .await
}

impl Answering {
    fn answer(&self, request: &Parts, client: Option<SocketAddr>) -> Reply {
        let reply = self.service.answer(request);
        if let Some(refusal) = &reply.refusal
            && self.is_first(refusal)
        {
            (self.observer)(RequestEvent::Refused { refusal, client });
        }
        let agent = request.headers.get("user-agent").and_then(|agent| agent.to_str().ok());
        (self.observer)(RequestEvent::Answered {
            method: request.method.as_str(),
            path: request.uri.path(),
            status: reply.status.as_u16(),
            client,
            agent: agent.unwrap_or("-"),
        });
        reply
    }

    fn is_first(&self, refusal: &Refusal) -> bool {
        let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        refused.len() < MOST_REFUSALS && refused.insert(format!("{refusal:?}"))
    }
}

fn response(reply: Reply) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::copy_from_slice(reply.body.as_bytes())));
    *response.status_mut() = reply.status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, hyper::header::HeaderValue::from_static(reply.content_type));
    headers.insert(CACHE_CONTROL, hyper::header::HeaderValue::from_static("no-store"));
    if let Some(ttl) = reply.ttl {
        headers.insert("x-aws-ec2-metadata-token-ttl-seconds", ttl.into());
    }
    response
}
