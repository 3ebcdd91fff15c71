//! What a person should know while a device is opened, in words.

use std::fmt;

/// Something that a person should know while a device is opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// Who else can read the PIN.
    PinExposed(String),
    /// The PIN is entered on the device itself.
    EnterPinOnDevice {
        /// The device.
        device: String,
    },
    /// A person may try again.
    WrongPin {
        /// The device.
        device: String,
    },
    /// A person may try again: the device did not count this.
    WrongForm {
        /// The device.
        device: String,
        /// What it is: `PIN`.
        secret: &'static str,
        /// How many characters it has.
        length: usize,
        /// How many the device accepts, in words, where it says so.
        accepted: Option<String>,
    },
    /// A person may try again: the PIN names a user that the device does not have.
    UnknownUser {
        /// The device.
        device: String,
        /// The form of its PINs.
        form: Option<&'static str>,
    },
    /// The PIN begins or ends with a blank.
    OuterBlank {
        /// Where it came from.
        source: String,
    },
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Notice::PinExposed(text) => f.write_str(text),
            Notice::EnterPinOnDevice { device } => write!(f, "enter the PIN on the device {device}"),
            Notice::WrongPin { device } => write!(f, "that PIN is wrong for {device}; you can try once more"),
            Notice::WrongForm { device, secret, length, accepted } => {
                write!(f, "a {secret} of {length} characters has the wrong form for {device}")?;
                if let Some(accepted) = accepted {
                    write!(f, ", which accepts {accepted}")?;
                }
                f.write_str("; no attempt was used up, and you can try again")
            }
            Notice::UnknownUser { device, form } => {
                write!(f, "{device} has no user by the number or name in that PIN; you can try again")?;
                form.map_or(Ok(()), |form| write!(f, " ({form})"))
            }
            Notice::OuterBlank { source } => {
                write!(f, "the PIN from {source} begins or ends with a blank, which is sent as part of it")
            }
        }
    }
}
