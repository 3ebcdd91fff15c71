//! What can be wrong with the name of a profile.

use crate::error::{Exit, Explain};

/// Why a profile cannot be written under a name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProfileNameError {
    /// Empty.
    #[error("the name of the profile is empty")]
    Empty,
    /// configparser reads it as the defaults of all profiles.
    #[error("\"DEFAULT\" would be a part of every profile")]
    Upper,
    /// The form of `~/.aws/config`.
    #[error("the name of the profile begins with \"profile \"")]
    ConfigForm,
    /// A character that a section's name cannot contain.
    #[error("the name of the profile has a [, ], #, ; or control character in it, or a blank at an end")]
    Character,
}

impl Explain for ProfileNameError {
    fn exit(&self) -> Exit {
        Exit::Usage
    }

    fn hint(&self) -> Option<String> {
        let hint = match self {
            ProfileNameError::Empty => "leave it out for the profile default",
            ProfileNameError::Upper => "write default in lower case",
            ProfileNameError::ConfigForm => {
                "leave that word out: it belongs into ~/.aws/config only, not into ~/.aws/credentials"
            }
            ProfileNameError::Character => "use letters, digits, - and _",
        };
        Some(hint.to_owned())
    }
}
