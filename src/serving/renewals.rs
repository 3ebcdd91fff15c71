//! Which role is due for renewal, and the result.

use std::sync::Arc;
use std::time::Duration;

use super::roles::Roles;
use crate::credentials::{Clock, NextAttempt, Provider, Renewing};
use crate::error::Error;
use crate::rolesanywhere::{Credentials, Expiration};

/// Keeps the credentials of all roles valid. The caller waits for [`Renewals::remaining`], or until somebody
/// requests a renewal, and calls [`Renewals::renew`].
pub struct Renewals<'a> {
    roles: Arc<Roles>,
    renewing: Vec<Role<'a>>,
}

struct Role<'a> {
    name: String,
    renewing: Renewing<'a>,
}

/// The result of a renewal. The words are the caller's.
#[derive(Debug)]
pub enum RenewalEvent<'a> {
    /// A role has its first credentials.
    Obtained {
        /// Its name.
        role: &'a str,
        /// When they expire.
        expiration: Expiration,
    },
    /// A role has new credentials.
    Renewed {
        /// Its name.
        role: &'a str,
        /// When they expire.
        expiration: Expiration,
    },
    /// A role's renewal failed.
    Failed {
        /// Its name.
        role: &'a str,
        /// Why.
        error: &'a Error,
        /// When it is tried again.
        next: NextAttempt,
    },
}

