//! Where a key is, and what it asks of people.

use std::fmt;
use std::str::FromStr;

/// By its key reference.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Slot(pub u8);

impl Slot {
    pub const ATTESTATION: Self = Slot(0xf9);

    pub fn from_reference(reference: u8) -> Option<Self> {
        matches!(reference, 0x9a | 0x9c | 0x9d | 0x9e | 0xf9).then_some(Slot(reference))
    }

    /// The data object with its certificate.
    pub fn certificate_object(self) -> u32 {
        match self.0 {
            0x9a => 0x5f_c105,
            0x9c => 0x5f_c10a,
            0x9d => 0x5f_c10b,
            0x9e => 0x5f_c101,
            _ => 0x5f_ff01,
        }
    }

    pub fn default_pin_policy(self) -> PinPolicy {
        match self.0 {
            0x9c => PinPolicy::Always,
            0x9e => PinPolicy::Never,
            _ => PinPolicy::Once,
        }
    }
}

impl fmt::Display for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02x}", self.0)
    }
}

impl FromStr for Slot {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let reference = u8::from_str_radix(text, 16).map_err(|error| error.to_string())?;
        Slot::from_reference(reference).ok_or_else(|| "9a, 9c, 9d, 9e or f9".into())
    }
}

/// Numbered as Yubico does.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum PinPolicy {
    Never = 1,
    Once = 2,
    Always = 3,
}

impl FromStr for PinPolicy {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "never" => Ok(PinPolicy::Never),
            "once" => Ok(PinPolicy::Once),
            "always" => Ok(PinPolicy::Always),
            _ => Err("never, once or always".into()),
        }
    }
}

/// Numbered as Yubico does.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum TouchPolicy {
    Never = 1,
    Always = 2,
    Cached = 3,
}

impl FromStr for TouchPolicy {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "never" => Ok(TouchPolicy::Never),
            "always" => Ok(TouchPolicy::Always),
            "cached" => Ok(TouchPolicy::Cached),
            _ => Err("never, always or cached".into()),
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Policies {
    pub pin: PinPolicy,
    pub touch: TouchPolicy,
}

impl Policies {
    pub fn to_bytes(self) -> [u8; 2] {
        [self.pin as u8, self.touch as u8]
    }

    /// Of a slot, with its defaults for what is left open.
    pub fn from_bytes(slot: Slot, pin: u8, touch: u8) -> Self {
        let pin = match pin {
            1 => PinPolicy::Never,
            2 => PinPolicy::Once,
            3 => PinPolicy::Always,
            _ => slot.default_pin_policy(),
        };
        let touch = match touch {
            2 => TouchPolicy::Always,
            3 => TouchPolicy::Cached,
            _ => TouchPolicy::Never,
        };
        Policies { pin, touch }
    }
}
