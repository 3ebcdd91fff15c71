//! What can go wrong with devices, keys, logins and signatures, and what to do about it.

mod advice;
mod candidate;
mod device;
mod key;
mod login;
mod module;
mod provision;
mod sign;

pub use candidate::Candidate;
pub use device::DeviceError;
pub use key::KeyError;
pub use login::LoginError;
pub use module::ModuleError;
pub use provision::{ProvisionError, UniqueAttribute};
pub use sign::SignError;
