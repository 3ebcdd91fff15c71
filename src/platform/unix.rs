//! POSIX, for Linux and macOS.

pub mod advice;
pub mod death;
pub(crate) mod file;
mod folder;
pub(crate) mod library;
pub mod process;
pub mod signals;
pub(crate) mod socket;
mod status;
pub mod streams;
mod terminal;
pub mod user;

#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "linux")]
use linux as own;
#[cfg(target_os = "macos")]
mod macos;
#[cfg(target_os = "macos")]
use macos as own;

pub(crate) use super::words::{How, Kind, Obstacle};
pub(crate) use file::Seen;
pub(crate) use folder::Folder;
pub use own::p11_kit_folders;
pub(crate) use own::{Attributes, has_loaded, process_called, process_name};
pub use status::Identity;
pub(crate) use status::Status;
pub(crate) use terminal::Settings;
pub use terminal::Terminal;
