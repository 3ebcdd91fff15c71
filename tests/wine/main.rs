//! The program for Windows, run by Wine. What it runs is built by scripts/check-windows, which also runs these tests.

// A test that cannot continue panics.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod console;
mod credentials;
mod desk;
mod files;
mod modules;
mod reading;
mod signing;
// Most of it is for the journeys.
#[allow(dead_code, unreachable_pub)]
mod support;
