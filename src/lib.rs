//! Signs for AWS CloudHSM and IAM Roles Anywhere with a private key that never leaves its PKCS#11 device.
//!
//! Without the feature `aws` nothing here opens a network connection or a port.

pub mod audit;
pub mod certificate;
pub mod certificate_file;
#[cfg(feature = "aws")]
pub mod credentials;
pub mod device;
pub mod duration;
pub mod environment;
pub mod error;
mod pem;
pub mod pin;
pub mod printable;
#[cfg(feature = "aws")]
pub mod rolesanywhere;
pub mod save;
#[cfg(feature = "aws")]
pub mod serving;
pub mod signature;
pub mod signing;
pub mod tokenfile;
pub mod uri;
