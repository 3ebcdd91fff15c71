//! The log (user guide: "Logging and Logs", "Set Command Audit Option"; GET LOG ENTRIES, SET LOG INDEX, SET
//! OPTION): 62 entries, each with a hash of itself and the one before. A command is logged if its own option
//! says so, or if logging is forced for all. A command that must be logged and cannot be is refused, except
//! for those that open a session and those that free the log.

use sha2::{Digest, Sha256};

use crate::frame::{Answer, Fields, Refusal};
use crate::memory::Memory;

const MOST: usize = 62;
const HASH: usize = 16;
const ENTRY: usize = 16 + HASH;

/// Stands for the key of a command that has none.
pub const NO_KEY: u16 = u16::MAX;

const FORCE_AUDIT: u8 = 1;
const COMMAND_AUDIT: u8 = 3;

const CREATE_SESSION: u8 = 0x03;
const AUTHENTICATE_SESSION: u8 = 0x04;
const GET_LOG_ENTRIES: u8 = 0x4d;
const SET_LOG_INDEX: u8 = 0x67;

/// What is logged about a command.
pub struct Done {
    pub command: u8,
    pub length: u16,
    pub session_key: u16,
    pub keys: [u16; 2],
    /// The command byte of the answer.
    pub result: u8,
}

pub struct Log {
    memory: Memory,
    entries: Vec<[u8; ENTRY]>,
}

impl Log {
    pub fn open(memory: Memory) -> Self {
        let bytes = memory.read("log").unwrap_or_default();
        let entries = bytes.chunks_exact(ENTRY).map(|entry| entry.try_into().expect("an entry")).collect();
        let mut log = Log { memory, entries };
        if log.entries.is_empty() {
            // The first entry after a reset.
            log.append(&[0xff; ENTRY - HASH - 2]);
        }
        // Records that the device was plugged in.
        log.add(&Done { command: 0, length: 0, session_key: NO_KEY, keys: [0, 0], result: 0 });
        log
    }

    pub fn used(&self) -> u8 {
        self.entries.len() as u8
    }

    pub const fn capacity() -> u8 {
        MOST as u8
    }

    /// Whether a command may run now.
    pub fn admits(&self, command: u8) -> Result<(), Refusal> {
        let is_exempt =
            [CREATE_SESSION, AUTHENTICATE_SESSION, GET_LOG_ENTRIES, SET_LOG_INDEX].contains(&command);
        let is_full = self.entries.len() >= MOST && self.is_forced();
        if is_full && !is_exempt { Err(Refusal::LOG_FULL) } else { Ok(()) }
    }

    pub fn note(&mut self, done: &Done) {
        if self.is_forced() || self.audited().contains(&done.command) {
            self.add(done);
        }
    }

    /// GET LOG ENTRIES.
    pub fn get(&self) -> Answer {
        let unlogged = |what| (self.memory.number(what).unwrap_or_default() as u16).to_be_bytes();
        let [boots, authentications] = ["unlogged-boots", "unlogged-authentications"].map(unlogged);
        Ok([&boots[..], &authentications, &[self.used()], &self.entries.concat()].concat())
    }

    /// SET LOG INDEX: forgets the entries up to the given one.
    pub fn forget(&mut self, data: &[u8]) -> Answer {
        let last = Fields(data).u16()?;
        let at = self.entries.iter().position(|entry| number(entry) == last).ok_or(Refusal::INVALID_DATA)?;
        self.entries.drain(..=at);
        self.save();
        for counter in ["unlogged-boots", "unlogged-authentications"] {
            self.memory.set_number(counter, 0);
        }
        Ok(Vec::new())
    }

    /// SET OPTION: the option, its length, and 1 or 0 for all, or a list of commands with 1 or 0 for each.
    pub fn set_option(&mut self, data: &[u8]) -> Answer {
        let mut fields = Fields(data);
        let (option, length) = (fields.u8()?, fields.u16()?);
        let value = fields.bytes(length.into())?;
        match (option, value) {
            (FORCE_AUDIT, [state]) => self.memory.write("force-audit", &[*state]),
            (COMMAND_AUDIT, pairs) => {
                let mut audited = self.audited();
                for pair in pairs.chunks_exact(2) {
                    audited.retain(|command| *command != pair[0]);
                    audited.extend((pair[1] != 0).then_some(pair[0]));
                }
                self.memory.write("command-audit", &audited);
            }
            _ => return Err(Refusal::INVALID_DATA),
        }
        Ok(Vec::new())
    }

    /// GET OPTION.
    pub fn option(&self, data: &[u8]) -> Answer {
        match Fields(data).u8()? {
            FORCE_AUDIT => Ok(vec![self.is_forced().into()]),
            COMMAND_AUDIT => {
                let audited = self.audited();
                Ok((0x01..=0x77).flat_map(|command| [command, audited.contains(&command).into()]).collect())
            }
            _ => Err(Refusal::INVALID_DATA),
        }
    }

    fn add(&mut self, done: &Done) {
        let is_full = self.entries.len() >= MOST;
        if is_full && self.is_forced() {
            let counter = if done.command == 0 { "unlogged-boots" } else { "unlogged-authentications" };
            let count = self.memory.number(counter).unwrap_or_default();
            self.memory.set_number(counter, count + 1);
            return;
        }
        let tick = self.memory.number("ticks").unwrap_or_default() + 1;
        self.memory.set_number("ticks", tick);
        let [target, second] = done.keys.map(u16::to_be_bytes);
        let rest = [
            &[done.command][..],
            &done.length.to_be_bytes(),
            &done.session_key.to_be_bytes(),
            &target,
            &second,
            &[done.result],
            &tick.to_be_bytes(),
        ];
        self.append(&rest.concat());
    }

    /// Appends an entry; `rest` follows its number.
    fn append(&mut self, rest: &[u8]) {
        let last = self.entries.last();
        let next =
            last.map_or(self.memory.number("last-entry").unwrap_or_default() as u16, number).wrapping_add(1);
        let before = last.map_or_else(|| vec![0; HASH], |entry| entry[ENTRY - HASH..].to_vec());
        let entry = [&next.to_be_bytes(), rest].concat();
        let hash = Sha256::new().chain_update(&entry).chain_update(before).finalize();
        let entry = [&entry, &hash[..HASH]].concat();
        if self.entries.len() >= MOST {
            self.entries.remove(0);
        }
        self.entries.push(entry.try_into().expect("an entry"));
        self.memory.set_number("last-entry", next.into());
        self.save();
    }

    fn save(&self) {
        self.memory.write("log", &self.entries.concat());
    }

    fn is_forced(&self) -> bool {
        self.memory.read("force-audit").is_some_and(|state| state != [0])
    }

    /// The commands that are logged: none, unless somebody has requested it.
    fn audited(&self) -> Vec<u8> {
        self.memory.read("command-audit").unwrap_or_default()
    }
}

fn number(entry: &[u8; ENTRY]) -> u16 {
    u16::from_be_bytes([entry[0], entry[1]])
}
