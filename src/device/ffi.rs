//! The calls to modules, and the only unsafe code that makes them.
//!
//! All calls go through the one function list that the module returned when it was loaded, or that p11-kit
//! returned for it. The types of their arguments (attributes, mechanisms, return codes) are cryptoki's. Its
//! calls are not used, because in cryptoki 0.12.1 they are stricter than modules, or trust them where no
//! program should:
//!
//! - a module whose `C_GetInterface` fails cannot be loaded (a Luna's returns CKR_FUNCTION_NOT_SUPPORTED),
//!   and a function list from p11-kit cannot be passed in;
//! - `C_Sign` is called twice for each signature, and only together with `C_SignInit`, but a context-specific
//!   login belongs between the two;
//! - a search ends with the first `C_FindObjects` that returns fewer handles than there was room for;
//! - a module that returns CKR_CANT_LOCK at `C_Initialize` cannot be started;
//! - `C_GetSlotList` is repeated with the same length forever (ykcs11 2.2 while a card is inserted);
//! - lengths and counts are trusted: 0xffffffff bytes are allocated, and more handles than fit are read;
//! - all of CK_TOKEN_INFO is refused if the device's clock cannot be parsed (openCryptoki).
//!
//! Once a cryptoki release fixes these, this folder can shrink to `library.rs` and `p11_kit.rs`.
#![allow(unsafe_code)]

mod functions;
mod library;
mod p11_kit;
mod session;
#[cfg(test)]
mod tests;

pub(super) use functions::Functions;
pub(super) use library::LoadError;
pub(super) use p11_kit::{P11KitModule, p11_kit_modules};
pub(super) use session::RawSession;
