//! One profile of the credentials file, renewed before its credentials expire.

use std::time::Duration;

use super::credentials_file::CredentialsFile;
use super::provider::Provider;
use super::renewal::NextAttempt;
use super::renewing::Renewing;
use crate::error::Error;
use crate::rolesanywhere::{Credentials, ProfileName};
use crate::save::NotKept;

/// Keeps one profile valid. The caller waits for [`ProfileRenewal::remaining`], or until somebody requests a
/// renewal, and calls [`ProfileRenewal::renew`].
pub struct ProfileRenewal<'a> {
    renewing: Renewing<'a>,
    file: CredentialsFile,
    profile: ProfileName,
    /// When the credentials in the file expire, in Unix seconds.
    end: i64,
    not_kept: NotKept,
}

/// The result of a renewal.
#[derive(Debug)]
pub enum Renewed {
    /// The file holds new credentials.
    Done(Credentials),
    /// The file is unchanged.
    NotYet {
        /// Why.
        error: Error,
        /// When it is tried again.
        next: NextAttempt,
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
        provider: Provider<'a>,
        file: CredentialsFile,
        profile: ProfileName,
    ) -> Result<(Self, Credentials), Error> {
        let mut renewing = Renewing::of(provider);
        let (credentials, not_kept) = obtain_and_write(&mut renewing, &file, &profile)?;
        let end = credentials.expiration().unix_seconds();
        Ok((ProfileRenewal { renewing, file, profile, end, not_kept }, credentials))
    }

    /// The file.
    pub fn file(&self) -> &CredentialsFile {
        &self.file
    }

    /// When the credentials in the file expire, in Unix seconds.
    pub fn end(&self) -> i64 {
        self.end
    }

    /// What the file lost when it was replaced last.
    pub fn not_kept(&self) -> &NotKept {
        &self.not_kept
    }

    /// How long until the next renewal.
    pub fn remaining(&self) -> Duration {
        self.renewing.remaining()
    }

    /// Renews the profile now; if `asked`, even with a PIN that was refused.
    ///
    /// # Errors
    /// The old credentials have expired: restarting the program is more useful than another attempt. A wrong
    /// PIN is an exception, because a restarted program would send it again.
    pub fn renew(&mut self, asked: bool) -> Result<Renewed, Error> {
        if asked {
            self.renewing.forget_refused_pin();
        }
        match obtain_and_write(&mut self.renewing, &self.file, &self.profile) {
            Ok((credentials, not_kept)) => {
                self.not_kept = not_kept;
                self.end = credentials.expiration().unix_seconds();
                Ok(Renewed::Done(credentials))
            }
            Err(error) => {
                let next = self.renewing.failed(&error);
                let left = self.end - self.renewing.clock().now();
                if next != NextAttempt::WhenAsked && left <= 0 {
                    return Err(error);
                }
                let valid_for = Duration::from_secs(u64::try_from(left).unwrap_or_default());
                Ok(Renewed::NotYet { error, next, valid_for })
            }
        }
    }
}

fn obtain_and_write(
    renewing: &mut Renewing<'_>,
    file: &CredentialsFile,
    profile: &ProfileName,
) -> Result<(Credentials, NotKept), Error> {
    let credentials = renewing.obtain()?;
    let not_kept = file.write(profile, &credentials)?;
    renewing.succeeded(&credentials);
    Ok((credentials, not_kept))
}
