//! What the device is like, and what goes wrong with it.

use std::path::PathBuf;

use clap::Parser;

use crate::fault::Event;
use crate::schedule::At;

#[derive(Parser)]
pub struct Options {
    /// The device's memory; one that is empty is filled by the options marked (new)
    pub folder: PathBuf,
    /// Where the connector listens; 0 takes one that is free
    #[arg(long, default_value_t = 12345)]
    pub port: u16,
    /// (new) The device's serial number
    #[arg(long, default_value_t = 7_550_112)]
    pub serial: u32,
    /// (new) The password of authentication key 1, which may do everything
    #[arg(long, default_value = "password")]
    pub password: String,
    /// What happens at the N-th signature since the device was plugged in: N=ERROR (a number of Yubico's, as 09), or
    /// N=unplug, or N=stop (the connector ends); or at several, as 2-9=ERROR
    #[arg(long)]
    pub at: Vec<At<Event>>,
}
