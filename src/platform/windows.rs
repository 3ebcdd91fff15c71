//! Windows. Files and processes are reached by handles; who may use a file is in its access list (ACL).

pub mod advice;
mod attributes;
pub mod death;
pub(crate) mod file;
mod folder;
mod handle;
pub(crate) mod library;
pub mod process;
mod security;
pub mod signals;
pub(crate) mod socket;
mod status;
pub mod streams;
mod terminal;
mod text;
pub mod user;

pub(crate) use super::words::{How, Kind, Obstacle};
pub(crate) use attributes::Attributes;
pub(crate) use file::Seen;
pub(crate) use folder::Folder;
pub use library::p11_kit_folders;
pub(crate) use process::{has_loaded, process_called, process_name};
pub use status::Identity;
pub(crate) use status::Status;
pub(crate) use terminal::Settings;
pub use terminal::Terminal;
