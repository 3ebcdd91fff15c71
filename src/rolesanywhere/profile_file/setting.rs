//! The settings of a profile that hold credentials.

/// A setting that is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Setting {
    AccessKeyId,
    SecretAccessKey,
    SessionToken,
}

/// What a name in a profile means to a writer of credentials.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    /// This setting.
    Credential(Setting),
    /// The former name of `aws_session_token`, which boto3 and AWS's CLI still read, and prefer. One that an
    /// older program left there would override the new token.
    FormerToken,
    /// Something else.
    Other,
}

impl Setting {
    /// All settings, in the order in which new ones are written.
    pub(super) const ALL: [Self; 3] = [Setting::AccessKeyId, Setting::SecretAccessKey, Setting::SessionToken];

    pub(super) fn name(self) -> &'static str {
        match self {
            Setting::AccessKeyId => "aws_access_key_id",
            Setting::SecretAccessKey => "aws_secret_access_key",
            Setting::SessionToken => "aws_session_token",
        }
    }
}

impl Meaning {
    /// Names are not case-sensitive.
    pub(super) fn of(name: &[u8]) -> Self {
        let is = |known: &str| name.eq_ignore_ascii_case(known.as_bytes());
        match Setting::ALL.into_iter().find(|setting| is(setting.name())) {
            Some(setting) => Meaning::Credential(setting),
            None if is("aws_security_token") => Meaning::FormerToken,
            None => Meaning::Other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_means_a_setting_in_any_case_and_in_full() {
        for setting in Setting::ALL {
            assert_eq!(Meaning::of(setting.name().as_bytes()), Meaning::Credential(setting));
        }
        assert_eq!(Meaning::of(b"AWS_Session_Token"), Meaning::Credential(Setting::SessionToken));
        assert_eq!(Meaning::of(b"Aws_Security_Token"), Meaning::FormerToken);
        for other in [&b""[..], b"region", b"aws_access_key", b"aws_access_key_id2", b"\xff"] {
            assert_eq!(Meaning::of(other), Meaning::Other);
        }
    }
}
