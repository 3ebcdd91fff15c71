//! vpcd's protocol: a 16-bit length, then an APDU; one byte alone is about the card's power.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpStream};

use rustix::net::sockopt::set_tcp_quickack;

/// A YubiKey 5.
const ATR: &[u8] = b"\x3b\xfd\x13\x00\x00\x81\x31\xfe\x15\x80\x73\xc0\x21\xc0\x57YubiKey\x40";

const POWER_OFF: &[u8] = &[0];
const POWER_ON: &[u8] = &[1];
const RESET: &[u8] = &[2];
const GET_ATR: &[u8] = &[4];

/// A card, as a reader sees it.
pub trait Insert {
    fn is_powered(&mut self);
    fn reset(&mut self);
    fn answer(&mut self, apdu: &[u8]) -> Vec<u8>;
}

/// Until the reader is gone.
pub fn serve(port: u16, card: &mut impl Insert) -> io::Result<()> {
    let mut reader = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    reader.set_nodelay(true)?;
    loop {
        // vpcd sends the length and the rest separately, and waits for an acknowledgment in between: 44 ms
        // each time, unless it comes at once. The kernel forgets this setting, so it is set again.
        set_tcp_quickack(&reader, true)?;
        let mut length = [0; 2];
        match reader.read_exact(&mut length) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(()),
            result => result?,
        }
        set_tcp_quickack(&reader, true)?;
        let mut message = vec![0; usize::from(u16::from_be_bytes(length))];
        reader.read_exact(&mut message)?;
        let answer = match &*message {
            POWER_OFF | POWER_ON | RESET => {
                card.reset();
                continue;
            }
            GET_ATR => {
                card.is_powered();
                ATR.to_vec()
            }
            apdu => card.answer(apdu),
        };
        let length = u16::try_from(answer.len()).expect("a short answer").to_be_bytes();
        reader.write_all(&[&length, &*answer].concat())?;
    }
}
