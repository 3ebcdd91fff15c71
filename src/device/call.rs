//! A PKCS#11 call that failed, in the standard's own words: the function and the CKR_ name.

use std::fmt;

use cryptoki::error::{Error, RvError};

use super::abandoned::NotReturned;

/// What a PKCS#11 function said when it failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallError {
    function: String,
    said: Said,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Said {
    Code(RvError),
    /// The call was abandoned.
    Nothing,
    Other(String),
}

impl CallError {
    /// The return code, as `CKR_PIN_INCORRECT`.
    pub fn ckr_name(&self) -> String {
        match &self.said {
            Said::Code(RvError::VendorDefined(code) | RvError::UnknownErrorCode(code)) => {
                format!("{code:#x}")
            }
            Said::Code(code) => format!("CKR{}", screaming_snake(&format!("{code:?}"))),
            Said::Nothing => "nothing".into(),
            Said::Other(text) => text.clone(),
        }
    }

    /// Whether the call was abandoned.
    pub fn is_hang(&self) -> bool {
        self.said == Said::Nothing
    }

    /// The return code, where the module said one.
    pub(super) fn code(&self) -> Option<RvError> {
        match &self.said {
            Said::Code(code) => Some(*code),
            Said::Nothing | Said::Other(_) => None,
        }
    }

    pub(super) fn is(&self, code: RvError) -> bool {
        self.code() == Some(code)
    }

    pub(super) fn is_one_of(&self, codes: &[RvError]) -> bool {
        codes.iter().any(|code| self.is(*code))
    }
}

impl From<Error> for CallError {
    fn from(error: Error) -> Self {
        match error {
            Error::Pkcs11(code, function) => {
                CallError { function: format!("C_{function:?}"), said: Said::Code(code) }
            }
            other => CallError { function: String::new(), said: Said::Other(other.to_string()) },
        }
    }
}

impl From<NotReturned> for CallError {
    fn from(call: NotReturned) -> Self {
        CallError { function: call.function.into(), said: Said::Nothing }
    }
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_hang() {
            write!(f, "{} has not returned", self.function)
        } else if self.function.is_empty() {
            write!(f, "the module's answer cannot be used: {}", self.ckr_name())
        } else {
            write!(f, "{} said {}", self.function, self.ckr_name())
        }
    }
}

impl std::error::Error for CallError {}

/// An error's own text with what is behind it: libloading keeps dlopen's words in the source.
pub(super) fn reason_of(error: &dyn std::error::Error) -> String {
    let mut deepest = error;
    while let Some(source) = deepest.source() {
        deepest = source;
    }
    deepest.to_string()
}

/// `PinIncorrect` to `_PIN_INCORRECT`.
fn screaming_snake(name: &str) -> String {
    let mut text = String::with_capacity(name.len() + 8);
    for character in name.chars() {
        if character.is_ascii_uppercase() {
            text.push('_');
        }
        text.push(character.to_ascii_uppercase());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use cryptoki::context::Function;

    #[test]
    fn a_code_is_known_by_what_it_is() {
        let wrong = CallError::from(Error::Pkcs11(RvError::PinIncorrect, Function::Login));
        assert_eq!(wrong.code(), Some(RvError::PinIncorrect));
        assert!(wrong.is_one_of(&[RvError::PinLocked, RvError::PinIncorrect]));
        assert!(!wrong.is_one_of(&[RvError::PinLocked]) && !wrong.is_one_of(&[]));
        assert_eq!(CallError::from(Error::NotSupported).code(), None);
    }

    #[test]
    fn codes_have_their_standard_names() {
        for (code, name) in [
            (RvError::PinIncorrect, "CKR_PIN_INCORRECT"),
            (RvError::UserNotLoggedIn, "CKR_USER_NOT_LOGGED_IN"),
            (RvError::CryptokiAlreadyInitialized, "CKR_CRYPTOKI_ALREADY_INITIALIZED"),
            (RvError::VendorDefined(0x8000_0001), "0x80000001"),
        ] {
            assert_eq!(
                CallError::from(Error::Pkcs11(code, Function::Login)).to_string(),
                format!("C_Login said {name}")
            );
        }
    }
}
