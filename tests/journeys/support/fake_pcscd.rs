//! A pcscd that refuses. It speaks pcsc-lite 1.9's protocol (winscard_msg.h) up to the point where polkit,
//! another program or the card comes in. A real one that refuses needs polkit, a system bus and a user
//! without a seat.

use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::thread;

/// How it treats clients.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    /// Hangs up, as pcscd 1.9 and 2.3 do on clients to whom polkit refuses `access_pcsc`.
    HangsUp,
    /// Answers SCARD_W_SECURITY_VIOLATION.
    SaysNo,
    /// Talks, but hangs up on clients that connect to the card: polkit's `access_card`.
    RefusesCard,
    /// Talks, but another program holds the card.
    CardIsHeld,
    /// Talks, but the card does not answer.
    CardIsMute,
    /// Accepts, but says nothing.
    IsSilent,
}

pub const READER: &str = "Fake Reader 00 00";

/// Listens at `socket` until the test ends.
pub fn listen(socket: &Path, manner: Manner) -> PathBuf {
    let listener = UnixListener::bind(socket).expect("a socket");
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            thread::spawn(move || answer(stream, manner));
        }
    });
    socket.to_owned()
}

/// None ends the connection.
fn answer(mut stream: UnixStream, manner: Manner) -> Option<()> {
    if manner == Manner::HangsUp {
        return None;
    }
    loop {
        let [length, command] = numbers(&mut stream)?;
        let mut body = vec![0; length as usize];
        stream.read_exact(&mut body).ok()?;
        match (command, manner) {
            (_, Manner::IsSilent) => {}
            // CMD_VERSION and SCARD_ESTABLISH_CONTEXT end with their result.
            (0x11 | 0x01, Manner::SaysNo) => {
                body[8..].copy_from_slice(&0x8010_006a_u32.to_ne_bytes());
                stream.write_all(&body).ok()?;
            }
            // pcsc-lite 2.3 talks only to those that name its own version, 4.5 (SCARD_E_SERVICE_STOPPED).
            (0x11, Manner::CardIsHeld) => {
                let is_mine = body[4..8] == 5_u32.to_ne_bytes();
                body[4..8].copy_from_slice(&5_u32.to_ne_bytes());
                body[8..].copy_from_slice(&if is_mine { 0 } else { 0x8010_001e_u32 }.to_ne_bytes());
                stream.write_all(&body).ok()?;
            }
            (0x11 | 0x01, _) => stream.write_all(&body).ok()?,
            (0x12, _) => stream.write_all(&readers(manner)).ok()?,
            // SCARD_CONNECT, with SCARD_E_SHARING_VIOLATION.
            (0x04, Manner::CardIsHeld) => {
                let at = body.len() - 4;
                body[at..].copy_from_slice(&0x8010_000b_u32.to_ne_bytes());
                stream.write_all(&body).ok()?;
            }
            (0x04, Manner::CardIsMute) => stream.write_all(&body).ok()?,
            _ => return None,
        }
    }
}

/// Holds the card in the first reader of a real pcscd exclusively, as GnuPG's scdaemon does, until the
/// returned connection ends.
pub fn hold_card(socket: &Path) -> UnixStream {
    let ask = |stream: &mut UnixStream, command: u32, body: &[u8], length: usize| {
        let header = [(body.len() as u32).to_ne_bytes(), command.to_ne_bytes()].concat();
        stream.write_all(&[&header, body].concat()).expect("pcscd reads");
        let mut answer = vec![0; length];
        stream.read_exact(&mut answer).expect("pcscd answers");
        answer
    };
    let body = |numbers: &[u32]| numbers.iter().flat_map(|number| number.to_ne_bytes()).collect::<Vec<_>>();
    let mut stream = UnixStream::connect(socket).expect("pcscd listens");
    for minor in [4, 5] {
        ask(&mut stream, 0x11, &body(&[4, minor, 0]), 12);
    }
    let context = ask(&mut stream, 0x01, &body(&[2, 0, 0]), 12)[4..8].to_vec();
    let states = ask(&mut stream, 0x12, &[], 16 * 184);
    // SCARD_SHARE_EXCLUSIVE, with T=0 or T=1.
    let connect = [&context[..], &states[..128], &body(&[1, 3, 0, 0, 0])].concat();
    let answer = ask(&mut stream, 0x04, &connect, connect.len());
    assert!(answer.ends_with(&[0; 4]), "the card is there, and free");
    stream
}

/// 16 entries of 184 bytes: name, counter, state, sharing, ATR, its length, protocol.
fn readers(manner: Manner) -> Vec<u8> {
    let mut states = vec![0; 16 * 184];
    states[..READER.len()].copy_from_slice(READER.as_bytes());
    // SCARD_PRESENT.
    states[132..136].copy_from_slice(&4_u32.to_ne_bytes());
    if manner == Manner::CardIsHeld {
        states[136..140].copy_from_slice(&(-1_i32).to_ne_bytes());
    }
    let atr_length: u32 = if manner == Manner::CardIsMute { 0 } else { 20 };
    states[176..180].copy_from_slice(&atr_length.to_ne_bytes());
    states
}

fn numbers(stream: &mut UnixStream) -> Option<[u32; 2]> {
    let mut header = [0; 8];
    stream.read_exact(&mut header).ok()?;
    let number = |at: usize| u32::from_ne_bytes(header[at..at + 4].try_into().expect("four bytes"));
    Some([number(0), number(4)])
}
