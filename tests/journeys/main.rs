//! What people do with countersign, done with the real binary on real parts: SoftHSM2, p11-kit, openssl, a terminal.
//! A part that is missing fails the test.

#![allow(unreachable_pub)] // a test program exports nothing

mod bad_input;
mod device;
mod faults;
mod files;
mod help;
mod list;
mod modules;
mod officer_signs;
mod pin_prompt;
mod pinned;
mod secrets;
mod verify;
mod which_key;
