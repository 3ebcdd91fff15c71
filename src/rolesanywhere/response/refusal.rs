//! An answer that is not a success: who refused, and what to do about it.

use std::fmt;
use std::time::Duration;

use serde_json::Value;

use super::{Answer, MAX_EXCERPT, one_line};
use crate::duration::in_words;
use crate::error::{Exit, Explain};

/// In seconds. A clock that is off by this much is worth mentioning, whatever the refusal says; AWS accepts
/// five minutes.
const CLOCK_TOLERANCE: i64 = 240;
/// In characters. AWS's own messages are longer than excerpts of others'.
const MAX_MESSAGE: usize = 500;

/// An answer of any status but success.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The HTTP status.
    pub status: u16,
    /// AWS's name for the error, as `AccessDeniedException`. Without it, the answer probably did not come
    /// from AWS.
    pub code: Option<String>,
    /// What AWS, or another server in its place, says about it, in one line.
    pub message: Option<String>,
    /// The identifier that AWS's support asks for.
    pub request_id: Option<String>,
    /// By how many seconds this computer's clock is ahead of the answer's, if the answer contained its time.
    pub clock_ahead: Option<i64>,
}

impl Refusal {
    pub(super) fn read(answer: &Answer<'_>, clock_ahead: Option<i64>) -> Self {
        let json = serde_json::from_slice::<Value>(answer.body).ok().filter(Value::is_object);
        let member = |names: &[&str]| {
            let found = names.iter().find_map(|name| json.as_ref()?.get(*name)?.as_str());
            found.filter(|text| !text.trim().is_empty())
        };
        let code =
            answer.error_type.and_then(code_of).or_else(|| member(&["code", "__type"]).and_then(code_of));
        let message = match json {
            Some(_) => member(&["message", "Message"]).map(|text| one_line(text, MAX_MESSAGE)),
            None => Some(one_line(&String::from_utf8_lossy(answer.body), MAX_EXCERPT)),
        };
        Refusal {
            status: answer.status,
            code,
            message: message.filter(|message| !message.is_empty()),
            request_id: answer.request_id.map(|id| one_line(id, 80)).filter(|id| !id.is_empty()),
            clock_ahead,
        }
    }

    /// Whether the same request, signed again, may succeed a little later: after the service's own faults, or
    /// too many requests.
    pub fn may_be_retried(&self) -> bool {
        self.status >= 500 || self.is_throttling()
    }

    /// Whether AWS itself refuses the request because of its time. Of some it only says that the signature is
    /// invalid.
    pub fn is_about_time(&self) -> bool {
        let words = [
            "signature expired",
            "not yet current",
            "requestexpired",
            "requesttimetooskewed",
            "invalid signature",
        ];
        self.status == 403 && self.code.is_some() && self.says(&words)
    }

    fn is_throttling(&self) -> bool {
        // The codes that AWS's SDKs treat as throttling, as far as an HTTP service may use them.
        let names =
            ["Throttl", "TooManyRequests", "RequestLimitExceeded", "SlowDown", "LimitExceededException"];
        let code = self.code.as_deref().unwrap_or_default();
        self.status == 429 || names.iter().any(|name| code.contains(name))
    }

    /// Whether code or message contains any of these words, in upper or lower case.
    fn says(&self, words: &[&str]) -> bool {
        let text = [self.code.as_deref(), self.message.as_deref()].map(Option::unwrap_or_default).join(" ");
        let text = text.to_lowercase();
        words.iter().any(|word| text.contains(word))
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.code {
            Some(code) => write!(f, "AWS refused: {code}")?,
            None => write!(f, "the endpoint answered with HTTP status {}", self.status)?,
        }
        match &self.message {
            Some(message) => write!(f, ": {message}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Refusal {}

impl Explain for Refusal {
    fn exit(&self) -> Exit {
        Exit::Aws
    }

    fn detail(&self) -> Vec<String> {
        let status = self.code.as_ref().map(|_| format!("HTTP status {}", self.status));
        let request = self.request_id.as_ref().map(|id| format!("AWS's request ID: {id}"));
        status.into_iter().chain(request).collect()
    }

    fn hint(&self) -> Option<String> {
        if let Some(hint) = self.clock_ahead.filter(|_| self.status == 403).and_then(clock_hint) {
            return Some(hint);
        }
        // Messages are recognized by words that have stayed the same for years; AWS documents none of them.
        let hint = if self.is_throttling() {
            "AWS creates about ten sessions a second for an account and region; try again later"
        } else if self.says(&["durationseconds", "maxsessionduration"]) {
            "ask for a shorter session, or have the role's maximum session duration and the profile's raised"
        } else if self.says(&["session name", "sessionname"]) {
            "leave the role session name out, or let the profile accept one (acceptRoleSessionName)"
        } else if self.says(&[
            "signature expired",
            "not yet current",
            "requestexpired",
            "requesttimetooskewed",
        ]) {
            "set this computer's clock: AWS accepts requests that are up to five minutes old"
        } else if self.says(&["expired certificate", "certificate expired", "certificate has expired"]) {
            "have the certificate renewed"
        } else if self.says(&["revoked"]) {
            "have a new certificate issued: the trust anchor's revocation list has this one"
        } else if self.says(&["certificate"]) {
            "the certificate must be issued by the trust anchor's authority, with all intermediates given; it needs \
             X.509v3, keyUsage digitalSignature, SHA-256 or stronger, a subject, and must be no CA's"
        } else if self.says(&["invalid signature", "signaturedoesnotmatch"]) {
            "the key must be the certificate's, this computer's clock right, and the region the trust anchor's"
        } else if self.says(&["disabled"]) {
            "have the trust anchor and the profile enabled"
        } else if self.says(&["unable to assume role", "assumerole", "assume role"]) {
            "the role's trust policy must allow rolesanywhere.amazonaws.com sts:AssumeRole, sts:TagSession and \
             sts:SetSourceIdentity under conditions that the certificate meets, and the profile must list the role"
        } else if self.says(&["resourcenotfound", "not found", "does not exist"]) {
            "compare the ARNs of trust anchor and profile with those in the AWS console: account, region and ID"
        } else if self.status >= 500 {
            "this is a fault of the service, or of a proxy in front of it; try again later"
        } else if self.status == 407 {
            "the proxy requires a user name and password: write them in the proxy's URL"
        } else if self.code.is_none() {
            "a proxy or another server may have answered in AWS's place; check endpoint, region and proxy"
        } else {
            "compare the ARNs, the role's trust policy and the profile's list of roles"
        };
        Some(hint.to_owned())
    }

    fn may_pass(&self) -> bool {
        self.may_be_retried()
    }
}

/// What to do about a clock that is `ahead` by this many seconds, if that is much.
pub(super) fn clock_hint(ahead: i64) -> Option<String> {
    let seconds = ahead.unsigned_abs();
    if seconds < CLOCK_TOLERANCE.unsigned_abs() {
        return None;
    }
    let amount = in_words(Duration::from_secs(seconds));
    let direction = if ahead > 0 { "ahead of" } else { "behind" };
    Some(format!(
        "set this computer's clock: it is {amount} {direction} AWS's, which accepts five minutes at most"
    ))
}

/// `AccessDeniedException:http://…` in the header, `com.amazon.coral#AccessDeniedException` in JSON, or both at once.
fn code_of(text: &str) -> Option<String> {
    let name = text.split(':').next().unwrap_or_default();
    let name = name.rsplit('#').next().unwrap_or_default().trim();
    let is_name = (1..=80).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte));
    is_name.then(|| name.to_owned())
}
