//! When a YubiKey's key expects its PIN and a touch, as its attestations and its module number it.

/// When a key expects the PIN.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PinPolicy {
    /// Never.
    Never,
    /// Once in a session.
    Once,
    /// For each signature.
    Always,
}

/// When a key expects its device to be touched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TouchPolicy {
    /// Never.
    Never,
    /// For each signature.
    Always,
    /// For a signature more than 15 seconds after the last touch.
    Cached,
}

impl PinPolicy {
    /// From Yubico's number for it.
    pub(super) fn from_number(number: u8) -> Option<Self> {
        match number {
            1 => Some(PinPolicy::Never),
            2 => Some(PinPolicy::Once),
            3 => Some(PinPolicy::Always),
            _ => None,
        }
    }

    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            PinPolicy::Never => "never",
            PinPolicy::Once => "once",
            PinPolicy::Always => "always",
        }
    }
}

impl TouchPolicy {
    /// From Yubico's number for it.
    pub fn from_number(number: u8) -> Option<Self> {
        match number {
            1 => Some(TouchPolicy::Never),
            2 => Some(TouchPolicy::Always),
            3 => Some(TouchPolicy::Cached),
            _ => None,
        }
    }

    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            TouchPolicy::Never => "never",
            TouchPolicy::Always => "always",
            TouchPolicy::Cached => "cached",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn policies_are_numbered_from_one_to_three() {
        let pin = [0, 1, 2, 3, 4, 255].map(|number| PinPolicy::from_number(number).map(PinPolicy::name));
        assert_eq!(pin, [None, Some("never"), Some("once"), Some("always"), None, None]);
        let touch =
            [0, 1, 2, 3, 4, 255].map(|number| TouchPolicy::from_number(number).map(TouchPolicy::name));
        assert_eq!(touch, [None, Some("never"), Some("always"), Some("cached"), None, None]);
    }
}
