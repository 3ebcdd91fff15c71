//! Which signatures go wrong and how: `N=EVENT` or `N-M=EVENT`, counted from 1.

use std::ops::RangeInclusive;
use std::str::FromStr;

#[derive(Clone)]
pub struct At<E> {
    pub signatures: RangeInclusive<usize>,
    pub event: E,
}

impl<E: FromStr<Err = String>> FromStr for At<E> {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (signatures, event) = text.split_once('=').ok_or("N=EVENT")?;
        let (first, last) = signatures.split_once('-').unwrap_or((signatures, signatures));
        let number = |text: &str| text.parse().map_err(|_| "N is a number");
        let event = event.parse()?;
        Ok(At { signatures: number(first)?..=number(last)?, event })
    }
}
