//! The device: its commands without a session, and its state.

use std::process;

use crate::asymmetric::SUPPORTED;
use crate::attestation;
use crate::audit::{Done, Log, NO_KEY};
use crate::authentication;
use crate::fault::Event;
use crate::frame::{Answer, Fields, Frame, Refusal};
use crate::memory::Memory;
use crate::object::AUTHENTICATION_KEY;
use crate::options::Options;
use crate::session::Sessions;
use crate::store::Store;

pub const FIRMWARE: [u8; 3] = [2, 4, 1];

const ECHO: u8 = 0x01;
const CREATE_SESSION: u8 = 0x03;
const AUTHENTICATE_SESSION: u8 = 0x04;
const SESSION_MESSAGE: u8 = 0x05;
const DEVICE_INFO: u8 = 0x06;

pub struct Device {
    pub memory: Memory,
    pub options: Options,
    pub store: Store,
    pub sessions: Sessions,
    pub log: Log,
    signatures: usize,
}

impl Device {
    pub fn plug_in(options: Options) -> Self {
        let memory = Memory::new(options.folder.clone());
        let mut device = Device {
            store: Store::open(memory.clone()),
            log: Log::open(memory.clone()),
            memory,
            options,
            sessions: Sessions::default(),
            signatures: 0,
        };
        if device.memory.number("serial").is_none() {
            device.personalise();
        }
        device
    }

    /// Puts the device into the state after a factory reset.
    pub fn personalise(&mut self) {
        self.store.clear();
        for object in attestation::preloaded(&self.memory, self.options.serial) {
            self.store.put(object);
        }
        self.store.put(authentication::first(&self.options.password));
        self.memory.set_number("serial", self.options.serial);
    }

    /// The device loses power.
    pub fn unplug(&mut self) {
        self.sessions = Sessions::default();
        self.signatures = 0;
    }

    pub fn serial(&self) -> u32 {
        self.memory.number("serial").unwrap_or_default()
    }

    /// Answers a whole message with a whole message.
    pub fn answer(&mut self, message: &[u8]) -> Vec<u8> {
        let frame = match Frame::parse(message) {
            Ok(frame) => frame,
            Err(refusal) => return Frame::answer(0, Err(refusal)).to_bytes(),
        };
        let Frame { command, data } = &frame;
        let answer = match *command {
            ECHO => Ok(data.clone()),
            DEVICE_INFO => self.info(data),
            CREATE_SESSION => {
                let (key, answer) = self.create_session(data);
                return self.noted(&frame, [key, NO_KEY], NO_KEY, answer);
            }
            AUTHENTICATE_SESSION => {
                let (key, answer) = self.sessions.authenticate(message, data);
                return self.noted(&frame, [key, NO_KEY], NO_KEY, answer);
            }
            SESSION_MESSAGE => match self.in_session(message, data) {
                Ok(answer) => return answer,
                Err(refusal) => Err(refusal),
            },
            _ => Err(Refusal::INVALID_COMMAND),
        };
        self.noted(&frame, [NO_KEY; 2], NO_KEY, answer)
    }

    /// DEVICE INFO: version, serial number, the log's size and use, algorithms; since firmware 2.4 the chip's
    /// name on page 1.
    pub fn info(&self, data: &[u8]) -> Answer {
        match data {
            [] | [0] => {
                let log = [Log::capacity(), self.log.used()];
                Ok([&FIRMWARE[..], &self.serial().to_be_bytes(), &log, &SUPPORTED].concat())
            }
            _ => Ok(b"SIMULATED".to_vec()),
        }
    }

    /// Records the command, for the device's log and for the tests.
    pub fn noted(&mut self, asked: &Frame, keys: [u16; 2], session_key: u16, answer: Answer) -> Vec<u8> {
        let refused = answer.as_ref().err().map_or(String::new(), |Refusal(number)| format!("{number:02x}"));
        let frame = Frame::answer(asked.command, answer);
        let (command, length, result) = (asked.command, asked.data.len() as u16, frame.command);
        self.memory.append("commands", &format!("{command:02x} {length} -> {result:02x}{refused}"));
        self.log.note(&Done { command, length, session_key, keys, result });
        frame.to_bytes()
    }

    /// Applies the fault that is due at this signature.
    pub fn before_signature(&mut self) -> Result<(), Refusal> {
        self.signatures += 1;
        let events = &self.options.at;
        match events.iter().find(|at| at.signatures.contains(&self.signatures)).map(|at| at.event) {
            None => Ok(()),
            Some(Event::Refuse(refusal)) => Err(refusal),
            Some(Event::StopConnector) => process::exit(0),
            Some(Event::Unplug) => {
                self.memory.write("unplugged", b"");
                Ok(())
            }
        }
    }

    /// CREATE SESSION: an authentication key, and the host's challenge.
    fn create_session(&mut self, data: &[u8]) -> (u16, Answer) {
        let mut fields = Fields(data);
        let Ok(id) = fields.u16() else { return (NO_KEY, Err(Refusal::WRONG_LENGTH)) };
        let in_use = self.memory.number("sessions-in-use").unwrap_or_default() as usize;
        let answer = fields.array().and_then(|challenge| {
            fields.end()?;
            let key = self.store.of_device(id, AUTHENTICATION_KEY).ok_or(Refusal::OBJECT_NOT_FOUND)?;
            self.sessions.create(key, challenge, in_use)
        });
        (id, answer)
    }

    /// SESSION MESSAGE: a command in its session's channel, and the answer in the same.
    fn in_session(&mut self, message: &[u8], data: &[u8]) -> Result<Vec<u8>, Refusal> {
        let (number, inner) = self.sessions.open(message, data)?;
        let rights = self.sessions.session(number)?.rights.clone();
        let answer = match Frame::parse(&inner) {
            Ok(frame) => self.run(&frame, &rights),
            Err(refusal) => Frame::answer(0, Err(refusal)).to_bytes(),
        };
        let header = |length: usize| {
            let length = (length as u16 + 1).to_be_bytes();
            vec![SESSION_MESSAGE | 0x80, length[0], length[1], number]
        };
        let sealed = self.sessions.session(number)?.channel.seal(&answer, header);
        const CLOSE_SESSION: u8 = 0x40;
        if answer[0] == CLOSE_SESSION | 0x80 {
            self.sessions.close(number);
        }
        Ok(sealed)
    }
}
