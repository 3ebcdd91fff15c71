//! The credentials of each role, and how its last renewal went.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::credentials::Clock;
use crate::rolesanywhere::{Credentials, RoleArn};
use crate::uri::redact;

/// The roles, in their order. One thread renews them, others read them.
#[derive(Debug)]
pub struct Roles {
    clock: Arc<Clock>,
    roles: Mutex<Vec<Role>>,
}

/// A role's state.
#[derive(Clone, Debug)]
pub struct Role {
    /// The name under which it is served.
    pub name: String,
    /// Its ARN.
    pub arn: RoleArn,
    /// The newest credentials, which may have expired.
    pub credentials: Option<Arc<Credentials>>,
    /// When they were obtained, in Unix seconds.
    pub since: i64,
    /// Why the last renewal failed, until one succeeds.
    pub last_error: Option<String>,
    /// How many renewals succeeded.
    pub renewals: u64,
}

impl Role {
    /// The credentials, if they are valid at `now`, in Unix seconds.
    pub fn valid_at(&self, now: i64) -> Option<&Arc<Credentials>> {
        self.credentials.as_ref().filter(|credentials| credentials.expiration().unix_seconds() > now)
    }
}

impl Roles {
    /// Roles by name and ARN, without credentials; `clock` decides when credentials expire.
    pub fn new(roles: impl Iterator<Item = (String, RoleArn)>, clock: Arc<Clock>) -> Self {
        let role =
            |(name, arn)| Role { name, arn, credentials: None, since: 0, last_error: None, renewals: 0 };
        Roles { clock, roles: Mutex::new(roles.map(role).collect()) }
    }

    /// The time that decides when credentials expire, in Unix seconds.
    pub fn now(&self) -> i64 {
        self.clock.now()
    }

    /// The roles in their present state.
    pub fn all(&self) -> Vec<Role> {
        self.lock().clone()
    }

    /// The role of this name in its present state.
    pub fn named(&self, name: &str) -> Option<Role> {
        self.lock().iter().find(|role| role.name == name).cloned()
    }

    /// Stores new credentials for the role.
    pub fn renewed(&self, name: &str, credentials: Credentials) {
        self.change(name, |role| {
            role.credentials = Some(Arc::new(credentials));
            role.since = self.clock.now();
            role.last_error = None;
            role.renewals += 1;
        });
    }

    /// Stores that the role's renewal failed. Its credentials stay.
    pub fn failed(&self, name: &str, error: &str) {
        self.change(name, |role| role.last_error = Some(redact(error)));
    }

    fn change(&self, name: &str, change: impl FnOnce(&mut Role)) {
        if let Some(role) = self.lock().iter_mut().find(|role| role.name == name) {
            change(role);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Role>> {
        self.roles.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::Roles;
    use crate::credentials::Clock;
    use crate::rolesanywhere::Credentials;

    fn roles(clock: &Arc<Clock>) -> Roles {
        let arn = |name: &str| format!("arn:aws:iam::123456789012:role/{name}").parse().unwrap();
        let roles = ["b", "a"].map(|name| (name.to_owned(), arn(name)));
        Roles::new(roles.into_iter(), Arc::clone(clock))
    }

    fn credentials(clock: &Clock, life: i64) -> Credentials {
        Credentials::example_until(clock.now() + life)
    }

    #[test]
    fn roles_keep_their_order_and_have_nothing_at_first() {
        let roles = roles(&Arc::default());
        let names: Vec<String> = roles.all().into_iter().map(|role| role.name).collect();
        assert_eq!(names, ["b", "a"]);
        assert!(roles.all().iter().all(|role| role.valid_at(0).is_none() && role.renewals == 0));
        assert!(roles.named("c").is_none());
    }

    #[test]
    fn credentials_are_valid_until_they_end_by_awss_time() {
        let clock = Arc::new(Clock::default());
        let roles = roles(&clock);
        roles.renewed("a", credentials(&clock, 900));
        assert!(roles.named("a").unwrap().valid_at(roles.now()).is_some());
        assert!(roles.named("b").unwrap().valid_at(roles.now()).is_none());
        clock.set_back(-901);
        let role = roles.named("a").unwrap();
        assert!(role.valid_at(roles.now()).is_none() && role.credentials.is_some());
    }

    #[test]
    fn a_failure_keeps_the_credentials_and_a_success_clears_its_reason() {
        let clock = Arc::new(Clock::default());
        let roles = roles(&clock);
        roles.renewed("a", credentials(&clock, 900));
        roles.failed("a", "no device for pkcs11:object=a?pin-value=1234");
        let role = roles.named("a").unwrap();
        assert!(role.valid_at(roles.now()).is_some() && role.renewals == 1);
        assert!(role.last_error.is_some_and(|error| !error.contains("1234")));
        roles.renewed("a", credentials(&clock, 900));
        let role = roles.named("a").unwrap();
        assert_eq!((role.last_error, role.renewals), (None, 2));
        // A role that is not served is ignored.
        roles.failed("c", "error");
        assert!(roles.all().iter().all(|role| role.last_error.is_none()));
    }
}
