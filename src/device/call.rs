//! A failed PKCS#11 call, in the standard's own terms: the function and the CKR_ name.

use std::fmt;

use cryptoki::error::{Rv, RvError};
use cryptoki_sys::CK_RV;

use super::abandoned::NotReturned;
use super::vendor_code::VendorCode;

/// What a PKCS#11 function answered when it failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallError {
    function: &'static str,
    said: Said,
    /// What is known about the code, if it is a vendor's own.
    vendor: Option<&'static VendorCode>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Said {
    Code(RvError),
    /// The call was abandoned.
    Nothing,
    /// An impossible answer, and what is wrong with it.
    Unusable(String),
}

impl CallError {
    /// The answer of `function`, which is not CKR_OK.
    pub(super) fn of(function: &'static str, code: CK_RV) -> Self {
        Self::of_vendor(function, code, &[])
    }

    /// The same for a module whose vendor has codes of its own.
    pub(super) fn of_vendor(function: &'static str, code: CK_RV, vendors: &'static [VendorCode]) -> Self {
        match Rv::from(code) {
            Rv::Error(said) => {
                CallError { function, said: Said::Code(said), vendor: VendorCode::find(vendors, code) }
            }
            Rv::Ok => Self::unusable(function, "it said CKR_OK".into()),
        }
    }

    #[cfg(test)]
    pub(super) fn saying(function: &'static str, code: RvError) -> Self {
        CallError { function, said: Said::Code(code), vendor: None }
    }

    /// An unusable answer of `function`.
    pub(super) fn unusable(function: &'static str, what: String) -> Self {
        CallError { function, said: Said::Unusable(what), vendor: None }
    }

    /// The return code, as `CKR_PIN_INCORRECT`.
    pub fn ckr_name(&self) -> String {
        if let Some(vendor) = self.vendor {
            return vendor.name.to_owned();
        }
        match &self.said {
            Said::Code(RvError::VendorDefined(code) | RvError::UnknownErrorCode(code)) => {
                format!("{code:#x}")
            }
            Said::Code(code) => format!("CKR{}", screaming_snake(&format!("{code:?}"))),
            Said::Nothing => "nothing".into(),
            Said::Unusable(text) => text.clone(),
        }
    }

    /// Whether the call was abandoned.
    pub fn is_hang(&self) -> bool {
        self.said == Said::Nothing
    }

    /// The return code, if the module gave one. For a code of a vendor's own, the standard code with the same meaning, if there
    /// is one.
    pub(super) fn code(&self) -> Option<RvError> {
        if let Some(code) = self.vendor.and_then(|vendor| vendor.like) {
            return Some(code);
        }
        match &self.said {
            Said::Code(code) => Some(*code),
            Said::Nothing | Said::Unusable(_) => None,
        }
    }

    /// What to do about a vendor's own code, if that is known.
    pub(super) fn cure(&self) -> Option<&'static str> {
        self.vendor.and_then(|vendor| vendor.cure)
    }

    /// The function.
    pub(super) fn function(&self) -> &'static str {
        self.function
    }

    pub(super) fn is(&self, code: RvError) -> bool {
        self.code() == Some(code)
    }

    pub(super) fn is_one_of(&self, codes: &[RvError]) -> bool {
        codes.iter().any(|code| self.is(*code))
    }
}

impl From<NotReturned> for CallError {
    fn from(call: NotReturned) -> Self {
        CallError { function: call.function, said: Said::Nothing, vendor: None }
    }
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.said {
            Said::Nothing => write!(f, "{} has not returned", self.function),
            Said::Unusable(what) => write!(f, "the answer to {} cannot be used: {what}", self.function),
            Said::Code(_) => write!(f, "{} said {}", self.function, self.ckr_name()),
        }
    }
}

impl std::error::Error for CallError {}

/// An error's own text with its sources: libloading keeps dlopen's message in the source.
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
    use cryptoki_sys::{CKR_CRYPTOKI_ALREADY_INITIALIZED, CKR_PIN_INCORRECT, CKR_USER_NOT_LOGGED_IN};

    #[test]
    fn a_code_is_known_by_what_it_is() {
        let wrong = CallError::of("C_Login", CKR_PIN_INCORRECT);
        assert_eq!(wrong.code(), Some(RvError::PinIncorrect));
        assert!(wrong.is_one_of(&[RvError::PinLocked, RvError::PinIncorrect]));
        assert!(!wrong.is_one_of(&[RvError::PinLocked]) && !wrong.is_one_of(&[]));
        assert_eq!(CallError::unusable("C_Login", "it is odd".into()).code(), None);
    }

    #[test]
    fn codes_have_their_standard_names() {
        for (code, name) in [
            (CKR_PIN_INCORRECT, "CKR_PIN_INCORRECT"),
            (CKR_USER_NOT_LOGGED_IN, "CKR_USER_NOT_LOGGED_IN"),
            (CKR_CRYPTOKI_ALREADY_INITIALIZED, "CKR_CRYPTOKI_ALREADY_INITIALIZED"),
            (0x8000_0001, "0x80000001"),
            (0x7654_3210, "0x76543210"),
        ] {
            assert_eq!(CallError::of("C_Login", code).to_string(), format!("C_Login said {name}"));
        }
    }
}
