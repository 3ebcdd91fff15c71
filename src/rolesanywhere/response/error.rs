//! Why an answer contains no usable credentials.

use super::refusal::{Refusal, clock_hint};
use crate::error::{Exit, Explain};

/// Why an answer contains no usable credentials. No message quotes text that may be part of credentials.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ResponseError {
    /// The service, or a proxy, refused.
    #[error(transparent)]
    Refused(Refusal),
    /// Success, with something else in the body.
    #[error("the response holds no credentials despite its success status{}", .excerpt.as_ref().map(|text| format!(": {text}")).unwrap_or_default())]
    NotCredentials {
        /// One line of it, if it can be shown.
        excerpt: Option<String>,
    },
    /// Success, but a member is missing, empty or malformed.
    #[error("the answer's credentials have no usable {member:?}")]
    Incomplete {
        /// The first such member.
        member: &'static str,
    },
    /// Credentials that have expired.
    #[error("the credentials expired at {expiration}, before they arrived")]
    Expired {
        /// When.
        expiration: String,
        /// By how many seconds this computer's clock is ahead of the answer's, if the answer contained its
        /// time.
        clock_ahead: Option<i64>,
    },
}

impl Explain for ResponseError {
    fn exit(&self) -> Exit {
        Exit::Aws
    }

    fn detail(&self) -> Vec<String> {
        match self {
            ResponseError::Refused(refusal) => refusal.detail(),
            _ => Vec::new(),
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            ResponseError::Refused(refusal) => refusal.hint(),
            ResponseError::NotCredentials { .. } => Some(
                "a proxy or a guest network may have answered in AWS's place; check the connection to the endpoint"
                    .into(),
            ),
            ResponseError::Incomplete { .. } => {
                Some("check the endpoint; if it is AWS's own, try again".into())
            }
            ResponseError::Expired { clock_ahead, .. } => {
                clock_ahead.and_then(clock_hint).or_else(|| Some("check this computer's clock".into()))
            }
        }
    }

    fn may_pass(&self) -> bool {
        match self {
            ResponseError::Refused(refusal) => refusal.may_be_retried(),
            ResponseError::NotCredentials { .. } | ResponseError::Incomplete { .. } => true,
            ResponseError::Expired { .. } => false,
        }
    }
}
