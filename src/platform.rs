//! The one place that knows which operating system this is. Every system has a folder with the same items; all other code
//! calls them, and knows files, folders, users, terminals and processes by the words used here.
//!
//! `words.rs` is shared by all. `unix/` is shared by Linux and macOS. What they do differently is in `unix/linux.rs` and `unix/macos.rs`.

mod words;

#[cfg(unix)]
#[cfg_attr(not(feature = "aws"), allow(dead_code, reason = "some of it is for the AWS commands alone"))]
mod unix;
#[cfg(unix)]
pub use unix::*;

#[cfg(windows)]
#[cfg_attr(not(feature = "aws"), allow(dead_code, reason = "some of it is for the AWS commands alone"))]
mod windows;
#[cfg(windows)]
pub use windows::*;
