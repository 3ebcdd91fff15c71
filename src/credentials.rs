//! Temporary AWS credentials in exchange for a request that a key on a device signs: what is asked for
//! ([`CredentialRequest`]), the certificate that is presented ([`CertificateChain`]), obtaining ([`Provider`]), when to renew
//! ([`Renewal`]), and where credentials are kept: a [`Cache`], or a profile of the [`CredentialsFile`].
//!
//! Prints nothing, and knows the command line only as [`CredentialOptions`]. Progress is reported by
//! [`Event`]s; the words are the caller's.

mod cache;
mod certificate;
mod clock;
mod credentials_file;
mod event;
mod jitter;
mod lifetime;
mod network;
mod options;
mod profile;
mod provider;
mod rehearsal;
mod renewal;
mod renewing;
mod request;
mod roots;
mod through_cache;

pub use cache::{Cache, CacheError, Kept, OtherFailed};
pub use certificate::{CertificateCandidates, CertificateChain, CertificateSource, UnfitCertificate};
pub use clock::{Clock, ClockError};
pub use credentials_file::{CredentialsFile, CredentialsFileError, Written};
pub use event::{Event, Observer};
pub use lifetime::{Standing, due_at};
pub use options::CredentialOptions;
pub use profile::{ProfileRenewal, Renewed};
pub use provider::Provider;
pub use rehearsal::Rehearsal;
pub use renewal::{NextAttempt, Renewal};
pub use renewing::Renewing;
pub use request::{CredentialRequest, RequestError, is_uri, key_and_certificate};
pub use roots::BundleError;
pub use through_cache::{CacheEvent, credentials_through};
