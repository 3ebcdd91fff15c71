//! The answers of Roles Anywhere, or of something on the way there.

mod error;
mod refusal;

pub use error::ResponseError;
pub use refusal::Refusal;

use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimeParser;
use secrecy::SecretString;
use serde::Deserialize;

use super::credentials::{Credentials, Expiration};
use super::shown::one_line;

/// In characters. Longer excerpts of answers are cut.
const MAX_EXCERPT: usize = 200;

/// An answer to a CreateSession request.
#[derive(Clone, Copy, Debug, Default)]
pub struct Answer<'a> {
    /// The HTTP status.
    pub status: u16,
    /// The header `X-Amzn-ErrorType`.
    pub error_type: Option<&'a str>,
    /// The header `X-Amzn-RequestId`.
    pub request_id: Option<&'a str>,
    /// The header `Date`.
    pub date: Option<&'a str>,
    /// The body, decoded if there was a `Content-Encoding`.
    pub body: &'a [u8],
}

impl Answer<'_> {
    /// The time in the answer, in Unix seconds (RFC 9110 section 5.6.7).
    pub fn date(&self) -> Option<i64> {
        // A header of any length must not keep the parser busy.
        let date = self.date.filter(|date| date.len() <= 64)?;
        let date: Timestamp = DateTimeParser::new().parse_timestamp(date).ok()?;
        Some(date.as_second())
    }
}

/// The credentials in an answer. `now` is this computer's time in seconds since 1970, to be compared with the
/// answer's: a wrong clock is the most common reason for a refusal without a reason.
///
/// # Errors
/// [`ResponseError::Refused`] if it is not a 201; otherwise why it holds no usable credentials. Empty or
/// expired ones are an error, because a client that gets them asks again and again.
pub fn read(answer: &Answer<'_>, now: i64) -> Result<Credentials, ResponseError> {
    let clock_ahead = answer.date().and_then(|date| now.checked_sub(date));
    // AWS says 201. An emulator may say 200.
    if !matches!(answer.status, 200 | 201) {
        return Err(ResponseError::Refused(Refusal::read(answer, clock_ahead)));
    }
    let Ok(document) = serde_json::from_slice::<Document>(answer.body) else {
        return Err(ResponseError::NotCredentials { excerpt: harmless_excerpt(answer.body) });
    };
    let missing = |member| ResponseError::Incomplete { member };
    let set = document.credential_set.into_iter().next().ok_or_else(|| missing("credentialSet"))?;
    let given = set.credentials.ok_or_else(|| missing("credentials"))?;
    let expiration = given.expiration.as_deref().and_then(Expiration::parse);
    let expiration = expiration.ok_or_else(|| missing("expiration"))?;
    let mut credentials = Credentials::new(
        given.access_key_id.unwrap_or_default(),
        given.secret_access_key.unwrap_or_default(),
        given.session_token.unwrap_or_default(),
        expiration,
    )
    .map_err(missing)?;
    let expiration = credentials.expiration();
    if expiration.unix_seconds() <= now {
        return Err(ResponseError::Expired { expiration: expiration.as_str().to_owned(), clock_ahead });
    }
    let named =
        |arn: Option<String>| arn.map(|arn| one_line(&arn, MAX_EXCERPT)).filter(|arn| !arn.is_empty());
    credentials.assumed_role_arn = named(set.assumed_role_user.and_then(|user| user.arn));
    credentials.subject_arn = named(document.subject_arn);
    Ok(credentials)
}

/// What can be shown of an answer that should hold credentials, and may: a page, which begins with `<`.
fn harmless_excerpt(body: &[u8]) -> Option<String> {
    let is_page = body.trim_ascii_start().starts_with(b"<");
    is_page.then(|| one_line(&String::from_utf8_lossy(body), MAX_EXCERPT))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    #[serde(default)]
    credential_set: Vec<CredentialSet>,
    subject_arn: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct CredentialSet {
    assumed_role_user: Option<AssumedRoleUser>,
    credentials: Option<Given>,
}

#[derive(Deserialize)]
struct AssumedRoleUser {
    arn: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Given {
    access_key_id: Option<String>,
    secret_access_key: Option<SecretString>,
    session_token: Option<SecretString>,
    expiration: Option<String>,
}

#[cfg(test)]
mod tests;
