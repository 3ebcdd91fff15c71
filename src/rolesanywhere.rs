//! IAM Roles Anywhere: temporary AWS credentials for whoever holds the key of a certificate. Pure: bytes in, bytes
//! out; no device, no file, no clock, no network.

mod arn;
mod endpoint;
mod region;

pub use arn::{Arn, ArnError, ArnKind, Part, ProfileArn, RoleArn, TrustAnchorArn};
pub use endpoint::{Endpoint, EndpointError};
pub use region::Region;
