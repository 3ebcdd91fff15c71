//! Who approves a quorum token.

use super::{Input, RequestError, SigningRequest};
use crate::tokenfile::{Approval, Format, ROLES, TokenFile, check_username, is_same_user};

/// A CloudHSM user, as the entry in the file names them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Approver {
    /// The user name.
    pub username: String,
    role: Option<String>,
}

/// The role of those who approve a key service's token; admins approve the other services.
const KEY_SERVICE_ROLE: &str = "crypto-user";

impl Approver {
    /// The request's user, who is required if any of the files is a quorum approval.
    ///
    /// # Errors
    /// [`RequestError::NoUsername`], or a name that no user of CloudHSM can have.
    pub fn of(request: &SigningRequest, inputs: &[Input]) -> Result<Option<Self>, RequestError> {
        let is_approval = |file: &TokenFile| file.format() == Format::QuorumApproval;
        let needed = inputs.iter().any(|input| input.tokens.as_ref().is_some_and(is_approval));
        match request.username.as_deref().filter(|name| !name.is_empty()) {
            Some(username) => {
                let name = username.to_owned();
                check_username(username).map_err(|source| RequestError::Username { name, source })?;
                let role = request.role.clone().filter(|role| !role.is_empty());
                Ok(Some(Approver { username: username.to_owned(), role }))
            }
            None if needed => Err(RequestError::NoUsername),
            None => Ok(None),
        }
    }

    /// The role to write: if one was given, and for key services, whose entries must have one.
    pub fn role_in(&self, file: &TokenFile) -> Option<&str> {
        self.role.as_deref().or_else(|| file.wants_role().then_some(KEY_SERVICE_ROLE))
    }

    /// The role that was given, if CloudHSM CLI does not know it.
    pub fn unknown_role(&self) -> Option<&str> {
        self.role.as_deref().filter(|role| !ROLES.contains(role))
    }

    /// The entry of this user in a file.
    pub fn entry_in<'a>(&self, file: &'a TokenFile) -> Option<&'a Approval> {
        file.approvals().iter().find(|approval| is_same_user(&approval.username, &self.username))
    }
}
