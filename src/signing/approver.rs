//! Who approves a quorum token.

use super::{Input, RequestError, SigningRequest};
use crate::tokenfile::{Approval, Format, TokenFile};

/// A CloudHSM user, as the entry in the file names them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Approver {
    /// The user name.
    pub username: String,
    role: Option<String>,
}

/// The role of an approver of a key service's token; admins approve the other services.
const KEY_SERVICE_ROLE: &str = "crypto-user";

impl Approver {
    /// The user of the request, who is needed as soon as one of the files is a quorum approval.
    ///
    /// # Errors
    /// [`RequestError::NoUsername`].
    pub fn of(request: &SigningRequest, inputs: &[Input]) -> Result<Option<Self>, RequestError> {
        let is_approval = |file: &TokenFile| file.format() == Format::QuorumApproval;
        let needed = inputs.iter().any(|input| input.tokens.as_ref().is_some_and(is_approval));
        match request.username.as_deref().filter(|name| !name.is_empty()) {
            Some(username) => Ok(Some(Approver {
                username: username.to_owned(),
                role: request.role.clone().filter(|role| !role.is_empty()),
            })),
            None if needed => Err(RequestError::NoUsername),
            None => Ok(None),
        }
    }

    /// The role to write: when it was given, and for key services, whose entries must have one.
    pub fn role_in(&self, file: &TokenFile) -> Option<&str> {
        self.role.as_deref().or_else(|| file.wants_role().then_some(KEY_SERVICE_ROLE))
    }

    /// The entry of this user in a file.
    pub fn entry_in<'a>(&self, file: &'a TokenFile) -> Option<&'a Approval> {
        file.approvals().iter().find(|approval| approval.username == self.username)
    }
}
