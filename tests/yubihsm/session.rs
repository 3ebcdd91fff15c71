//! The sessions of the device: there are 16, and one that is not used for 30 seconds ends (user guide: "Core
//! Concepts", "Session").

use std::time::{Duration, Instant};

use aws_lc_rs::rand::{SecureRandom, SystemRandom};

use crate::authentication;
use crate::capability::Capabilities;
use crate::channel::{Channel, MAC};
use crate::frame::{Answer, Fields, Refusal};
use crate::object::Object;

pub const MOST: usize = 16;
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// What the authentication key of a session allows.
#[derive(Clone)]
pub struct Rights {
    pub key: u16,
    pub domains: u16,
    pub capabilities: Capabilities,
    pub delegated: Capabilities,
}

pub struct Session {
    pub rights: Rights,
    pub channel: Channel,
    is_authenticated: bool,
    last_used: Instant,
}

#[derive(Default)]
pub struct Sessions([Option<Session>; MOST]);

impl Sessions {
    /// CREATE SESSION, while others use `in_use` of them.
    pub fn create(&mut self, key: &Object, host_challenge: [u8; 8], in_use: usize) -> Answer {
        self.forget_the_old();
        let free = self.0.iter().position(Option::is_none);
        let mine = self.0.iter().flatten().count();
        let number = free.filter(|_| mine + in_use < MOST).ok_or(Refusal::SESSIONS_FULL)?;
        let mut card_challenge = [0; 8];
        SystemRandom::new().fill(&mut card_challenge).expect("random bytes");
        let context = [host_challenge, card_challenge].concat().try_into().expect("16 bytes");
        let (encryption, mac) = authentication::keys(key);
        let channel = Channel::between(&encryption, &mac, context);
        let answer = [&[number as u8], &card_challenge[..], &channel.card_cryptogram()].concat();
        let rights = Rights {
            key: key.id,
            domains: key.domains,
            capabilities: key.capabilities,
            delegated: key.delegated,
        };
        let session = Session { rights, channel, is_authenticated: false, last_used: Instant::now() };
        self.0[number] = Some(session);
        Ok(answer)
    }

    /// AUTHENTICATE SESSION: the data of `message` is a session's number, the host's cryptogram and a MAC.
    /// Returns the session's key, and the answer; a session that fails is gone.
    pub fn authenticate(&mut self, message: &[u8], data: &[u8]) -> (u16, Answer) {
        let mut fields = Fields(data);
        let Ok(number) = fields.u8() else { return (u16::MAX, Err(Refusal::WRONG_LENGTH)) };
        let Some(Some(session)) = self.0.get_mut(usize::from(number)) else {
            return (u16::MAX, Err(Refusal::INVALID_SESSION));
        };
        let (key, cryptogram) = (session.rights.key, fields.bytes(8));
        let result = cryptogram.and_then(|cryptogram| session.channel.authenticates(message, cryptogram));
        session.is_authenticated = result.is_ok();
        if result.is_err() {
            self.close(number);
        }
        (key, result.map(|()| Vec::new()))
    }

    /// The command in a SESSION MESSAGE, sent by its session.
    pub fn open(&mut self, message: &[u8], data: &[u8]) -> Result<(u8, Vec<u8>), Refusal> {
        self.forget_the_old();
        let mut fields = Fields(data);
        let number = fields.u8()?;
        let encrypted = fields.bytes(fields.0.len().saturating_sub(MAC))?;
        let session = self.session(number)?;
        session.last_used = Instant::now();
        Ok((number, session.channel.open(message, encrypted)?))
    }

    pub fn session(&mut self, number: u8) -> Result<&mut Session, Refusal> {
        let session = self.0.get_mut(usize::from(number)).and_then(Option::as_mut);
        session.filter(|session| session.is_authenticated).ok_or(Refusal::INVALID_SESSION)
    }

    pub fn close(&mut self, number: u8) {
        if let Some(session) = self.0.get_mut(usize::from(number)) {
            *session = None;
        }
    }

    fn forget_the_old(&mut self) {
        for session in &mut self.0 {
            if session.as_ref().is_some_and(|session| session.last_used.elapsed() > LONGEST_PAUSE) {
                *session = None;
            }
        }
    }
}
