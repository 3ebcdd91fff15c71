//! IAM Roles Anywhere: temporary AWS credentials for the holder of the key of a certificate. Pure, except for [`Client`],
//! which sends: bytes in, bytes out; no device, no file, no clock.
//!
//! A [`CreateSession`] and the certificate's [`Identity`] become a [`Request`], whose [`Request::payload`] is
//! what the certificate's key signs; with the signature it becomes a [`SignedRequest`], ready to be sent.
//! [`read`] turns the answer into [`Credentials`], or says why AWS issued none.

mod arn;
mod canonical;
mod client;
mod create_session;
mod credentials;
mod endpoint;
mod identity;
pub mod output;
mod profile_file;
mod region;
mod request;
mod response;
mod shown;
mod test_string;
#[cfg(test)]
mod tests;

pub use arn::{Arn, ArnError, ArnKind, Part, ProfileArn, RoleArn, TrustAnchorArn};
pub use client::{Answered, Client, ClientError, ClientOptions, SkippedRoot};
pub use create_session::{CreateSession, MAX_DURATION, MIN_DURATION, SessionError};
pub use credentials::{Credentials, Expiration};
pub use endpoint::{Endpoint, EndpointError, EndpointVariant};
pub use identity::{Algorithm, Identity, IdentityError, MAX_CHAIN};
pub use profile_file::{ProfileName, ProfileNameError, with_credentials};
pub use region::{Region, RegionError};
pub use request::{Request, SignedRequest, SigningTime};
pub use response::{Answer, Refusal, ResponseError, read};
pub use test_string::test_string;
