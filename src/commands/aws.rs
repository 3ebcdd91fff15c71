//! What the commands for IAM Roles Anywhere share: from options to credentials.

mod cache;
mod certificate;
mod obtain;
mod options;

pub(crate) use cache::Cache;
use certificate::{CertificateSource, Presented};
pub(crate) use obtain::Provider;
pub(crate) use options::{Wanted, is_uri, key_and_certificate};
