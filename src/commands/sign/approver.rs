//! Who approves a quorum token.

use countersign::tokenfile::{Format, TokenFile};

use crate::cli::Sign;
use crate::commands::tokens::Input;
use crate::commands::usage::UsageError;

/// A CloudHSM user, as the entry in the file names them.
pub(super) struct Approver {
    pub(super) username: String,
    role: Option<String>,
}

/// The role of an approver of a key service's token; admins approve the other services.
const KEY_SERVICE_ROLE: &str = "crypto-user";

impl Approver {
    /// The user of `--username`, needed as soon as one of the files is a quorum approval.
    pub(super) fn of(arguments: &Sign, inputs: &[Input]) -> Result<Option<Self>, UsageError> {
        let is_approval = |file: &TokenFile| file.format() == Format::QuorumApproval;
        let needed = inputs.iter().any(|input| input.tokens.as_ref().is_some_and(is_approval));
        match arguments.username.as_deref().filter(|name| !name.is_empty()) {
            Some(username) => Ok(Some(Approver {
                username: username.to_owned(),
                role: arguments.role.clone().filter(|role| !role.is_empty()),
            })),
            None if needed => Err(UsageError::NoUsername),
            None => Ok(None),
        }
    }

    /// The role to write: when it was given, and for key services, whose entries must have one.
    pub(super) fn role_in(&self, file: &TokenFile) -> Option<&str> {
        self.role.as_deref().or_else(|| file.wants_role().then_some(KEY_SERVICE_ROLE))
    }

    /// Whether the file has an entry of this user.
    pub(super) fn is_in(&self, input: &Input) -> bool {
        input
            .tokens
            .as_ref()
            .is_some_and(|file| file.approvals().iter().any(|approval| approval.username == self.username))
    }
}
