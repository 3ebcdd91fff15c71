//! Temporary credentials, as Roles Anywhere issues them.

use std::fmt;

use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};

/// The credentials of a session. `Debug` shows nothing secret.
#[derive(Clone)]
pub struct Credentials {
    access_key_id: String,
    secret_access_key: SecretString,
    session_token: SecretString,
    expiration: Expiration,
    /// The session: `arn:aws:sts::ACCOUNT:assumed-role/ROLE/SESSION`.
    pub assumed_role_arn: Option<String>,
    /// The certificate's name in AWS's logs: `arn:aws:rolesanywhere:REGION:ACCOUNT:subject/ID`.
    pub subject_arn: Option<String>,
}

impl Credentials {
    /// Credentials without the ARNs. No text may be empty or contain anything but visible ASCII: a line end
    /// would change the meaning of a credentials file.
    ///
    /// # Errors
    /// The name, in AWS's JSON, of the one that is not allowed.
    pub fn new(
        access_key_id: String,
        secret_access_key: SecretString,
        session_token: SecretString,
        expiration: Expiration,
    ) -> Result<Self, &'static str> {
        let is_usable = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
        for (member, text) in [
            ("accessKeyId", access_key_id.as_str()),
            ("secretAccessKey", secret_access_key.expose_secret()),
            ("sessionToken", session_token.expose_secret()),
        ] {
            if !is_usable(text) {
                return Err(member);
            }
        }
        let (assumed_role_arn, subject_arn) = (None, None);
        Ok(Credentials {
            access_key_id,
            secret_access_key,
            session_token,
            expiration,
            assumed_role_arn,
            subject_arn,
        })
    }

    /// Not secret: it is part of every request that is signed with the credentials.
    pub fn access_key_id(&self) -> &str {
        &self.access_key_id
    }

    /// The key itself.
    pub fn secret_access_key(&self) -> &SecretString {
        &self.secret_access_key
    }

    /// As secret as the key, which is useless without it.
    pub fn session_token(&self) -> &SecretString {
        &self.session_token
    }

    /// When they expire.
    pub fn expiration(&self) -> &Expiration {
        &self.expiration
    }
}

#[cfg(test)]
impl Credentials {
    /// Credentials that expire at `end`, in Unix seconds, and whose secrets are `secret`.
    pub(crate) fn example_until(end: i64) -> Self {
        let end = Timestamp::from_second(end).unwrap().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
        let secret = || SecretString::from("secret");
        let end = Expiration::parse(&end).unwrap();
        Credentials::new("ASIAEXAMPLE".into(), secret(), secret(), end).unwrap()
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials")
            .field("access_key_id", &self.access_key_id)
            .field("expiration", &self.expiration.text)
            .field("assumed_role_arn", &self.assumed_role_arn)
            .field("subject_arn", &self.subject_arn)
            .finish_non_exhaustive()
    }
}

/// The moment at which credentials expire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expiration {
    text: String,
    time: Timestamp,
}

impl Expiration {
    /// Reads RFC 3339 with seconds, as `2026-03-01T02:02:03Z`; `None` for anything else. Other time zones are
    /// converted to UTC, and fractions of a second dropped: AWS's SDKs for Rust and JavaScript read no other
    /// form.
    pub fn parse(text: &str) -> Option<Self> {
        // jiff accepts more forms than clients do: a blank for the T, a time zone in brackets.
        let allowed = |byte: u8| byte.is_ascii_digit() || b"-T:.Z+".contains(&byte);
        let is_rfc_3339 = text.len() >= "2026-03-01T02:02:03Z".len()
            && text.as_bytes()[10] == b'T'
            && text.as_bytes()[16] == b':'
            && text.bytes().all(allowed);
        let time: Timestamp = is_rfc_3339.then(|| text.parse().ok()).flatten()?;
        Some(Expiration { text: time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(), time })
    }

    /// In UTC, with a `Z`.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// In seconds since 1970.
    pub fn unix_seconds(&self) -> i64 {
        self.time.as_second()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_expiration_is_read_in_any_time_zone_and_written_in_utc() {
        for text in [
            "2026-03-01T02:02:03Z",
            "2026-03-01T02:02:03.25Z",
            "2026-03-01T02:02:03+00:00",
            "2026-03-01T03:02:03+01:00",
        ] {
            let expiration = Expiration::parse(text).unwrap();
            let read = (expiration.as_str(), expiration.unix_seconds());
            assert_eq!(read, ("2026-03-01T02:02:03Z", 1_772_330_523), "{text}");
        }
        for text in [
            "",
            "2026-03-01",
            "2026-03-01T02:02:03",
            "2026-03-01 02:02:03Z",
            "2026-03-01T02:02:03+00:00[UTC]",
            "20260301T020203.000000Z",
            "2026-02-30T02:02:03Z",
            "1772330523",
            "2026-03-01T02:02:03Z\n",
            "9999999-03-01T02:02:03Z",
        ] {
            assert_eq!(Expiration::parse(text), None, "{text:?}");
        }
    }
}
