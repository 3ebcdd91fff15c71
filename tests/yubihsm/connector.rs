//! The connector: HTTP with two addresses, `/connector/status` and `/connector/api`
//! (<https://developers.yubico.com/yubihsm-connector/>). Without a device, the first reports `NO_DEVICE`, and
//! the second answers 500.

use std::io::{self, BufRead, BufReader, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};

use crate::device::Device;
use crate::memory::Memory;

/// Longer than any message of the device.
const LONGEST: usize = 2048 + 3;

/// Serves until the program is ended.
pub fn serve(memory: Memory, port: u16, device: Device) -> io::Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
    let port = listener.local_addr()?.port();
    memory.write("ready", format!("http://127.0.0.1:{port}").as_bytes());
    let connector = Arc::new(Connector { memory, port, device: Mutex::new(device) });
    for connection in listener.incoming() {
        let (connector, connection) = (connector.clone(), connection?);
        // A client that disconnects is not a fault of the connector.
        std::thread::spawn(move || connector.talk(&connection));
    }
    Ok(())
}

struct Connector {
    memory: Memory,
    port: u16,
    /// One command at a time.
    device: Mutex<Device>,
}

struct Request {
    line: String,
    body: Vec<u8>,
}

impl Connector {
    fn talk(&self, connection: &TcpStream) -> io::Result<()> {
        connection.set_nodelay(true)?;
        let mut reader = BufReader::new(connection);
        while let Some(request) = read(&mut reader)? {
            let (status, body) = self.answer(&request);
            let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n", body.len());
            (&mut &*connection).write_all(&[head.as_bytes(), &body].concat())?;
        }
        Ok(())
    }

    fn answer(&self, request: &Request) -> (&'static str, Vec<u8>) {
        let is_api = request.line.starts_with("POST /connector/api ");
        let is_unplugged = || self.memory.read("unplugged").is_some();
        match () {
            () if request.line.starts_with("GET /connector/status ") => {
                let status = if is_unplugged() { "NO_DEVICE" } else { "OK" };
                let (process, port) = (std::process::id(), self.port);
                let text = format!(
                    "status={status}\nserial=*\nversion=3.0.5\npid={process}\naddress=127.0.0.1\nport={port}\n"
                );
                ("200 OK", text.into_bytes())
            }
            () if is_api && !(3..=LONGEST).contains(&request.body.len()) => {
                ("400 Bad Request", b"Bad Request\n".to_vec())
            }
            () if is_api => {
                let mut device = self.device.lock().unwrap_or_else(PoisonError::into_inner);
                let answer = (!is_unplugged()).then(|| device.answer(&request.body));
                // It may have been unplugged in the meantime.
                match answer.filter(|_| !is_unplugged()) {
                    Some(answer) => ("200 OK", answer),
                    None => {
                        device.unplug();
                        ("500 Internal Server Error", b"Internal Server Error\n".to_vec())
                    }
                }
            }
            () => ("404 Not Found", b"404 page not found\n".to_vec()),
        }
    }
}

/// None at the end of the connection.
fn read(reader: &mut impl BufRead) -> io::Result<Option<Request>> {
    let mut line = String::new();
    if reader.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let mut length = 0;
    loop {
        let mut header = String::new();
        reader.read_line(&mut header)?;
        match header.trim_end().split_once(':') {
            None => break,
            Some((name, value)) if name.eq_ignore_ascii_case("content-length") => {
                length = value.trim().parse().map_err(io::Error::other)?;
            }
            Some(_) => {}
        }
    }
    let mut body = vec![0; length.min(2 * LONGEST)];
    reader.read_exact(&mut body)?;
    Ok(Some(Request { line, body }))
}
