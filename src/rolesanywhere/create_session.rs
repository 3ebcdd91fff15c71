//! What Roles Anywhere is asked for.

use std::time::Duration;

use serde::Serialize;

use super::{ProfileArn, Region, RoleArn, TrustAnchorArn};
use crate::duration::in_words;
use crate::error::{Exit, Explain};

/// The shortest session in seconds.
pub const MIN_DURATION: u32 = 900;
/// The longest session in seconds.
pub const MAX_DURATION: u32 = 43_200;

/// The parameters of CreateSession, checked
/// ([AWS](https://docs.aws.amazon.com/rolesanywhere/latest/userguide/authentication-create-session.html)).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CreateSession {
    duration_seconds: u32,
    #[serde(serialize_with = "as_text")]
    profile_arn: ProfileArn,
    #[serde(serialize_with = "as_text")]
    role_arn: RoleArn,
    #[serde(skip_serializing_if = "Option::is_none")]
    role_session_name: Option<String>,
    #[serde(serialize_with = "as_text")]
    trust_anchor_arn: TrustAnchorArn,
}

impl CreateSession {
    /// A session of `duration_seconds` ([`MIN_DURATION`] to [`MAX_DURATION`]; the role and the profile may
    /// allow less). `role_session_name` is for profiles that accept one: 2 to 64 letters, digits or
    /// `_+=,.@-`.
    ///
    /// # Errors
    /// [`SessionError`]: a parameter is not allowed, or the ARNs do not belong together.
    pub fn new(
        role: RoleArn,
        profile: ProfileArn,
        trust_anchor: TrustAnchorArn,
        duration_seconds: u32,
        role_session_name: Option<String>,
    ) -> Result<Self, SessionError> {
        if !(MIN_DURATION..=MAX_DURATION).contains(&duration_seconds) {
            return Err(SessionError::Duration { seconds: duration_seconds });
        }
        if role_session_name.as_deref().is_some_and(|name| !is_session_name(name)) {
            return Err(SessionError::Name);
        }
        if profile.region != trust_anchor.region {
            let (profile, trust_anchor) = (profile.region.clone(), trust_anchor.region.clone());
            return Err(SessionError::Regions { profile, trust_anchor });
        }
        if profile.partition != trust_anchor.partition || role.partition != trust_anchor.partition {
            return Err(SessionError::Partitions);
        }
        Ok(CreateSession {
            duration_seconds,
            profile_arn: profile,
            role_arn: role,
            role_session_name,
            trust_anchor_arn: trust_anchor,
        })
    }

    /// The role.
    pub fn role(&self) -> &RoleArn {
        &self.role_arn
    }

    /// How long the credentials are to live, in seconds.
    pub fn duration_seconds(&self) -> u32 {
        self.duration_seconds
    }

    /// The region of the trust anchor and the profile.
    pub fn region(&self) -> Region {
        self.trust_anchor_arn.region()
    }

    /// The request's body: JSON, with the ARNs in it, which AWS would accept in the query as well. In the
    /// body it is clear how a `=` or `+` in a role's name is encoded.
    pub fn body(&self) -> Vec<u8> {
        // Serializing a struct of numbers and strings cannot fail.
        serde_json::to_vec(self).unwrap_or_default()
    }
}

/// Why a session cannot be requested.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SessionError {
    /// Too short or too long.
    #[error("a session of {seconds} seconds is not possible")]
    Duration {
        /// The requested duration.
        seconds: u32,
    },
    /// It has characters that AWS does not accept.
    #[error("the role session name is not 2 to 64 of the characters a-z, A-Z, 0-9 and _+=,.@-")]
    Name,
    /// Profile and trust anchor are in different regions.
    #[error("the profile is in {profile:?} and the trust anchor in {trust_anchor:?}")]
    Regions {
        /// The region in the profile's ARN.
        profile: String,
        /// The region in the trust anchor's ARN.
        trust_anchor: String,
    },
    /// They are in different partitions, for example `aws` and `aws-cn`.
    #[error("the ARNs of role, profile and trust anchor are not of one partition")]
    Partitions,
}

