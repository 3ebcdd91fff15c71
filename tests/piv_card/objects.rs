//! The card's data objects: GET DATA and PUT DATA.

use crate::apdu::{Answer, Command, Status};
use crate::memory::Memory;
use crate::tlv::{find, tlv};

/// The card's PIV application.
pub const APPLICATION: &[u8] = b"\xa0\x00\x00\x03\x08\x00\x00\x10\x00\x01\x00";
const DISCOVERY: u32 = 0x7e;
const CAPABILITY: u32 = 0x5f_c107;
const HOLDER_IDENTIFIER: u32 = 0x5f_c102;

/// The objects that each card has, with the serial number in them, by which OpenSC knows a card.
pub fn personalise(memory: &Memory, serial: u32) {
    let number = [vec![0x5e; 12], serial.to_be_bytes().to_vec()].concat();
    let agency = b"\xd4\xe7\x39\xda\x73\x9c\xed\x39\xce\x73\x9d\x83\x68\x58\x21\x08\x42\x10\x84\x21\xc8\x42\x10\xc3\xeb";
    let holder =
        [tlv(0x30, agency), tlv(0x34, &number), tlv(0x35, b"20491231"), tlv(0x3e, &[]), tlv(0xfe, &[])];
    put(memory, HOLDER_IDENTIFIER, &holder.concat());
    let identifier = [b"\xa0\x00\x00\x01\x16\xff\x02", &number[2..]].concat();
    let mut capability = [tlv(0xf0, &identifier), tlv(0xf1, &[0x21]), tlv(0xf2, &[0x21])].concat();
    capability
        .extend([0xf3, 0, 0xf4, 1, 0, 0xf5, 1, 0x10, 0xf6, 0, 0xf7, 0, 0xfa, 0, 0xfb, 0, 0xfc, 0, 0xfd, 0]);
    capability.extend(tlv(0xfe, &[]));
    put(memory, CAPABILITY, &capability);
}

pub fn put(memory: &Memory, object: u32, content: &[u8]) {
    if content.is_empty() {
        memory.remove(&file(object));
    } else {
        memory.write(&file(object), content);
    }
}

/// As certificates are kept: not compressed, without an error detection code.
pub fn put_certificate(memory: &Memory, object: u32, certificate: &[u8]) {
    put(memory, object, &[tlv(0x70, certificate), tlv(0x71, &[0]), tlv(0xfe, &[])].concat());
}

pub fn get_data(memory: &Memory, command: &Command) -> Answer {
    let object = number(command)?;
    if object == DISCOVERY {
        // The PIN is the card's own, and there is no other.
        return Ok(tlv(DISCOVERY, &[tlv(0x4f, APPLICATION), tlv(0x5f2f, &[0x40, 0])].concat()));
    }
    memory.read(&file(object)).map(|content| tlv(0x53, &content)).ok_or(Status::NOT_FOUND)
}

pub fn put_data(memory: &Memory, command: &Command) -> Answer {
    let content = find(&command.data, 0x53).ok_or(Status::WRONG_DATA)?;
    put(memory, number(command)?, content);
    Ok(Vec::new())
}

fn number(command: &Command) -> Result<u32, Status> {
    if (command.p1, command.p2) != (0x3f, 0xff) {
        return Err(Status::WRONG_PARAMETERS);
    }
    let tag = find(&command.data, 0x5c).filter(|tag| tag.len() <= 3).ok_or(Status::WRONG_DATA)?;
    Ok(tag.iter().fold(0, |number, byte| number << 8 | u32::from(*byte)))
}

fn file(object: u32) -> String {
    format!("object-{object:06x}")
}
