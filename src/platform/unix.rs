//! POSIX, for Linux and macOS.

pub(crate) mod file;
mod folder;
mod status;
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

pub(crate) use folder::{Folder, How};
pub(crate) use own::{Attributes, process_name};
pub use status::Identity;
pub(crate) use status::{Kind, Status};
pub(crate) use terminal::Settings;
pub use terminal::Terminal;
