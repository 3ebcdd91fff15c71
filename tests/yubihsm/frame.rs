//! Messages to and from the device: a command, 16 bits of length, data. An answer's command is the question's
//! with the highest bit set, or 7f with the number of an error (user guide: "YubiHSM Command Reference",
//! "Error codes").

/// An error of the device, with Yubico's number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal(pub u8);

impl Refusal {
    pub const INVALID_COMMAND: Self = Refusal(0x01);
    pub const INVALID_DATA: Self = Refusal(0x02);
    pub const INVALID_SESSION: Self = Refusal(0x03);
    pub const AUTHENTICATION_FAILED: Self = Refusal(0x04);
    pub const SESSIONS_FULL: Self = Refusal(0x05);
    pub const STORAGE_FAILED: Self = Refusal(0x07);
    pub const WRONG_LENGTH: Self = Refusal(0x08);
    pub const INSUFFICIENT_PERMISSIONS: Self = Refusal(0x09);
    pub const LOG_FULL: Self = Refusal(0x0a);
    pub const OBJECT_NOT_FOUND: Self = Refusal(0x0b);
    pub const OBJECT_EXISTS: Self = Refusal(0x11);
}

pub type Answer = Result<Vec<u8>, Refusal>;

const IS_ANSWER: u8 = 0x80;
const ERROR: u8 = 0x7f;

/// A command, or an answer.
pub struct Frame {
    pub command: u8,
    pub data: Vec<u8>,
}

impl Frame {
    /// Anything after the data is padding.
    pub fn parse(bytes: &[u8]) -> Result<Self, Refusal> {
        let mut fields = Fields(bytes);
        let (command, length) = (fields.u8()?, fields.u16()?);
        Ok(Frame { command, data: fields.bytes(length.into())?.to_vec() })
    }

    pub fn answer(command: u8, answer: Answer) -> Self {
        match answer {
            Ok(data) => Frame { command: command | IS_ANSWER, data },
            Err(Refusal(number)) => Frame { command: ERROR, data: vec![number] },
        }
    }

    pub fn to_bytes(&self) -> Vec<u8> {
        let length = u16::try_from(self.data.len()).expect("a short message");
        [&[self.command], &length.to_be_bytes()[..], &self.data].concat()
    }
}

/// Data, read field by field. Data that is too short has the wrong length.
pub struct Fields<'a>(pub &'a [u8]);

impl<'a> Fields<'a> {
    pub fn u8(&mut self) -> Result<u8, Refusal> {
        Ok(self.bytes(1)?[0])
    }

    pub fn u16(&mut self) -> Result<u16, Refusal> {
        self.array().map(u16::from_be_bytes)
    }

    pub fn u64(&mut self) -> Result<u64, Refusal> {
        self.array().map(u64::from_be_bytes)
    }

    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], Refusal> {
        Ok(self.bytes(N)?.try_into().expect("so many bytes"))
    }

    pub fn bytes(&mut self, length: usize) -> Result<&'a [u8], Refusal> {
        let (bytes, rest) = self.0.split_at_checked(length).ok_or(Refusal::WRONG_LENGTH)?;
        self.0 = rest;
        Ok(bytes)
    }

    pub fn rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.0)
    }

    pub fn end(&self) -> Result<(), Refusal> {
        if self.0.is_empty() { Ok(()) } else { Err(Refusal::WRONG_LENGTH) }
    }
}