impl Explain for SessionError {
    fn exit(&self) -> Exit {
        Exit::Usage
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            SessionError::Duration { .. } => {
                let in_words = |seconds: u32| in_words(Duration::from_secs(seconds.into()));
                format!(
                    "give {MIN_DURATION} ({}) to {MAX_DURATION} ({})",
                    in_words(MIN_DURATION),
                    in_words(MAX_DURATION)
                )
            }
            SessionError::Name => "leave it out: AWS then takes the certificate's serial number".into(),
            SessionError::Regions { .. } => "give a profile and a trust anchor of the same region".into(),
            SessionError::Partitions => {
                "the second part of all three must be the same, as in arn:aws:…".into()
            }
        })
    }
}

/// The pattern of RoleSessionName in STS: `[\w+=,.@-]*`, 2 to 64 characters
/// ([AWS](https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html)).
fn is_session_name(name: &str) -> bool {
    (2..=64).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_+=,.@-".contains(&byte))
}

fn as_text<S: serde::Serializer>(arn: &impl ToString, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&arn.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROLE: &str = "arn:aws:iam::123456789012:role/demo";
    const PROFILE: &str = "arn:aws:rolesanywhere:us-east-1:123456789012:profile/1111";
    const ANCHOR: &str = "arn:aws:rolesanywhere:us-east-1:123456789012:trust-anchor/6666";

    fn session(arns: [&str; 3], seconds: u32, name: Option<&str>) -> Result<CreateSession, SessionError> {
        let [role, profile, anchor] = arns;
        let (role, profile, anchor) =
            (role.parse().unwrap(), profile.parse().unwrap(), anchor.parse().unwrap());
        CreateSession::new(role, profile, anchor, seconds, name.map(str::to_owned))
    }

    #[test]
    fn the_body_has_all_of_it() {
        let body = session([ROLE, PROFILE, ANCHOR], 900, Some("a_+=,.@-Z9")).unwrap().body();
        let expected = format!(
            r#"{{"durationSeconds":900,"profileArn":"{PROFILE}","roleArn":"{ROLE}","roleSessionName":"a_+=,.@-Z9","trustAnchorArn":"{ANCHOR}"}}"#
        );
        assert_eq!(String::from_utf8(body).unwrap(), expected);
        let body = session([ROLE, PROFILE, ANCHOR], 43_200, None).unwrap().body();
        assert!(!String::from_utf8(body).unwrap().contains("roleSessionName"));
    }

    #[test]
    fn what_aws_would_refuse_is_refused() {
        for seconds in [0, 899, 43_201, u32::MAX] {
            let error = session([ROLE, PROFILE, ANCHOR], seconds, None).unwrap_err();
            assert_eq!(error, SessionError::Duration { seconds });
        }
        for name in ["", "a", "a b", "a/b", "ü12", "a\n", &"a".repeat(65)] {
            let error = session([ROLE, PROFILE, ANCHOR], 3600, Some(name)).unwrap_err();
            assert_eq!(error, SessionError::Name, "{name:?}");
        }
        assert!(session([ROLE, PROFILE, ANCHOR], 3600, Some(&"a".repeat(64))).is_ok());
    }

    #[test]
    fn profile_and_trust_anchor_share_a_region_and_all_three_a_partition() {
        let other = ANCHOR.replace("us-east-1", "eu-west-1");
        let error = session([ROLE, PROFILE, &other], 3600, None).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the profile is in \"us-east-1\" and the trust anchor in \"eu-west-1\""
        );
        let other = ROLE.replace("aws", "aws-cn");
        assert_eq!(session([&other, PROFILE, ANCHOR], 3600, None).unwrap_err(), SessionError::Partitions);
    }
}
