//! One profile of the credentials file, renewed before its credentials expire.

use std::sync::Arc;
use std::time::Duration;

use super::credentials_file::CredentialsFile;
use super::provider::Provider;
use super::renewal::Renewal;
use crate::error::Error;
use crate::rolesanywhere::{Credentials, ProfileName};
use crate::save::NotKept;

/// Keeps one profile valid. The caller waits for [`ProfileRenewal::remaining`], or for somebody who asks, and calls
/// [`ProfileRenewal::renew`].
pub struct ProfileRenewal<'a> {
    provider: Provider<'a>,
    file: CredentialsFile,
    profile: ProfileName,
    renewal: Renewal,
    /// When what the file holds ends, in Unix seconds.
    end: i64,
    not_kept: NotKept,
}

/// How a renewal went.
#[derive(Debug)]
pub enum Renewed {
    /// The file holds new credentials.
    Done(Credentials),
    /// The file holds what it held, which is still valid.
    NotYet {
        /// Why.
        error: Error,
        /// How long until the next attempt.
        next: Duration,
        /// How long the old credentials are still valid.
        valid_for: Duration,
    },
}

impl<'a> ProfileRenewal<'a> {
    /// Obtains the first credentials and writes them.
    ///
    /// # Errors
    /// As [`Provider::credentials`] and [`CredentialsFile::write`].
    pub fn start(
        mut provider: Provider<'a>,
        file: CredentialsFile,
        profile: ProfileName,
    ) -> Result<(Self, Credentials), Error> {
        let (credentials, not_kept) = obtain_and_write(&mut provider, &file, &profile)?;
        let mut renewal = Renewal::due(Arc::clone(provider.clock()));
        renewal.succeeded(&credentials);
        let end = credentials.expiration().unix_seconds();
        Ok((ProfileRenewal { provider, file, profile, renewal, end, not_kept }, credentials))
    }

    /// The file.
    pub fn file(&self) -> &CredentialsFile {
        &self.file
    }

    /// When what the file holds ends, in Unix seconds.
    pub fn end(&self) -> i64 {
        self.end
    }

    /// What the file had and lost when it was replaced last.
    pub fn not_kept(&self) -> &NotKept {
        &self.not_kept
    }

    /// How long until the next renewal.
    pub fn remaining(&self) -> Duration {
        self.renewal.remaining()
    }

    /// Renews the profile now.
    ///
    /// # Errors
    /// The PIN was wrong, or the old credentials have ended: there is nothing to wait for.
    pub fn renew(&mut self) -> Result<Renewed, Error> {
        match obtain_and_write(&mut self.provider, &self.file, &self.profile) {
            Ok((credentials, not_kept)) => {
                self.not_kept = not_kept;
                self.end = credentials.expiration().unix_seconds();
                self.renewal.succeeded(&credentials);
                Ok(Renewed::Done(credentials))
            }
            Err(error) => {
                self.renewal.failed(&error);
                let left = self.end - self.provider.clock().now();
                if self.renewal.waits_for_person() || left <= 0 {
                    return Err(error);
                }
                let valid_for = Duration::from_secs(left.unsigned_abs());
                Ok(Renewed::NotYet { error, next: self.renewal.remaining(), valid_for })
            }
        }
    }
}

fn obtain_and_write(
    provider: &mut Provider<'_>,
    file: &CredentialsFile,
    profile: &ProfileName,
) -> Result<(Credentials, NotKept), Error> {
    let credentials = provider.credentials()?;
    let not_kept = file.write(profile, &credentials)?;
    Ok((credentials, not_kept))
}
