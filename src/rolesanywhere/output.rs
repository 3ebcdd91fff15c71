//! Credentials in the three JSON forms that AWS's SDKs read.

use jiff::Timestamp;
use secrecy::ExposeSecret;
use serde::Serialize;
use zeroize::Zeroizing;

use super::{Credentials, RoleArn};

/// What a `credential_process` prints
/// ([AWS](https://docs.aws.amazon.com/sdkref/latest/guide/feature-process-credentials.html)).
pub fn credential_process(credentials: &Credentials) -> Zeroizing<String> {
    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Document<'a> {
        version: u8,
        access_key_id: &'a str,
        secret_access_key: &'a str,
        session_token: &'a str,
        expiration: &'a str,
    }
    json(&Document {
        version: 1,
        access_key_id: credentials.access_key_id(),
        secret_access_key: credentials.secret_access_key().expose_secret(),
        session_token: credentials.session_token().expose_secret(),
        expiration: credentials.expiration().as_str(),
    })
}

/// What the instance metadata service answers to `GET …/iam/security-credentials/ROLE`
/// ([AWS](https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instance-metadata-security-credentials.html)).
/// `last_updated` is when the credentials were obtained, in seconds since 1970.
pub fn instance_metadata(credentials: &Credentials, last_updated: i64) -> Zeroizing<String> {
    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Document<'a> {
        code: &'a str,
        last_updated: String,
        r#type: &'a str,
        access_key_id: &'a str,
        secret_access_key: &'a str,
        token: &'a str,
        expiration: &'a str,
    }
    let last_updated = Timestamp::from_second(last_updated).unwrap_or(Timestamp::UNIX_EPOCH);
    json(&Document {
        code: "Success",
        last_updated: last_updated.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        r#type: "AWS-HMAC",
        access_key_id: credentials.access_key_id(),
        secret_access_key: credentials.secret_access_key().expose_secret(),
        token: credentials.session_token().expose_secret(),
        expiration: credentials.expiration().as_str(),
    })
}

/// What a container's credentials endpoint answers
/// ([AWS](https://docs.aws.amazon.com/sdkref/latest/guide/feature-container-credentials.html)).
pub fn container(credentials: &Credentials, role: &RoleArn) -> Zeroizing<String> {
    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Document<'a> {
        access_key_id: &'a str,
        secret_access_key: &'a str,
        token: &'a str,
        expiration: &'a str,
        role_arn: String,
    }
    json(&Document {
        access_key_id: credentials.access_key_id(),
        secret_access_key: credentials.secret_access_key().expose_secret(),
        token: credentials.session_token().expose_secret(),
        expiration: credentials.expiration().as_str(),
        role_arn: role.to_string(),
    })
}

fn json(document: &impl Serialize) -> Zeroizing<String> {
    // Serializing structs of strings cannot fail.
    Zeroizing::new(serde_json::to_string(document).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rolesanywhere::Expiration;

    fn credentials() -> Credentials {
        let expiration = Expiration::parse("2026-03-01T02:02:03Z").unwrap();
        Credentials::new("ASIA1".into(), "s/\"e".into(), "t=".into(), expiration).unwrap()
    }

    #[test]
    fn each_form_has_the_members_that_sdks_read() {
        assert_eq!(
            *credential_process(&credentials()),
            r#"{"Version":1,"AccessKeyId":"ASIA1","SecretAccessKey":"s/\"e","SessionToken":"t=","Expiration":"2026-03-01T02:02:03Z"}"#
        );
        assert_eq!(
            *instance_metadata(&credentials(), 1_772_326_923),
            r#"{"Code":"Success","LastUpdated":"2026-03-01T01:02:03Z","Type":"AWS-HMAC","AccessKeyId":"ASIA1","SecretAccessKey":"s/\"e","Token":"t=","Expiration":"2026-03-01T02:02:03Z"}"#
        );
        assert_eq!(
            *container(&credentials(), &"arn:aws:iam::123456789012:role/demo".parse().unwrap()),
            r#"{"AccessKeyId":"ASIA1","SecretAccessKey":"s/\"e","Token":"t=","Expiration":"2026-03-01T02:02:03Z","RoleArn":"arn:aws:iam::123456789012:role/demo"}"#
        );
    }
}
