//! Asks pcscd what a module for smart cards would ask it, so that a refusal can be distinguished from an
//! absence. It uses the messages of pcsc-lite's own clients (winscard_msg.h of pcsc-lite 1.9 and 2.3).
//! Nothing is sent to a card.

use std::io::{self, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use super::rights::words_of;
use crate::platform::socket::{HAS_PCSCD, LocalStream};

/// pcscd accepts and answers at once, except for the first question after it was started: it waits for its readers.
const PATIENCE: Duration = Duration::from_secs(2);

/// Commands of winscard_msg.h.
const ESTABLISH_CONTEXT: u32 = 0x01;
const CONNECT: u32 = 0x04;
const VERSION: u32 = 0x11;
const GET_READERS_STATE: u32 = 0x12;

/// The message protocol: 4.4 in pcsc-lite 1.9, 4.5 in 2.3. The messages used here are the same in both; pcscd
/// talks only to clients that name its own version.
const PROTOCOLS: [[u32; 2]; 2] = [[4, 4], [4, 5]];
const SUCCESS: u32 = 0;
/// SCARD_W_SECURITY_VIOLATION.
const SECURITY_VIOLATION: u32 = 0x8010_006a;
/// SCARD_E_SHARING_VIOLATION.
const SHARING_VIOLATION: u32 = 0x8010_000b;
const SCOPE_SYSTEM: u32 = 2;
/// Without the card: it is neither reset nor powered.
const SHARE_DIRECT: u32 = 3;

/// MAX_READERNAME, and PCSCLITE_MAX_READERS_CONTEXTS.
const NAME_LENGTH: usize = 128;
const READERS: usize = 16;
/// READER_STATE: name, event counter, state, sharing, ATR of 33 bytes, its length, protocol.
const READER_LENGTH: usize = 184;
const STATE_AT: usize = NAME_LENGTH + 4;
const SHARING_AT: usize = STATE_AT + 4;
const ATR_LENGTH_AT: usize = 176;
/// SCARD_PRESENT.
const PRESENT: u32 = 0x04;
/// PCSCLITE_SHARING_EXCLUSIVE_CONTEXT.
const EXCLUSIVE: u32 = u32::MAX;

/// Where pcscd listens, as its clients find it.
pub(super) fn socket() -> PathBuf {
    std::env::var_os("PCSCLITE_CSOCK_NAME")
        .map_or_else(|| PathBuf::from("/run/pcscd/pcscd.comm"), PathBuf::from)
}

/// What pcscd said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// This system has its own service for smart cards, which this program does not ask.
    NotAsked,
    /// Nobody listens at its socket.
    Absent(String),
    /// The socket may not be opened by this user.
    Denied,
    /// It accepts connections and never answers.
    Silent,
    /// It does not talk to this user: polkit's action `access_pcsc`.
    Refused,
    /// It talks to this user, but not about this reader: polkit's action `access_card`.
    RefusedCard(String),
    /// What it said is not understood.
    Unclear(String),
    /// The readers that it has.
    Readers(Vec<Reader>),
}

/// A reader.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reader {
    pub(super) name: String,
    pub(super) card: Card,
}

/// What is in a reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Card {
    Absent,
    /// It is there, and nobody keeps others away from it.
    Free,
    /// A program holds it exclusively.
    Held,
    /// It does not say what it is.
    Mute,
}

/// Asks the pcscd that listens at `socket`, within a few seconds.
pub(super) fn ask(socket: &Path) -> Answer {
    if !HAS_PCSCD {
        return Answer::NotAsked;
    }
    // If its queue is full, clients wait.
    let (sender, answer) = mpsc::channel();
    let path = socket.to_owned();
    if let Err(error) = thread::Builder::new().spawn(move || sender.send(LocalStream::connect(path))) {
        return Answer::Unclear(words_of(&error));
    }
    let stream = match answer.recv_timeout(PATIENCE) {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) if error.kind() == ErrorKind::PermissionDenied => return Answer::Denied,
        Ok(Err(error)) => return Answer::Absent(words_of(&error)),
        Err(_) => return Answer::Silent,
    };
    let limits =
        stream.set_read_timeout(Some(PATIENCE)).and_then(|()| stream.set_write_timeout(Some(PATIENCE)));
    match limits.and_then(|()| talk(stream)) {
        Ok(answer) => answer,
        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => Answer::Silent,
        // pcscd closes the connection of a user whom polkit refuses, and does not say why.
        Err(error) if is_end(&error) => Answer::Refused,
        Err(error) => Answer::Unclear(words_of(&error)),
    }
}

