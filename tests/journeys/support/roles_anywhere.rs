//! IAM Roles Anywhere on loopback (`tests/aws/roles_anywhere_server.py`), and a proxy.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::authority::{Authority, text};
use crate::support::python::{PythonServer, Ready};

pub const ROLE: &str = "arn:aws:iam::123456789012:role/demo";

pub const PROFILE: &str =
    "arn:aws:rolesanywhere:eu-west-1:123456789012:profile/11111111-2222-3333-4444-555555555555";

pub const TRUST_ANCHOR: &str =
    "arn:aws:rolesanywhere:eu-west-1:123456789012:trust-anchor/66666666-7777-8888-9999-000000000000";

/// The service, which ends when this value is dropped.
pub struct RolesAnywhere {
    ready: Ready,
    folder: TempDir,
}

impl RolesAnywhere {
    /// A service that trusts an authority's certificates.
    pub fn trusting(authority: &Authority) -> Self {
        Self::with_options(authority, &[])
    }

    /// The same with options of `roles_anywhere_server.py`.
    pub fn with_options(authority: &Authority, options: &[&str]) -> Self {
        let folder = TempDir::with_prefix("countersign-aws-").expect("a temporary folder");
        let paths =
            ["--folder", text(folder.path()), "--trust-anchor", text(&authority.anchor())].map(str::to_owned);
        let options = paths.iter().map(String::as_str).chain(options.iter().copied()).collect::<Vec<_>>();
        let ready = host().ask(&json!({ "start": options }));
        RolesAnywhere { ready, folder }
    }

    /// For `--endpoint`.
    pub fn url(&self) -> &str {
        self.ready.value("url")
    }

    /// The CA of the service's own certificate, as PEM.
    pub fn ca(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    /// Every request so far, with the service's verdict.
    pub fn log(&self) -> Vec<Value> {
        lines(&self.folder.path().join("log.jsonl"))
    }

    /// The log as soon as it has this many lines.
    #[track_caller]
    pub fn log_of(&self, requests: usize) -> Vec<Value> {
        let start = Instant::now();
        loop {
            let log = self.log();
            if log.len() >= requests {
                return log;
            }
            assert!(start.elapsed() < Duration::from_secs(30), "only {} of {requests} requests", log.len());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// The access keys that were issued, in order.
    pub fn access_keys(&self) -> Vec<String> {
        let key = |line: &Value| line["credential"]["accessKeyId"].as_str().map(str::to_owned);
        self.log().iter().filter_map(key).collect()
    }

    /// How it treats the next request, or the next ones if there are several; see
    /// `tests/aws/roles_anywhere/faults.py`.
    #[track_caller]
    pub fn next(&self, behavior: Value) -> &Self {
        self.control("/next", &behavior)
    }

    /// The same in place of behaviors that were not used yet; no request comes in between.
    #[track_caller]
    pub fn next_instead(&self, behavior: Value) -> &Self {
        self.control("/instead", &behavior)
    }

    /// For all requests from now on: `lifetime` of credentials and `skew` of the clock, in seconds.
    #[track_caller]
    pub fn settings(&self, settings: Value) -> &Self {
        self.control("/settings", &settings)
    }

    /// Forgets behaviors that were not used yet.
    #[track_caller]
    pub fn clear(&self) -> &Self {
        self.control("/clear", &Value::Null)
    }

    #[track_caller]
    fn control(&self, path: &str, document: &Value) -> &Self {
        let body = document.to_string();
        let port: u16 = self.ready.value("control").parse().expect("a port");
        let mut connection = TcpStream::connect(("127.0.0.1", port)).expect("the control port is there");
        write!(connection, "POST {path} HTTP/1.0\r\nContent-Length: {}\r\n\r\n{body}", body.len()).unwrap();
        let mut answer = String::new();
        connection.read_to_string(&mut answer).unwrap();
        assert!(answer.split(' ').nth(1) == Some("200"), "{path} {body}: {answer}");
        self
    }
}

impl Drop for RolesAnywhere {
    fn drop(&mut self) {
        // A second panic would end all other tests too.
        if std::thread::panicking() {
            return;
        }
        let control: u16 = self.ready.value("control").parse().expect("a port");
        host().ask(&json!({ "stop": control })).is("STOPPED");
    }
}

/// The process of all services, which issues certificates too.
pub fn host() -> MutexGuard<'static, PythonServer> {
    static HOST: OnceLock<Mutex<PythonServer>> = OnceLock::new();
    let host = HOST.get_or_init(|| Mutex::new(PythonServer::start("roles_anywhere_server.py", &["--many"])));
    // Works even after a test failed while it held the lock.
    host.lock().unwrap_or_else(PoisonError::into_inner)
}

/// An HTTP proxy that knows CONNECT, and ends when this value is dropped.
pub struct Proxy {
    server: PythonServer,
    folder: TempDir,
}

impl Proxy {
    pub fn start() -> Self {
        Self::with_options(&[])
    }

    /// The same with options of `tests/aws/proxy.py`: `--authorization`.
    pub fn with_options(options: &[&str]) -> Self {
        let folder = TempDir::with_prefix("countersign-proxy-").expect("a temporary folder");
        let log = folder.path().join("log.jsonl");
        let options = [&["--log", text(&log)], options].concat();
        Proxy { server: PythonServer::start("proxy.py", &options), folder }
    }

    pub fn url(&self) -> &str {
        self.server.ready("url")
    }

    /// Every request so far: `method`, `target`, `status`, `authorization`.
    pub fn log(&self) -> Vec<Value> {
        lines(&self.folder.path().join("log.jsonl"))
    }
}

fn lines(log: &Path) -> Vec<Value> {
    let log = fs::read_to_string(log).unwrap_or_default();
    // The last line may still be incomplete.
    let whole = log.split_inclusive('\n').filter(|line| line.ends_with('\n'));
    whole.map(|line| serde_json::from_str(line).expect("a line is JSON")).collect()
}
