//! The management key, with which a card is filled. Triple DES, as on a YubiKey before 5.7.

use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use des::TdesEde3;
use des::cipher::{BlockCipherEncrypt, KeyInit};

use crate::apdu::{Answer, Command, Status};
use crate::memory::Memory;
use crate::tlv::{find, tlv};

const TRIPLE_DES: u8 = 3;
const DEFAULT: [u8; 24] = [1, 2, 3, 4, 5, 6, 7, 8, 1, 2, 3, 4, 5, 6, 7, 8, 1, 2, 3, 4, 5, 6, 7, 8];

pub struct Management {
    memory: Memory,
    authenticated: bool,
    /// What the other side has to send back: a witness decrypted, or a challenge encrypted.
    expected: Option<[u8; 8]>,
}

impl Management {
    pub fn new(memory: Memory) -> Self {
        Management { memory, authenticated: false, expected: None }
    }

    pub fn reset(&mut self) {
        (self.authenticated, self.expected) = (false, None);
    }

    pub fn demand(&self) -> Result<(), Status> {
        if self.authenticated { Ok(()) } else { Err(Status::NOT_ALLOWED_YET) }
    }

    /// GENERAL AUTHENTICATE with the management key: both sides show that they know it, or the other side alone.
    pub fn authenticate(&mut self, template: &[u8]) -> Answer {
        let (witness, challenge) = (find(template, 0x80), find(template, 0x81));
        let expected = self.expected.take();
        match (witness, challenge, find(template, 0x82)) {
            (Some([]), ..) => {
                let witness = self.expect_something_new();
                Ok(tlv(0x7c, &tlv(0x80, &self.encrypt(witness))))
            }
            (Some(witness), Some(challenge), _) => {
                self.compare(expected, witness)?;
                let challenge = challenge.try_into().map_err(|_| Status::WRONG_DATA)?;
                Ok(tlv(0x7c, &tlv(0x82, &self.encrypt(challenge))))
            }
            (None, Some([]), _) => {
                let challenge = self.expect_something_new();
                self.expected = Some(self.encrypt(challenge));
                Ok(tlv(0x7c, &tlv(0x81, &challenge)))
            }
            (None, None, Some(response)) => self.compare(expected, response).map(|()| Vec::new()),
            _ => Err(Status::WRONG_DATA),
        }
    }

    /// Yubico's SET MANAGEMENT KEY.
    pub fn set(&self, command: &Command) -> Answer {
        self.demand()?;
        match *command.data {
            [TRIPLE_DES, 0x9b, 24, ref key @ ..] if key.len() == 24 => {
                self.memory.write("management-key", key);
                Ok(Vec::new())
            }
            _ => Err(Status::WRONG_DATA),
        }
    }

    /// Yubico's metadata.
    pub fn metadata(&self) -> Vec<u8> {
        vec![0x01, 1, TRIPLE_DES, 0x02, 2, 0, 1, 0x05, 1, (self.key() == DEFAULT).into()]
    }

    fn expect_something_new(&mut self) -> [u8; 8] {
        let mut bytes = [0; 8];
        SystemRandom::new().fill(&mut bytes).expect("random bytes");
        self.expected = Some(bytes);
        bytes
    }

    fn compare(&mut self, expected: Option<[u8; 8]>, given: &[u8]) -> Result<(), Status> {
        self.authenticated = expected.is_some_and(|expected| expected == given);
        self.demand()
    }

    fn encrypt(&self, block: [u8; 8]) -> [u8; 8] {
        let mut block = block.into();
        TdesEde3::new(&self.key().into()).encrypt_block(&mut block);
        block.into()
    }

    fn key(&self) -> [u8; 24] {
        self.memory.read("management-key").map_or(DEFAULT, |key| key.try_into().expect("24 bytes"))
    }
}