fn is_end(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::UnexpectedEof | ErrorKind::BrokenPipe | ErrorKind::ConnectionReset)
}

fn talk(mut stream: LocalStream) -> io::Result<Answer> {
    let mut theirs = PROTOCOLS[0];
    loop {
        let ours = theirs;
        let [major, minor, result] = exchange(&mut stream, VERSION, &words(&[ours[0], ours[1], 0]))?;
        theirs = [major, minor];
        match result {
            SUCCESS => break,
            SECURITY_VIOLATION => return Ok(Answer::Refused),
            _ if theirs != ours && PROTOCOLS.contains(&theirs) => {}
            _ => return Ok(Answer::Unclear(format!("it speaks protocol {major}.{minor}"))),
        }
    }
    let [_, context, result] = exchange(&mut stream, ESTABLISH_CONTEXT, &words(&[SCOPE_SYSTEM, 0, 0]))?;
    match result {
        SUCCESS => {}
        SECURITY_VIOLATION => return Ok(Answer::Refused),
        code => return Ok(Answer::Unclear(format!("SCardEstablishContext said {code:#x}"))),
    }
    let mut states = vec![0; READERS * READER_LENGTH];
    send(&mut stream, GET_READERS_STATE, &[])?;
    stream.read_exact(&mut states)?;
    let mut readers = Vec::new();
    for state in states.chunks_exact(READER_LENGTH).filter(|state| state[0] != 0) {
        let mut reader = Reader::of(state);
        if reader.card != Card::Absent {
            let request =
                [&words(&[context])[..], &state[..NAME_LENGTH], &words(&[SHARE_DIRECT, 0, 0, 0, 0])].concat();
            match connect(&mut stream, &request) {
                Err(error) if is_end(&error) => return Ok(Answer::RefusedCard(reader.name)),
                Ok(SECURITY_VIOLATION) => return Ok(Answer::RefusedCard(reader.name)),
                Ok(SHARING_VIOLATION) => reader.card = Card::Held,
                Ok(_) => {}
                Err(error) => return Err(error),
            }
        }
        readers.push(reader);
    }
    // Whatever was opened ends with the connection, and the card is left as it is.
    Ok(Answer::Readers(readers))
}

impl Reader {
    fn of(state: &[u8]) -> Self {
        let name = state[..NAME_LENGTH].split(|byte| *byte == 0).next().unwrap_or_default();
        let word = |at: usize| u32::from_ne_bytes([state[at], state[at + 1], state[at + 2], state[at + 3]]);
        let card = match (word(STATE_AT) & PRESENT != 0, word(SHARING_AT), word(ATR_LENGTH_AT)) {
            (false, ..) => Card::Absent,
            (true, EXCLUSIVE, _) => Card::Held,
            (true, _, 0) => Card::Mute,
            _ => Card::Free,
        };
        Reader { name: crate::printable::printable(&String::from_utf8_lossy(name)), card }
    }
}

/// The result of SCardConnect.
fn connect(stream: &mut LocalStream, request: &[u8]) -> io::Result<u32> {
    send(stream, CONNECT, request)?;
    let mut answer = vec![0; request.len()];
    stream.read_exact(&mut answer)?;
    let result = answer.last_chunk().copied().unwrap_or_default();
    Ok(u32::from_ne_bytes(result))
}

/// Sends a message of three numbers, and reads it as it comes back.
fn exchange(stream: &mut LocalStream, command: u32, body: &[u8]) -> io::Result<[u32; 3]> {
    send(stream, command, body)?;
    let mut answer = [0; 12];
    stream.read_exact(&mut answer)?;
    let mut numbers =
        answer.chunks_exact(4).map(|four| u32::from_ne_bytes([four[0], four[1], four[2], four[3]]));
    Ok([(); 3].map(|()| numbers.next().unwrap_or_default()))
}

fn send(stream: &mut LocalStream, command: u32, body: &[u8]) -> io::Result<()> {
    let length = u32::try_from(body.len()).map_err(io::Error::other)?;
    stream.write_all(&[&words(&[length, command])[..], body].concat())
}

/// Numbers as they are in the memory of this machine: pcscd is on the same.
fn words(numbers: &[u32]) -> Vec<u8> {
    numbers.iter().flat_map(|number| number.to_ne_bytes()).collect()
}
