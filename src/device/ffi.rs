//! The calls to modules, and the only unsafe code that makes them.
//!
//! All of a module's calls go through the one function list that it gave when it was loaded, or that p11-kit gave for it.
//! The types of what is passed (attributes, mechanisms, return codes) are cryptoki's; its calls are not used, because in
//! cryptoki 0.12.1 they are stricter than modules, or believe them where no program should:
//!
//! - a module whose `C_GetInterface` fails cannot be loaded (a Luna's says CKR_FUNCTION_NOT_SUPPORTED), and a function list
//!   from p11-kit cannot be handed in;
//! - `C_Sign` is called twice for each signature, and not without `C_SignInit`, between which a context-specific login has
//!   its place;
//! - a search ends with the first `C_FindObjects` that gives fewer handles than there was room for;
//! - a module that says CKR_CANT_LOCK at `C_Initialize` cannot be started;
//! - `C_GetSlotList` is repeated with the same length forever (ykcs11 2.2 while a card is inserted);
//! - lengths and counts are believed: 0xffffffff bytes are allocated, and more handles than fit are read;
//! - all of CK_TOKEN_INFO is refused when the device's clock cannot be parsed (openCryptoki).
//!
//! A cryptoki release that fixes these makes this folder as small as `library.rs` and `p11_kit.rs`.
#![allow(unsafe_code)]

mod functions;
mod library;
mod p11_kit;
mod session;
#[cfg(test)]
mod tests;

pub(super) use functions::Functions;
pub(super) use library::LoadError;
pub(super) use p11_kit::{LIBP11_KIT, P11KitModule, p11_kit_modules};
pub(super) use session::RawSession;
