//! What kind of card it is, and what goes wrong with it.

use std::path::PathBuf;
use std::str::FromStr;

use clap::Parser;

use crate::key::Algorithm;
use crate::schedule::At;
use crate::slot::{PinPolicy, Slot, TouchPolicy};

#[derive(Parser)]
pub struct Options {
    /// The card's memory; one that is empty is filled by the options marked (new)
    pub folder: PathBuf,
    /// Where vpcd listens
    #[arg(long)]
    pub port: u16,
    /// The version of its firmware, which decides on what it knows
    #[arg(long, default_value = "5.4.3")]
    pub firmware: Firmware,
    /// Trivial PINs and PUKs are refused, as an option of firmware 5.7 does
    #[arg(long)]
    pub pin_complexity: bool,
    /// (new) The card's serial number
    #[arg(long, default_value_t = 11_223_344)]
    pub serial: u32,
    /// (new) The user's PIN, of 6 to 8 characters
    #[arg(long, default_value = "123456")]
    pub pin: String,
    /// (new) The subject of the certificates
    #[arg(long, default_value = "officer")]
    pub name: String,
    /// (new) A key that is there, with its certificate: 9a=rsa2048[:never|once|always[:never|always|cached]]
    #[arg(long = "key")]
    pub keys: Vec<KeyOption>,
    /// (new) A slot whose key has no certificate
    #[arg(long)]
    pub without_certificate: Vec<Slot>,
    /// (new) No key of the maker's to attest with
    #[arg(long)]
    pub without_attestation: bool,
    /// (new) No keys but those that are asked for
    #[arg(long)]
    pub blank: bool,
    /// How long somebody takes to touch the card, in milliseconds
    #[arg(long, default_value_t = 0)]
    pub touch_after: u64,
    /// What happens at the N-th signature since the card was inserted: N=STATUS (a status word, as 6f00), or N=pull; or
    /// at several, as 2-9=STATUS
    #[arg(long)]
    pub at: Vec<At<Event>>,
}

/// Major, minor, patch.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Firmware(pub [u8; 3]);

impl Firmware {
    /// Comes with an AES-192 management key, and knows RSA-3072, RSA-4096 and Ed25519
    /// (https://docs.yubico.com/hardware/yubikey/yk-tech-manual/5.7-firmware-specifics.html).
    pub const WITH_AES_DEFAULT: Self = Firmware([5, 7, 0]);
}

impl FromStr for Firmware {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let numbers: Vec<u8> = text.split('.').filter_map(|number| number.parse().ok()).collect();
        numbers.try_into().map(Firmware).map_err(|_| "three numbers, as 5.4.3".into())
    }
}

#[derive(Clone)]
pub struct KeyOption {
    pub slot: Slot,
    pub algorithm: Algorithm,
    pub pin: Option<PinPolicy>,
    pub touch: TouchPolicy,
}

impl FromStr for KeyOption {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (slot, rest) = text.split_once('=').ok_or("SLOT=ALGORITHM")?;
        let mut rest = rest.split(':');
        Ok(KeyOption {
            slot: slot.parse()?,
            algorithm: rest.next().unwrap_or_default().parse()?,
            pin: rest.next().map(PinPolicy::from_str).transpose()?,
            touch: rest.next().map_or(Ok(TouchPolicy::Never), TouchPolicy::from_str)?,
        })
    }
}

#[derive(Clone, Copy)]
pub enum Event {
    Pull,
    Answer(u16),
}

impl FromStr for Event {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Ok(match text {
            "pull" => Event::Pull,
            status => Event::Answer(u16::from_str_radix(status, 16).map_err(|error| error.to_string())?),
        })
    }
}
