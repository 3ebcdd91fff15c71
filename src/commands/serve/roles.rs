//! What there is to hand out: for each role its credentials, and how the last renewal went.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use countersign::rolesanywhere::{Credentials, RoleArn};

use crate::commands::aws::now;

/// The roles, in their order. One thread renews, others read.
pub(super) struct Roles(Mutex<Vec<Role>>);

/// A role's state.
#[derive(Clone)]
pub(super) struct Role {
    pub(super) name: String,
    pub(super) arn: RoleArn,
    pub(super) credentials: Option<Arc<Credentials>>,
    /// When they came, in seconds since 1970.
    pub(super) since: i64,
    /// Why the last renewal failed, until one succeeds.
    pub(super) last_error: Option<String>,
    pub(super) renewals: u64,
}

impl Role {
    /// Credentials that have not ended.
    pub(super) fn good(&self) -> Option<&Arc<Credentials>> {
        self.credentials.as_ref().filter(|credentials| credentials.expiration().unix_seconds() > now())
    }
}

impl Roles {
    pub(super) fn new(roles: impl Iterator<Item = (String, RoleArn)>) -> Self {
        let role =
            |(name, arn)| Role { name, arn, credentials: None, since: 0, last_error: None, renewals: 0 };
        Roles(Mutex::new(roles.map(role).collect()))
    }

    pub(super) fn all(&self) -> Vec<Role> {
        self.lock().clone()
    }

    pub(super) fn named(&self, name: &str) -> Option<Role> {
        self.lock().iter().find(|role| role.name == name).cloned()
    }

    pub(super) fn renewed(&self, name: &str, credentials: Credentials) {
        self.change(name, |role| {
            role.credentials = Some(Arc::new(credentials));
            role.since = now();
            role.last_error = None;
            role.renewals += 1;
        });
    }

    pub(super) fn failed(&self, name: &str, error: &str) {
        self.change(name, |role| role.last_error = Some(countersign::uri::redact(error)));
    }

    fn change(&self, name: &str, change: impl FnOnce(&mut Role)) {
        if let Some(role) = self.lock().iter_mut().find(|role| role.name == name) {
            change(role);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Role>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
