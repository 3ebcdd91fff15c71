//! What goes wrong at a signature.

use std::str::FromStr;

use crate::frame::Refusal;

#[derive(Clone, Copy)]
pub enum Event {
    Refuse(Refusal),
    Unplug,
    StopConnector,
}

impl FromStr for Event {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Ok(match text {
            "unplug" => Event::Unplug,
            "stop" => Event::StopConnector,
            error => {
                Event::Refuse(Refusal(u8::from_str_radix(error, 16).map_err(|error| error.to_string())?))
            }
        })
    }
}
