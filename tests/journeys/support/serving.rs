//! `countersign serve` in the background, and requests to it as they are on the wire.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use rustix::process::Signal;
use serde_json::Value;

use crate::support::clock;
use crate::support::run::Run;
use crate::support::running::Running;
use crate::support::server::Server;

pub const TTL: &str = "X-aws-ec2-metadata-token-ttl-seconds";

pub const TOKEN: &str = "X-aws-ec2-metadata-token";

pub const ROLES: &str = "/latest/meta-data/iam/security-credentials";

/// AWS tells its time in whole seconds: that is how exactly the end of credentials is known.
pub const UNCERTAINTY: Duration = Duration::from_secs(1);

/// The server, which ends when this value is dropped.
pub struct Serving<'a> {
    pub running: Running<'a>,
    pub address: SocketAddr,
}

impl<'a> Serving<'a> {
    /// On a free port, with the options of `server` and more.
    pub fn start(server: &'a Server, more: &[&str]) -> Self {
        Self::of(server, server.run("serve", &[&["--port", "0"], more].concat()))
    }

    /// A run that is about to start, with `--port 0`.
    pub fn of(server: &'a Server, run: Run) -> Self {
        let running = Running::of(server, run);
        let said = running.says("listening on http://").said();
        let address = said.split("listening on http://").nth(1).unwrap();
        let address = address.split_once('\n').expect("a whole line").0.parse().expect("an address");
        Serving { running, address }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)]) -> Answer {
        ask(self.address, method, path, headers)
    }

    /// Requests a token as SDKs do; it must never be printed.
    pub fn token(&self, seconds: &str) -> String {
        let answer = self.ask("PUT", "/latest/api/token", &[(TTL, seconds)]).is(200);
        assert_eq!(answer.header(TTL), Some(seconds));
        assert!(answer.body.len() > 30 && answer.body.bytes().all(|byte| byte.is_ascii_graphic()));
        self.running.hides(&answer.body);
        answer.body
    }

    /// What IMDSv2 returns for a role.
    pub fn credentials(&self, role: &str) -> Answer {
        let token = self.token("60");
        self.ask("GET", &format!("{ROLES}/{role}"), &[(TOKEN, &token)])
    }

    /// The access key of the role in the options.
    pub fn access_key(&self) -> String {
        let asked = clock::now();
        let answer = self.credentials("demo").is(200).json();
        for name in ["AccessKeyId", "SecretAccessKey", "Token", "Expiration", "LastUpdated"] {
            assert!(answer[name].as_str().is_some_and(|text| !text.is_empty()), "{name}: {answer}");
        }
        assert_eq!((&answer["Code"], &answer["Type"]), (&"Success".into(), &"AWS-HMAC".into()));
        let end: jiff::Timestamp = answer["Expiration"].as_str().unwrap().parse().unwrap();
        assert!(end + UNCERTAINTY > asked, "credentials that have ended were handed out: {answer}");
        answer["AccessKeyId"].as_str().unwrap().to_owned()
    }

    /// Its health report, and the status of that answer.
    pub fn health(&self) -> (u16, Value) {
        let answer = self.ask("GET", "/health", &[]);
        (answer.status, answer.json())
    }

    /// Asks it to end, which must succeed.
    pub fn stop(mut self) -> String {
        self.running.signal(Signal::TERM);
        self.running.ends(0)
    }
}

/// An answer, read to the end of its connection.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: String,
}

/// One request on a connection of its own. If no header names a host, the address is the host.
#[track_caller]
pub fn ask(address: SocketAddr, method: &str, path: &str, headers: &[(&str, &str)]) -> Answer {
    let mut connection = TcpStream::connect(address).expect("somebody listens");
    connection.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let mut request = format!("{method} {path} HTTP/1.1\r\nConnection: close\r\n");
    if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
        request.push_str(&format!("Host: {address}\r\n"));
    }
    for (name, value) in headers {
        request.push_str(&format!("{name}: {value}\r\n"));
    }
    connection.write_all(format!("{request}\r\n").as_bytes()).expect("a request is sent");
    let mut text = String::new();
    connection.read_to_string(&mut text).expect("an answer is read");
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {text:?}"));
    let mut lines = head.lines();
    let status = lines.next().and_then(|line| line.split(' ').nth(1)?.parse().ok()).expect("a status");
    let headers = lines.filter_map(|line| line.split_once(": ").map(|(n, v)| (n.to_owned(), v.to_owned())));
    Answer { status, headers: headers.collect(), body: body.to_owned() }
}

impl Answer {
    #[track_caller]
    pub fn is(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", self.body);
        self
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }
}
