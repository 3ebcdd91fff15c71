//! What goes wrong at a signature.

use std::ops::RangeInclusive;
use std::str::FromStr;

use crate::frame::Refusal;

#[derive(Clone)]
pub struct At {
    pub signatures: RangeInclusive<usize>,
    pub event: Event,
}

#[derive(Clone, Copy)]
pub enum Event {
    Refuse(Refusal),
    Unplug,
    StopConnector,
}

impl FromStr for At {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (signatures, event) = text.split_once('=').ok_or("N=EVENT")?;
        let (first, last) = signatures.split_once('-').unwrap_or((signatures, signatures));
        let number = |text: &str| text.parse().map_err(|_| "N is a number");
        let event = match event {
            "unplug" => Event::Unplug,
            "stop" => Event::StopConnector,
            error => {
                Event::Refuse(Refusal(u8::from_str_radix(error, 16).map_err(|error| error.to_string())?))
            }
        };
        Ok(At { signatures: number(first)?..=number(last)?, event })
    }
}
