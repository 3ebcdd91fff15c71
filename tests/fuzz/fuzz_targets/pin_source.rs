//! `--pin-source`: people type the PIN itself there, so all input must get the same error.
#![no_main]

use std::str::FromStr;

use countersign::pin::PinSource;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| match PinSource::from_str(text) {
    Ok(source) => drop((source.to_string(), source.is_person())),
    Err(error) => assert_eq!(Some(error), PinSource::from_str("").err(), "the error depends on the input"),
});
