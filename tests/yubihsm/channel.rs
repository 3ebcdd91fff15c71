//! The secure channel of a session. It is Global Platform's SCP03 with AES-128, from which Yubico uses the
//! key derivation, the cryptograms, and encryption and MAC in both directions (user guide: "Core Concepts",
//! "Session"; GPC_SPE_014, 4.1.5 and 6.2).

use aws_lc_rs::cipher::{
    AES_128, DecryptingKey, DecryptionContext, EncryptingKey, EncryptionContext, UnboundCipherKey,
};
use aws_lc_rs::cmac;
use aws_lc_rs::iv::FixedLength;

use crate::frame::Refusal;

pub type Key = [u8; 16];

/// How many bytes of a CMAC are sent.
pub const MAC: usize = 8;

const BLOCK: usize = 16;

/// The constants of the derivation.
const CARD_CRYPTOGRAM: u8 = 0x00;
const HOST_CRYPTOGRAM: u8 = 0x01;
const S_ENC: u8 = 0x04;
const S_MAC: u8 = 0x06;
const S_RMAC: u8 = 0x07;

pub struct Channel {
    encryption: Key,
    mac: Key,
    answers_mac: Key,
    /// The challenges of both sides.
    context: [u8; 16],
    /// The last command's MAC, in full.
    chain: [u8; BLOCK],
    /// The number of commands.
    counter: u128,
}

impl Channel {
    pub fn between(encryption: &Key, mac: &Key, context: [u8; 16]) -> Self {
        Channel {
            encryption: derive(encryption, S_ENC, &context),
            mac: derive(mac, S_MAC, &context),
            answers_mac: derive(mac, S_RMAC, &context),
            context,
            chain: [0; BLOCK],
            counter: 0,
        }
    }

    /// Proves that the device has the key.
    pub fn card_cryptogram(&self) -> [u8; 8] {
        cryptogram(&self.mac, CARD_CRYPTOGRAM, &self.context)
    }

    /// Checks that the other side has it: `message` is a whole AUTHENTICATE SESSION.
    pub fn authenticates(&mut self, message: &[u8], host_cryptogram: &[u8]) -> Result<(), Refusal> {
        if host_cryptogram != cryptogram(&self.mac, HOST_CRYPTOGRAM, &self.context) {
            return Err(Refusal::AUTHENTICATION_FAILED);
        }
        self.check(message)?;
        self.counter = 1;
        Ok(())
    }

    /// The command in a SESSION MESSAGE, padded: `message` is the whole message, `encrypted` its encrypted
    /// part.
    pub fn open(&mut self, message: &[u8], encrypted: &[u8]) -> Result<Vec<u8>, Refusal> {
        if encrypted.is_empty() || !encrypted.len().is_multiple_of(BLOCK) {
            return Err(Refusal::WRONG_LENGTH);
        }
        self.check(message)?;
        let mut text = encrypted.to_vec();
        let key = DecryptingKey::cbc(unbound(&self.encryption)).expect("a key");
        let context = DecryptionContext::Iv128(FixedLength::from(self.initial_vector()));
        key.decrypt(&mut text, context).expect("whole blocks");
        Ok(text)
    }

    /// An answer as the data of a SESSION MESSAGE, whose start `header` makes from the data's length.
    pub fn seal(&mut self, answer: &[u8], header: impl FnOnce(usize) -> Vec<u8>) -> Vec<u8> {
        let mut text = [answer, &[0x80]].concat();
        text.resize(text.len().next_multiple_of(BLOCK), 0);
        let key = EncryptingKey::cbc(unbound(&self.encryption)).expect("a key");
        let context = EncryptionContext::Iv128(FixedLength::from(self.initial_vector()));
        key.less_safe_encrypt(&mut text, context).expect("whole blocks");
        let message = [header(text.len() + MAC), text].concat();
        let mac = sign(&self.answers_mac, &[&self.chain, &message]);
        self.counter += 1;
        [&message, &mac[..MAC]].concat()
    }

    /// Checks the MAC at the end of a message, which also covers the previous MAC.
    fn check(&mut self, message: &[u8]) -> Result<(), Refusal> {
        let (text, given) = message.split_at_checked(message.len() - MAC).ok_or(Refusal::WRONG_LENGTH)?;
        let mac = sign(&self.mac, &[&self.chain, text]);
        if mac[..MAC] != *given {
            return Err(Refusal::AUTHENTICATION_FAILED);
        }
        self.chain = mac;
        Ok(())
    }

    fn initial_vector(&self) -> [u8; BLOCK] {
        let mut block = self.counter.to_be_bytes();
        let key = EncryptingKey::ecb(unbound(&self.encryption)).expect("a key");
        key.encrypt(&mut block).expect("a block");
        block
    }
}

fn derive(key: &Key, constant: u8, context: &[u8; 16]) -> Key {
    derivation(key, constant, 128, context)
}

fn cryptogram(key: &Key, constant: u8, context: &[u8; 16]) -> [u8; 8] {
    let whole = derivation(key, constant, 64, context);
    whole[..8].try_into().expect("8 bytes")
}

fn derivation(key: &Key, constant: u8, bits: u8, context: &[u8; 16]) -> [u8; BLOCK] {
    let label = [0; 11];
    let counter = 1;
    sign(key, &[&label, &[constant, 0, 0, bits, counter], context])
}

fn sign(key: &Key, parts: &[&[u8]]) -> [u8; BLOCK] {
    let key = cmac::Key::new(cmac::AES_128, key).expect("a key");
    let tag = cmac::sign(&key, &parts.concat()).expect("a MAC");
    tag.as_ref().try_into().expect("a block")
}

fn unbound(key: &Key) -> UnboundCipherKey {
    UnboundCipherKey::new(&AES_128, key).expect("a key")
}
