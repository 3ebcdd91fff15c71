//! What people do with countersign, done with the real binary on real parts: SoftHSM2, p11-kit, openssl, a terminal.
//! A part that is missing fails the test.

// A test program exports nothing, and a test that cannot go on panics.
#![allow(unreachable_pub, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod audit_log;
mod bad_input;
mod cmu;
mod device;
mod faults;
mod files;
mod help;
mod list;
mod modules;
mod officer_signs;
mod pin_prompt;
mod pinned;
mod quorum;
mod real_modules;
mod secrets;
mod verify;
mod waiting;
mod which_key;
