//! The card: which instruction does what.

use std::process;
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::algorithm::{self, public_key_template};
use crate::apdu::{Answer, Channel, Command, Status};
use crate::attestation;
use crate::factory::{self, store};
use crate::key::PrivateKey;
use crate::management::Management;
use crate::memory::Memory;
use crate::objects;
use crate::options::{Event, Options};
use crate::pin::Pins;
use crate::slot::{PinPolicy, Policies, Slot, TouchPolicy};
use crate::tlv::{find, tlv};
use crate::wire::Insert;

/// How long one touch counts by the policy `cached`.
const TOUCH_COUNTS: Duration = Duration::from_secs(15);
const MANAGEMENT_KEY: u8 = 0x9b;

pub struct Card {
    memory: Memory,
    options: Options,
    channel: Option<Channel>,
    pins: Pins,
    management: Management,
    signatures: usize,
    touched: Option<Instant>,
}

impl Card {
    pub fn insert(options: Options) -> Self {
        let memory = Memory::new(options.folder.clone());
        if memory.number("serial").is_none() {
            factory::personalise(&memory, &options);
        }
        let pins = Pins::new(memory.clone(), options.pin_complexity);
        let management = Management::new(memory.clone(), options.firmware);
        Card {
            memory,
            options,
            channel: Some(Channel::default()),
            pins,
            management,
            signatures: 0,
            touched: None,
        }
    }

    fn execute(&mut self, command: &Command) -> Answer {
        match command.instruction {
            0xa4 => self.select(command),
            0xcb => objects::get_data(&self.memory, command),
            0x20 => self.pins.verify(command),
            0x24 => self.pins.change(command),
            0x2c => self.pins.unblock(command),
            0x87 => self.authenticate(command),
            0x47 => self.generate(command),
            0xdb => self.management.demand().and_then(|()| objects::put_data(&self.memory, command)),
            0xf7 => self.metadata(command.p2),
            0xf8 => Ok(self.serial().to_be_bytes().to_vec()),
            0xf9 => self.attest(command.p1),
            0xfb => self.reset_application(),
            0xfd => Ok(self.options.firmware.0.to_vec()),
            0xff => self.management.set(command),
            _ => Err(Status::NO_SUCH_INSTRUCTION),
        }
    }

    fn select(&mut self, command: &Command) -> Answer {
        let application = objects::APPLICATION;
        if command.p1 != 4 || command.data.len() < 5 || !application.starts_with(&command.data) {
            return Err(Status::NOT_FOUND);
        }
        let authority = tlv(0x79, &tlv(0x4f, &application[..5]));
        Ok(tlv(0x61, &[tlv(0x4f, &application[5..]), authority].concat()))
    }

    /// GENERAL AUTHENTICATE: with the management key, or a signature.
    fn authenticate(&mut self, command: &Command) -> Answer {
        let template = find(&command.data, 0x7c).ok_or(Status::WRONG_DATA)?;
        if command.p2 == MANAGEMENT_KEY {
            return self.management.authenticate(command.p1, template);
        }
        let (slot, key) = self.key(command.p2).ok_or(Status::NO_SUCH_REFERENCE)?;
        if algorithm::number(key.algorithm()) != Some(command.p1) || slot == Slot::ATTESTATION {
            return Err(Status::WRONG_PARAMETERS);
        }
        let input = find(template, 0x81).ok_or(Status::WRONG_DATA)?;
        let policies = self.policies(slot);
        match policies.pin {
            PinPolicy::Never => {}
            PinPolicy::Once if self.pins.is_verified() => {}
            PinPolicy::Always if self.pins.take_fresh() => {}
            _ => return Err(Status::NOT_ALLOWED_YET),
        }
        self.wait_for_touch(policies.touch);
        self.signatures += 1;
        match self.options.at.iter().find(|at| at.signatures.contains(&self.signatures)).map(|at| at.event) {
            Some(Event::Pull) => process::exit(0),
            Some(Event::Answer(status)) => return Err(Status(status)),
            None => {}
        }
        Ok(tlv(0x7c, &tlv(0x82, &key.sign_raw(input).map_err(|_| Status::WRONG_DATA)?)))
    }

