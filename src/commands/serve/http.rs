//! The connections: HTTP/1.1 on a thread of its own, while another one renews.

use std::convert::Infallible;
use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;

use super::answers::{Reply, Service};

/// At a time; the others wait.
const MOST_CONNECTIONS: usize = 512;
/// For a request's head.
const PATIENCE: Duration = Duration::from_secs(10);
/// No connection lives longer: those of who has gone away silently go too.
const LONGEST: Duration = Duration::from_secs(600);
const MOST_HEADERS: usize = 64;

/// Serves from now on.
pub(super) fn serve(listener: TcpListener, service: Service, hop_limit: u8) -> io::Result<()> {
    listener.set_nonblocking(true)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build()?;
    let listener = {
        let _inside = runtime.enter();
        tokio::net::TcpListener::from_std(listener)?
    };
    let service = Arc::new(service);
    std::thread::Builder::new().name("http".into()).spawn(move || {
        runtime.block_on(async move {
            let room = Arc::new(Semaphore::new(MOST_CONNECTIONS));
            // The connections are the tasks of this one thread.
            let tasks = tokio::task::LocalSet::new();
            tasks.run_until(accept(listener, service, room, hop_limit)).await;
        });
    })?;
    Ok(())
}

async fn accept(
    listener: tokio::net::TcpListener,
    service: Arc<Service>,
    room: Arc<Semaphore>,
    hop_limit: u8,
) {
    loop {
        let Ok(place) = Arc::clone(&room).acquire_owned().await else { return };
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            // Out of descriptors, say: it passes.
            Err(_) => {
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let service = Arc::clone(&service);
        tokio::task::spawn_local(async move {
            let _ = tokio::time::timeout(LONGEST, connection(stream, &service, hop_limit)).await;
            drop(place);
        });
    }
}

async fn connection(stream: TcpStream, service: &Arc<Service>, hop_limit: u8) -> Result<(), hyper::Error> {
    let _ = stream.set_nodelay(true);
    let is_ipv6 = stream.local_addr().is_ok_and(|address| address.is_ipv6());
    let _ = match is_ipv6 {
        false => rustix::net::sockopt::set_ip_ttl(&stream, hop_limit.into()),
        true => rustix::net::sockopt::set_ipv6_unicast_hops(&stream, Some(hop_limit)),
    };
    let answer = |request: Request<Incoming>| {
        let service = Arc::clone(service);
        async move {
            let (parts, _) = request.into_parts();
            Ok::<_, Infallible>(response(service.answer(&parts)))
        }
    };
    http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(PATIENCE)
        .max_headers(MOST_HEADERS)
        .serve_connection(TokioIo::new(stream), service_fn(answer))
        .await
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
