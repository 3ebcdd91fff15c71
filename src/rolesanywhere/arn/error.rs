//! What can be wrong with an ARN. ARNs come from the command line and are not secret.

use std::fmt;

use super::ArnKind;
use crate::error::{Exit, Explain};

/// A part of an ARN.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The second.
    Partition,
    /// The third.
    Service,
    /// The fourth.
    Region,
    /// The fifth.
    Account,
    /// The sixth.
    Resource,
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Part::Partition => "partition",
            Part::Service => "service",
            Part::Region => "region",
            Part::Account => "account",
            Part::Resource => "resource",
        })
    }
}

/// Why a text is not the expected ARN.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ArnError {
    /// Not an ARN at all.
    #[error("{text:?} is not an ARN: it does not begin with `arn:`")]
    NotAnArn {
        /// Its beginning.
        text: String,
    },
    /// Longer than any ARN.
    #[error("the ARN has {length} characters, which is longer than any AWS ARN")]
    TooLong {
        /// In bytes.
        length: usize,
    },
    /// Too few colons.
    #[error("the ARN has {found} of 6 parts")]
    MissingParts {
        /// The number of parts that it has.
        found: usize,
    },
    /// One part is wrong.
    #[error("the ARN's {part} is {value:?}")]
    Part {
        /// Which.
        part: Part,
        /// The text in its place.
        value: String,
    },
    /// A valid ARN, but of something else.
    #[error("it is not the ARN of a {}: {found:?}", wanted.name())]
    OtherKind {
        /// What it should be the ARN of.
        wanted: ArnKind,
        /// The ARN.
        found: String,
    },
}

impl Explain for ArnError {
    fn exit(&self) -> Exit {
        Exit::Usage
    }

    fn hint(&self) -> Option<String> {
        let hint = match self {
            ArnError::NotAnArn { .. } | ArnError::MissingParts { .. } | ArnError::TooLong { .. } => {
                "an ARN is written arn:PARTITION:SERVICE:REGION:ACCOUNT:RESOURCE; copy it from the AWS console"
            }
            ArnError::Part { part: Part::Partition, .. } => {
                "it is aws, aws-cn, aws-us-gov or another that begins so"
            }
            ArnError::Part { part: Part::Service, .. } => {
                "a role's service is iam; a profile's and a trust anchor's is rolesanywhere"
            }
            ArnError::Part { part: Part::Region, .. } => {
                "a role has no region (arn:aws:iam::…); a profile and a trust anchor have one, as in us-east-1"
            }
            ArnError::Part { part: Part::Account, .. } => "an account number has 12 digits",
            ArnError::Part { part: Part::Resource, .. } => {
                "it is role/NAME, profile/ID or trust-anchor/ID, without blanks"
            }
            ArnError::OtherKind { wanted: ArnKind::Role, found } if found.contains(":assumed-role/") => {
                "that is the session of a role; give the role itself: arn:aws:iam::ACCOUNT:role/NAME"
            }
            ArnError::OtherKind { wanted: ArnKind::Role, .. } => "give arn:aws:iam::ACCOUNT:role/NAME",
            ArnError::OtherKind { wanted: ArnKind::Profile, .. } => {
                "give arn:aws:rolesanywhere:REGION:ACCOUNT:profile/ID; it is not a profile of ~/.aws/config"
            }
            ArnError::OtherKind { wanted: ArnKind::TrustAnchor, .. } => {
                "give arn:aws:rolesanywhere:REGION:ACCOUNT:trust-anchor/ID"
            }
        };
        Some(hint.to_owned())
    }
}
