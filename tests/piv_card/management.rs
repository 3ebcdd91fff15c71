//! The management key, with which a card is filled: one for Triple DES, or, from firmware 5.7 on, for AES-192. Both come
//! with the same 24 bytes.

use aws_lc_rs::cipher::{AES_192, EncryptingKey, UnboundCipherKey};
use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use des::TdesEde3;
use des::cipher::{BlockCipherEncrypt, KeyInit};

use crate::apdu::{Answer, Command, Status};
use crate::memory::Memory;
use crate::options::Firmware;
use crate::tlv::{find, tlv};

const TRIPLE_DES: u8 = 0x03;
const AES192: u8 = 0x0a;
const DEFAULT: [u8; 24] = [1, 2, 3, 4, 5, 6, 7, 8, 1, 2, 3, 4, 5, 6, 7, 8, 1, 2, 3, 4, 5, 6, 7, 8];

pub struct Management {
    memory: Memory,
    firmware: Firmware,
    authenticated: bool,
    /// What the other side has to send back: a witness decrypted, or a challenge encrypted.
    expected: Option<Vec<u8>>,
}

impl Management {
    pub fn new(memory: Memory, firmware: Firmware) -> Self {
        Management { memory, firmware, authenticated: false, expected: None }
    }

    pub fn reset(&mut self) {
        (self.authenticated, self.expected) = (false, None);
    }

    pub fn demand(&self) -> Result<(), Status> {
        if self.authenticated { Ok(()) } else { Err(Status::NOT_ALLOWED_YET) }
    }

    /// GENERAL AUTHENTICATE with the management key: both sides show that they know it, or the other side alone. Another
    /// algorithm than the key's is refused with 6A80 (https://github.com/sigstore/cosign/issues/3742).
    pub fn authenticate(&mut self, algorithm: u8, template: &[u8]) -> Answer {
        // SP 800-78's 0 is Triple DES too.
        let asked = if algorithm == 0 { TRIPLE_DES } else { algorithm };
        if asked != self.algorithm() {
            return Err(Status::WRONG_DATA);
        }
        let (witness, challenge) = (find(template, 0x80), find(template, 0x81));
        let expected = self.expected.take();
        match (witness, challenge, find(template, 0x82)) {
            (Some([]), ..) => {
                let witness = self.something_new();
                let encrypted = self.encrypt(&witness)?;
                self.expected = Some(witness);
                Ok(tlv(0x7c, &tlv(0x80, &encrypted)))
            }
            (Some(witness), Some(challenge), _) => {
                self.compare(expected, witness)?;
                Ok(tlv(0x7c, &tlv(0x82, &self.encrypt(challenge)?)))
            }
            (None, Some([]), _) => {
                let challenge = self.something_new();
                self.expected = Some(self.encrypt(&challenge)?);
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
            [algorithm @ (TRIPLE_DES | AES192), 0x9b, 24, ref key @ ..] if key.len() == 24 => {
                self.memory.write("management-key", key);
                self.memory.set_number("management-algorithm", algorithm.into());
                Ok(Vec::new())
            }
            _ => Err(Status::WRONG_DATA),
        }
    }

    /// Yubico's metadata.
    pub fn metadata(&self) -> Vec<u8> {
        vec![0x01, 1, self.algorithm(), 0x02, 2, 0, 1, 0x05, 1, (self.key() == DEFAULT).into()]
    }

    fn algorithm(&self) -> u8 {
        let of_new = if self.firmware < Firmware::WITH_AES_DEFAULT { TRIPLE_DES } else { AES192 };
        self.memory.number("management-algorithm").map_or(of_new, |number| number as u8)
    }

    /// A block of random bytes.
    fn something_new(&self) -> Vec<u8> {
        let mut bytes = vec![0; if self.algorithm() == AES192 { 16 } else { 8 }];
        SystemRandom::new().fill(&mut bytes).expect("random bytes");
        bytes
    }

    fn compare(&mut self, expected: Option<Vec<u8>>, given: &[u8]) -> Result<(), Status> {
        self.authenticated = expected.is_some_and(|expected| expected == given);
        self.demand()
    }

    fn encrypt(&self, block: &[u8]) -> Result<Vec<u8>, Status> {
        if self.algorithm() == AES192 {
            let key = UnboundCipherKey::new(&AES_192, &self.key()).and_then(EncryptingKey::ecb);
            let mut block: [u8; 16] = block.try_into().map_err(|_| Status::WRONG_DATA)?;
            key.expect("a key").encrypt(&mut block).expect("a block");
            return Ok(block.to_vec());
        }
        let mut block = <[u8; 8]>::try_from(block).map_err(|_| Status::WRONG_DATA)?.into();
        TdesEde3::new(&self.key().into()).encrypt_block(&mut block);
        Ok(block.to_vec())
    }

    fn key(&self) -> [u8; 24] {
        self.memory.read("management-key").map_or(DEFAULT, |key| key.try_into().expect("24 bytes"))
    }
}