    fn wait_for_touch(&mut self, policy: TouchPolicy) {
        let counts = self.touched.is_some_and(|touched| touched.elapsed() < TOUCH_COUNTS);
        if policy == TouchPolicy::Always || policy == TouchPolicy::Cached && !counts {
            sleep(Duration::from_millis(self.options.touch_after));
            self.touched = Some(Instant::now());
        }
    }

    fn generate(&mut self, command: &Command) -> Answer {
        self.management.demand()?;
        let slot = Slot::from_reference(command.p2).ok_or(Status::WRONG_PARAMETERS)?;
        let template = find(&command.data, 0xac).ok_or(Status::WRONG_DATA)?;
        let byte = |tag| find(template, tag).and_then(|content| content.first().copied());
        let algorithm =
            byte(0x80).and_then(|number| algorithm::from_number_of(self.options.firmware, number));
        let algorithm = algorithm.ok_or(Status::WRONG_DATA)?;
        let policies =
            Policies::from_bytes(slot, byte(0xaa).unwrap_or_default(), byte(0xab).unwrap_or_default());
        let key = PrivateKey::generate(algorithm);
        store(&self.memory, slot, &key, policies);
        Ok(tlv(0x7f49, &public_key_template(&key)))
    }

    fn metadata(&self, reference: u8) -> Answer {
        match reference {
            0x80 | 0x81 => return Ok(self.pins.metadata(reference)),
            MANAGEMENT_KEY => return Ok(self.management.metadata()),
            _ => {}
        }
        let (slot, key) = self.key(reference).ok_or(Status::NO_SUCH_REFERENCE)?;
        const GENERATED: u8 = 1;
        Ok([
            tlv(0x01, &[algorithm::number(key.algorithm()).unwrap_or_default()]),
            tlv(0x02, &self.policies(slot).to_bytes()),
            tlv(0x03, &[GENERATED]),
            tlv(0x04, &public_key_template(&key)),
        ]
        .concat())
    }

    fn attest(&self, reference: u8) -> Answer {
        let (slot, key) = self.key(reference).ok_or(Status::NO_SUCH_REFERENCE)?;
        let device = (self.serial(), self.options.firmware);
        attestation::attest(&self.memory, device, (slot, &key), self.policies(slot))
    }

    /// Yubico's RESET, which a card accepts whose PIN and PUK are both locked.
    fn reset_application(&mut self) -> Answer {
        if !self.pins.are_locked() {
            return Err(Status::CONDITIONS_NOT_SATISFIED);
        }
        factory::reset(&self.memory);
        self.reset();
        Ok(Vec::new())
    }

    fn key(&self, reference: u8) -> Option<(Slot, PrivateKey)> {
        let slot = Slot::from_reference(reference)?;
        Some((slot, PrivateKey::from_pkcs8(&self.memory.read(&format!("{slot}.key"))?)))
    }

    fn policies(&self, slot: Slot) -> Policies {
        match self.memory.read(&format!("{slot}.policies")).as_deref() {
            Some(&[pin, touch]) => Policies::from_bytes(slot, pin, touch),
            _ => Policies::from_bytes(slot, 0, 0),
        }
    }

    fn serial(&self) -> u32 {
        self.memory.number("serial").unwrap_or_default()
    }
}

impl Insert for Card {
    fn is_powered(&mut self) {
        self.memory.write("ready", b"");
    }

    fn reset(&mut self) {
        self.channel = Some(Channel::default());
        self.pins.reset();
        self.management.reset();
    }

    fn answer(&mut self, apdu: &[u8]) -> Vec<u8> {
        let mut channel = self.channel.take().unwrap_or_default();
        let mut log = None;
        let answer = channel.transmit(apdu, |command| {
            let answer = self.execute(command);
            log = Some((
                command.instruction,
                command.p1,
                command.p2,
                command.data.len(),
                answer.as_ref().err().copied(),
            ));
            answer
        });
        self.channel = Some(channel);
        if let Some((instruction, p1, p2, length, refused)) = log {
            let Status(status) = refused.unwrap_or(Status::OK);
            self.memory
                .append("commands", &format!("{instruction:02x} {p1:02x}{p2:02x} {length} -> {status:04x}"));
        }
        answer
    }
}
