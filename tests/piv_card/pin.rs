//! The PIN and the PUK, each with its counter.

use crate::apdu::{Answer, Command, Status};
use crate::memory::Memory;

const MOST_TRIES: u32 = 3;

pub struct Pins {
    memory: Memory,
    verified: bool,
    /// Since the last signature by a key that requires the PIN each time.
    fresh: bool,
    refuses_trivial: bool,
}

/// What a reference in P2 names.
#[derive(Clone, Copy)]
enum Secret {
    Pin,
    Puk,
}

impl Pins {
    pub fn new(memory: Memory, refuses_trivial: bool) -> Self {
        Pins { memory, verified: false, fresh: false, refuses_trivial }
    }

    pub fn personalise(memory: &Memory, pin: &str) {
        let mut padded = [0xff; 8];
        padded.iter_mut().zip(pin.bytes()).for_each(|(place, byte)| *place = byte);
        for (secret, value) in [(Secret::Pin, padded), (Secret::Puk, *b"12345678")] {
            memory.write(secret.name(), &value);
            memory.set_number(secret.tries(), MOST_TRIES);
        }
    }

    pub fn reset(&mut self) {
        (self.verified, self.fresh) = (false, false);
    }

    pub fn are_locked(&self) -> bool {
        [Secret::Pin, Secret::Puk].iter().all(|secret| self.tries(*secret) == 0)
    }

    pub fn is_verified(&self) -> bool {
        self.verified
    }

    /// Whether it was verified for this signature and no other.
    pub fn take_fresh(&mut self) -> bool {
        std::mem::take(&mut self.fresh)
    }

    /// VERIFY: without data it only asks.
    pub fn verify(&mut self, command: &Command) -> Answer {
        if command.p2 != 0x80 {
            return Err(Status::NO_SUCH_REFERENCE);
        }
        if command.p1 == 0xff {
            self.reset();
            return Ok(Vec::new());
        }
        if command.data.is_empty() {
            return match self.tries(Secret::Pin) {
                _ if self.verified => Ok(Vec::new()),
                0 => Err(Status::BLOCKED),
                tries => Err(Status::tries_left(tries)),
            };
        }
        self.reset();
        self.check(Secret::Pin, &command.data)?;
        (self.verified, self.fresh) = (true, true);
        Ok(Vec::new())
    }

    /// CHANGE REFERENCE DATA: the old one and the new one.
    pub fn change(&mut self, command: &Command) -> Answer {
        let secret = match command.p2 {
            0x80 => Secret::Pin,
            0x81 => Secret::Puk,
            _ => return Err(Status::NO_SUCH_REFERENCE),
        };
        self.replace(secret, secret, &command.data)
    }

    /// RESET RETRY COUNTER: the PUK and a new PIN.
    pub fn unblock(&mut self, command: &Command) -> Answer {
        self.replace(Secret::Puk, Secret::Pin, &command.data)
    }

    /// Yubico's metadata of the PIN or the PUK.
    pub fn metadata(&self, reference: u8) -> Vec<u8> {
        let (secret, default) = match reference {
            0x80 => (Secret::Pin, &b"123456\xff\xff"[..]),
            _ => (Secret::Puk, &b"12345678"[..]),
        };
        let is_default = self.memory.read(secret.name()).as_deref() == Some(default);
        vec![0x01, 1, 0xff, 0x05, 1, is_default.into(), 0x06, 2, MOST_TRIES as u8, self.tries(secret)]
    }

    fn replace(&mut self, known: Secret, changed: Secret, data: &[u8]) -> Answer {
        let (old, new) = data.split_at_checked(8).ok_or(Status::WRONG_DATA)?;
        if new.len() != 8 {
            return Err(Status::WRONG_DATA);
        }
        self.check(known, old)?;
        if self.refuses_trivial && is_trivial(new) {
            return Err(Status::CONDITIONS_NOT_SATISFIED);
        }
        self.memory.write(changed.name(), new);
        self.memory.set_number(changed.tries(), MOST_TRIES);
        Ok(Vec::new())
    }

    /// A wrong one costs one attempt, the right one restores all.
    fn check(&mut self, secret: Secret, given: &[u8]) -> Result<(), Status> {
        if given.len() != 8 {
            return Err(Status::WRONG_DATA);
        }
        let tries = self.tries(secret);
        if tries == 0 {
            return Err(Status::BLOCKED);
        }
        if self.memory.read(secret.name()).as_deref() == Some(given) {
            self.memory.set_number(secret.tries(), MOST_TRIES);
            return Ok(());
        }
        self.memory.set_number(secret.tries(), u32::from(tries) - 1);
        Err(Status::tries_left(tries - 1))
    }

    fn tries(&self, secret: Secret) -> u8 {
        self.memory.number(secret.tries()).unwrap_or_default() as u8
    }
}

/// One character again and again, or a few of those that everybody tries first; Yubico's list is longer
/// (https://docs.yubico.com/yesdk/users-manual/sdk-programming-guide/pin-complexity-policy.html).
fn is_trivial(padded: &[u8]) -> bool {
    let end = padded.iter().position(|byte| *byte == 0xff).unwrap_or(padded.len());
    let value = &padded[..end];
    value.iter().all(|byte| Some(byte) == value.first())
        || [&b"123456"[..], b"654321", b"12345678", b"password"].contains(&value)
}

impl Secret {
    fn name(self) -> &'static str {
        match self {
            Secret::Pin => "pin",
            Secret::Puk => "puk",
        }
    }

    fn tries(self) -> &'static str {
        match self {
            Secret::Pin => "pin-tries",
            Secret::Puk => "puk-tries",
        }
    }
}
