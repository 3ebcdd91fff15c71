//! A CreateSession request: which part of it is signed, and what is sent.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use super::canonical::{self, Parts};
use super::identity::Identity;
use super::{CreateSession, Endpoint, Region};
use crate::signature::Payload;

const METHOD: &str = "POST";
const PATH: &str = "/sessions";
const CONTENT_TYPE: &str = "application/json";
const STAMP: &str = "%Y%m%dT%H%M%SZ";

/// When a request is signed, to the second. AWS accepts requests that are up to five minutes old.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SigningTime(Timestamp);

impl SigningTime {
    /// From seconds since 1970; `None` before that and after the year 9999.
    pub fn from_unix_seconds(seconds: i64) -> Option<Self> {
        let time = Timestamp::from_second(seconds).ok().filter(|_| seconds >= 0)?;
        Some(SigningTime(time))
    }

    /// Seconds since 1970.
    pub fn unix_seconds(self) -> i64 {
        self.0.as_second()
    }
}

impl FromStr for SigningTime {
    type Err = String;

    /// Reads the form of `X-Amz-Date`, as `20260301T010203Z`.
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || "a time is written as 20260301T010203Z".to_owned();
        let time = DateTime::strptime(STAMP, text).and_then(|time| time.to_zoned(TimeZone::UTC));
        let time = time.ok().and_then(|time| Self::from_unix_seconds(time.timestamp().as_second()));
        time.filter(|time| time.to_string() == text).ok_or_else(wrong)
    }
}

impl fmt::Display for SigningTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.strftime(STAMP).fmt(f)
    }
}

/// A request that is not signed yet. Every header that it has is signed, and no others, so it does not matter
/// what a proxy adds or removes.
#[derive(Clone, Debug)]
pub struct Request {
    url: String,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
    algorithm: &'static str,
    serial: String,
    date: String,
    scope: String,
}

impl Request {
    /// The request for `session` to `endpoint`, signed for `region` (the session's, unless another one was
    /// given) at `time` with the key of `identity`'s certificate.
    pub fn new(
        session: &CreateSession,
        endpoint: &Endpoint,
        region: &Region,
        identity: &Identity,
        time: SigningTime,
    ) -> Self {
        let date = time.to_string();
        let scope = format!("{}/{region}/rolesanywhere/aws4_request", &date[..8]);
        let mut headers = vec![
            ("content-type", CONTENT_TYPE.to_owned()),
            ("host", endpoint.host_header()),
            ("x-amz-date", date.clone()),
            ("x-amz-x509", STANDARD.encode(identity.leaf())),
        ];
        if !identity.chain().is_empty() {
            let chain: Vec<String> = identity.chain().iter().map(|der| STANDARD.encode(der)).collect();
            headers.push(("x-amz-x509-chain", chain.join(",")));
        }
        Request {
            url: format!("{endpoint}{PATH}"),
            headers,
            body: session.body(),
            algorithm: identity.algorithm().name(),
            serial: identity.serial().to_owned(),
            date,
            scope,
        }
    }

    /// The canonical request, for finding out why a signature is refused.
    pub fn canonical_request(&self) -> String {
        canonical::canonical_request(&Parts {
            method: METHOD,
            path: PATH,
            query: &[],
            headers: &self.headers(),
            body: &self.body,
        })
    }

    /// What is signed, as text.
    pub fn string_to_sign(&self) -> String {
        canonical::string_to_sign(self.algorithm, &self.date, &self.scope, &self.canonical_request())
    }

    /// What is signed. The private key itself signs it; there is no derived key as in other uses of Signature
    /// Version 4.
    pub fn payload(&self) -> Payload {
        Payload::message(self.string_to_sign())
    }

    /// The request with its signature: RSASSA-PKCS1-v1_5 for RSA, the DER of RFC 3279 section 2.2.3 for ECDSA
    /// (PKCS#11 concatenates the two numbers instead), both with SHA-256 whatever the curve.
    pub fn sign_with(self, signature: &[u8]) -> SignedRequest {
        let Request { algorithm, serial, scope, .. } = &self;
        let names = canonical::signed_headers(&self.headers());
        let signature: String = signature.iter().map(|byte| format!("{byte:02x}")).collect();
        let authorization =
            format!("{algorithm} Credential={serial}/{scope}, SignedHeaders={names}, Signature={signature}");
        let mut headers = self.headers;
        headers.push(("authorization", authorization));
        SignedRequest { method: METHOD, url: self.url, headers, body: self.body }
    }

    fn headers(&self) -> Vec<(&str, &str)> {
        self.headers.iter().map(|(name, value)| (*name, value.as_str())).collect()
    }
}

/// A request, ready to be sent as it is. While it is fresh, anyone who has it can send it and gets
/// credentials, so `Debug` shows no header values.
#[derive(Clone, PartialEq, Eq)]
pub struct SignedRequest {
    /// The HTTP method.
    pub method: &'static str,
    /// Where to.
    pub url: String,
    /// All signed headers, including `host`, and `authorization`. Names are in lower case.
    pub headers: Vec<(&'static str, String)>,
    /// JSON.
    pub body: Vec<u8>,
}

impl fmt::Debug for SignedRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.headers.iter().map(|(name, _)| *name).collect();
        write!(f, "{} {} with {names:?}", self.method, self.url)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_read_as_it_is_printed() {
        let time = SigningTime::from_unix_seconds(1_772_326_923).unwrap();
        assert_eq!(time.to_string(), "20260301T010203Z");
        assert_eq!("20260301T010203Z".parse(), Ok(time));
        for text in
            ["", "20260301T010203", "2026-03-01T01:02:03Z", "20261301T010203Z", "20260301T010203Zx", "é"]
        {
            assert!(text.parse::<SigningTime>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn times_that_no_stamp_can_have_are_refused() {
        assert!(SigningTime::from_unix_seconds(-1).is_none());
        assert!(SigningTime::from_unix_seconds(i64::MAX).is_none());
        assert_eq!(SigningTime::from_unix_seconds(0).unwrap().to_string(), "19700101T000000Z");
    }
}