impl<'a> Renewals<'a> {
    /// Renewals of roles without credentials, by name; `clock` decides when credentials expire.
    pub fn new(providers: Vec<(String, Provider<'a>)>, clock: &Arc<Clock>) -> Self {
        let names = providers.iter().map(|(name, provider)| (name.clone(), provider.role().clone()));
        let roles = Arc::new(Roles::new(names, Arc::clone(clock)));
        let renewing = |(name, provider)| Role { name, renewing: Renewing::of(provider) };
        Renewals { roles, renewing: providers.into_iter().map(renewing).collect() }
    }

    /// The credentials to serve.
    pub fn roles(&self) -> &Arc<Roles> {
        &self.roles
    }

    /// Obtains the first credentials of every role, and reports each to `observer`. One role with credentials
    /// is enough, unless `all_required`; the others are tried again as after a failed renewal.
    ///
    /// # Errors
    /// As [`Provider::credentials`], for the first role without credentials.
    pub fn start(&mut self, all_required: bool, observer: &dyn Fn(RenewalEvent<'_>)) -> Result<(), Error> {
        let mut failed = Vec::new();
        let mut is_any_good = false;
        for (index, role) in self.renewing.iter_mut().enumerate() {
            match role.renewing.obtain() {
                Ok(credentials) => {
                    let expiration = role.succeeded(credentials, &self.roles);
                    observer(RenewalEvent::Obtained { role: &role.name, expiration });
                    is_any_good = true;
                }
                Err(error) if all_required => return Err(error),
                Err(error) => failed.push((index, error)),
            }
        }
        if !is_any_good && let Some((_, first)) = failed.drain(..).next() {
            return Err(first);
        }
        for (index, error) in &failed {
            self.renewing[*index].failed(error, &self.roles, observer);
        }
        Ok(())
    }

    /// How long until the next role is due.
    pub fn remaining(&self) -> Duration {
        self.renewing.iter().map(|role| role.renewing.remaining()).min().unwrap_or(Duration::MAX / 4)
    }

    /// Renews the roles that are due, or all of them if somebody requests it, and reports each to `observer` once the
    /// server answers accordingly.
    pub fn renew(&mut self, all: bool, observer: &dyn Fn(RenewalEvent<'_>)) {
        if all {
            self.renewing.iter().for_each(|role| role.renewing.forget_refused_pin());
        }
        for role in &mut self.renewing {
            if all || role.renewing.is_due() {
                match role.renewing.obtain() {
                    Ok(credentials) => {
                        let expiration = role.succeeded(credentials, &self.roles);
                        observer(RenewalEvent::Renewed { role: &role.name, expiration });
                    }
                    Err(error) => role.failed(&error, &self.roles, observer),
                }
            }
        }
    }
}

impl Role<'_> {
    /// Hands the credentials out, and returns when they expire.
    fn succeeded(&mut self, credentials: Credentials, roles: &Roles) -> Expiration {
        self.renewing.succeeded(&credentials);
        let expiration = credentials.expiration().clone();
        roles.renewed(&self.name, credentials);
        expiration
    }

    fn failed(&mut self, error: &Error, roles: &Roles, observer: &dyn Fn(RenewalEvent<'_>)) {
        let next = self.renewing.failed(error);
        roles.failed(&self.name, &error.to_string());
        observer(RenewalEvent::Failed { role: &self.name, error, next });
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::path::PathBuf;
    use std::sync::Arc;
    use std::time::Duration;

    use super::{RenewalEvent, Renewals};
    use crate::credentials::{Clock, CredentialOptions, CredentialRequest, NextAttempt, Provider};
    use crate::device::{DeviceAccess, LoginMemory, LoginOptions, ModuleChoice, UserType};
    use crate::error::Exit;

    fn request() -> CredentialRequest {
        let anywhere = |kind: &str| {
            Some(format!(
                "arn:aws:rolesanywhere:eu-west-1:123456789012:{kind}/11111111-2222-3333-4444-555555555555"
            ))
        };
        let options = CredentialOptions {
            private_key: Some("pkcs11:object=server".into()),
            role_arn: Some("arn:aws:iam::123456789012:role/demo".into()),
            profile_arn: anywhere("profile"),
            trust_anchor_arn: anywhere("trust-anchor"),
            session_duration: 900,
            ..CredentialOptions::default()
        };
        CredentialRequest::parse(&options).unwrap()
    }

    /// Renewals of roles whose device cannot be reached, since there is no such module.
    fn without_module(names: &[&str], clock: &Arc<Clock>) -> Renewals<'static> {
        let access = DeviceAccess {
            modules: ModuleChoice { path: Some(PathBuf::from("/no/such/module.so")), trial: None },
            login: LoginOptions {
                pin_source: None,
                use_last_try: false,
                user_type: UserType::User,
                memory: LoginMemory::default(),
            },
        };
        let provider = |name: &&str| {
            let provider = Provider::new(request(), access.clone(), Arc::clone(clock), &|_| {});
            ((*name).to_owned(), provider.unwrap())
        };
        Renewals::new(names.iter().map(provider).collect(), clock)
    }

    #[test]
    fn if_no_role_has_credentials_at_first_it_is_an_error() {
        for all_required in [false, true] {
            let error =
                without_module(&["a", "b"], &Arc::default()).start(all_required, &|_| {}).unwrap_err();
            assert_eq!(error.exit(), Exit::Device);
        }
    }

    #[test]
    fn a_role_that_failed_is_tried_again_when_it_is_due_or_on_request() {
        let clock = Arc::new(Clock::default());
        let mut renewals = without_module(&["a", "b"], &clock);
        let told = RefCell::new(Vec::new());
        let tell = |event: RenewalEvent<'_>| match event {
            RenewalEvent::Failed { role, next: NextAttempt::In(pause), .. } => {
                told.borrow_mut().push((role.to_owned(), pause.as_secs()));
            }
            other => panic!("{other:?}"),
        };
        let names = || -> Vec<String> { told.take().into_iter().map(|(role, _)| role).collect() };
        assert!(renewals.remaining().is_zero());
        renewals.renew(false, &tell);
        assert_eq!(names(), ["a", "b"]);
        assert!(renewals.roles().all().iter().all(|role| role.last_error.is_some()));
        // The clock does not advance for these.
        clock.set_back(3600);
        assert!(renewals.remaining() > Duration::from_secs(3000));
        renewals.renew(false, &tell);
        assert!(names().is_empty());
        renewals.renew(true, &tell);
        assert_eq!(told.borrow().len(), 2);
        assert!(told.borrow().iter().all(|(_, pause)| *pause <= 2), "{told:?}");
    }
}
