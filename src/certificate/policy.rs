//! When a YubiKey's key requires its PIN and a touch, and the device's form factor, by their numbers in
//! attestations and modules. An unknown number is kept as it is.

/// When a key requires the PIN.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PinPolicy {
    /// Never.
    Never,
    /// Once in a session.
    Once,
    /// For each signature.
    Always,
    /// Once in a session; a fingerprint serves as well (YubiKey Bio).
    MatchOnce,
    /// For each signature; a fingerprint serves as well (YubiKey Bio).
    MatchAlways,
    /// Another one.
    Other(u8),
}

/// When a key requires a touch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TouchPolicy {
    /// Never.
    Never,
    /// For each signature.
    Always,
    /// For a signature more than 15 seconds after the last touch.
    Cached,
    /// Another one.
    Other(u8),
}

/// A YubiKey's connector and size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FormFactor {
    /// USB-A, as large as a key.
    UsbAKeychain,
    /// USB-A, as small as its plug.
    UsbANano,
    /// USB-C, as large as a key.
    UsbCKeychain,
    /// USB-C, as small as its plug.
    UsbCNano,
    /// USB-C and Lightning.
    UsbCLightning,
    /// USB-A, with a fingerprint sensor.
    UsbABio,
    /// USB-C, with a fingerprint sensor.
    UsbCBio,
    /// Another one.
    Other(u8),
}

impl PinPolicy {
    /// From Yubico's number
    /// (<https://docs.yubico.com/yesdk/yubikey-api/Yubico.YubiKey.Piv.PivPinPolicy.html>).
    pub(super) fn from_number(number: u8) -> Self {
        match number {
            1 => PinPolicy::Never,
            2 => PinPolicy::Once,
            3 => PinPolicy::Always,
            4 => PinPolicy::MatchOnce,
            5 => PinPolicy::MatchAlways,
            other => PinPolicy::Other(other),
        }
    }

    /// Its name, or the number if it has none.
    pub fn name(self) -> Result<&'static str, u8> {
        Ok(match self {
            PinPolicy::Never => "never",
            PinPolicy::Once => "once",
            PinPolicy::Always => "always",
            PinPolicy::MatchOnce => "match-once",
            PinPolicy::MatchAlways => "match-always",
            PinPolicy::Other(number) => return Err(number),
        })
    }
}

impl TouchPolicy {
    /// From Yubico's number
    /// (<https://docs.yubico.com/yesdk/yubikey-api/Yubico.YubiKey.Piv.PivTouchPolicy.html>).
    pub fn from_number(number: u8) -> Self {
        match number {
            1 => TouchPolicy::Never,
            2 => TouchPolicy::Always,
            3 => TouchPolicy::Cached,
            other => TouchPolicy::Other(other),
        }
    }

    /// Its name, or the number if it has none.
    pub fn name(self) -> Result<&'static str, u8> {
        Ok(match self {
            TouchPolicy::Never => "never",
            TouchPolicy::Always => "always",
            TouchPolicy::Cached => "cached",
            TouchPolicy::Other(number) => return Err(number),
        })
    }
}

impl FormFactor {
    /// From Yubico's number, without the bit for FIPS
    /// (<https://docs.yubico.com/yesdk/yubikey-api/Yubico.YubiKey.FormFactor.html>).
    pub(super) fn from_number(number: u8) -> Self {
        match number {
            1 => FormFactor::UsbAKeychain,
            2 => FormFactor::UsbANano,
            3 => FormFactor::UsbCKeychain,
            4 => FormFactor::UsbCNano,
            5 => FormFactor::UsbCLightning,
            6 => FormFactor::UsbABio,
            7 => FormFactor::UsbCBio,
            other => FormFactor::Other(other),
        }
    }

    /// Its name, or the number if it has none.
    pub fn name(self) -> Result<&'static str, u8> {
        Ok(match self {
            FormFactor::UsbAKeychain => "USB-A keychain",
            FormFactor::UsbANano => "USB-A nano",
            FormFactor::UsbCKeychain => "USB-C keychain",
            FormFactor::UsbCNano => "USB-C nano",
            FormFactor::UsbCLightning => "USB-C and Lightning",
            FormFactor::UsbABio => "USB-A bio",
            FormFactor::UsbCBio => "USB-C bio",
            FormFactor::Other(number) => return Err(number),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn policies_have_a_name_or_keep_their_number() {
        let pin = [0, 1, 2, 3, 4, 5, 6, 255].map(|number| PinPolicy::from_number(number).name());
        let named = [Ok("never"), Ok("once"), Ok("always"), Ok("match-once"), Ok("match-always")];
        assert_eq!(pin, [&[Err(0)][..], &named, &[Err(6), Err(255)]].concat()[..]);
        let touch = [0, 1, 2, 3, 4, 255].map(|number| TouchPolicy::from_number(number).name());
        assert_eq!(touch, [Err(0), Ok("never"), Ok("always"), Ok("cached"), Err(4), Err(255)]);
        let form = [0, 1, 7, 8].map(|number| FormFactor::from_number(number).name());
        assert_eq!(form, [Err(0), Ok("USB-A keychain"), Ok("USB-C bio"), Err(8)]);
    }
}
