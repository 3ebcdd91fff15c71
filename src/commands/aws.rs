//! What the commands for IAM Roles Anywhere share: from options to credentials.

mod cache;
mod certificate;
mod obtain;
mod options;
mod renewal;

pub(crate) use cache::Cache;
use certificate::{CertificateSource, Presented};
pub(crate) use obtain::{Provider, now};
pub(crate) use options::{Wanted, is_uri, key_and_certificate};
pub(crate) use renewal::Renewal;
