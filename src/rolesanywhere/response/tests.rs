use proptest::prelude::*;
use secrecy::ExposeSecret;

use super::*;
use crate::error::{Exit, Explain};

/// 2026-03-01T01:02:03Z.
const NOW: i64 = 1_772_326_923;
const GOOD: &str = r#"{"credentialSet":[{"assumedRoleUser":{"arn":"arn:aws:sts::123456789012:assumed-role/demo/01",
    "assumedRoleId":"AROA:01"},"credentials":{"accessKeyId":"ASIAQ7ZX","secretAccessKey":"secret/Q7ZX+",
    "sessionToken":"token/Q7ZX=","expiration":"2026-03-01T02:02:03Z"},"packedPolicySize":10,
    "roleArn":"arn:aws:iam::123456789012:role/demo","sourceIdentity":"CN=x"}],
    "subjectArn":"arn:aws:rolesanywhere:us-east-1:123456789012:subject/00"}"#;

fn answer(status: u16, body: &str) -> Answer<'_> {
    Answer { status, body: body.as_bytes(), ..Answer::default() }
}

fn refusal(answer: &Answer<'_>) -> Refusal {
    match read(answer, NOW).unwrap_err() {
        ResponseError::Refused(refusal) => refusal,
        other => panic!("{other}"),
    }
}

#[test]
fn credentials_are_read() {
    let credentials = read(&answer(201, GOOD), NOW).unwrap();
    assert_eq!(credentials.access_key_id(), "ASIAQ7ZX");
    assert_eq!(credentials.secret_access_key().expose_secret(), "secret/Q7ZX+");
    assert_eq!(credentials.session_token().expose_secret(), "token/Q7ZX=");
    assert_eq!(credentials.expiration().as_str(), "2026-03-01T02:02:03Z");
    assert_eq!(credentials.expiration().unix_seconds(), NOW + 3600);
    assert_eq!(
        credentials.assumed_role_arn.as_deref(),
        Some("arn:aws:sts::123456789012:assumed-role/demo/01")
    );
    assert_eq!(
        credentials.subject_arn.as_deref(),
        Some("arn:aws:rolesanywhere:us-east-1:123456789012:subject/00")
    );
}

#[test]
fn debug_shows_nothing_secret() {
    let shown = format!("{:#?}", read(&answer(201, GOOD), NOW).unwrap());
    assert!(shown.contains("ASIAQ7ZX") && !shown.contains("secret/") && !shown.contains("token/"), "{shown}");
}

#[test]
fn incomplete_credentials_are_refused_and_the_member_named() {
    let members =
        ["accessKeyId", "secretAccessKey", "sessionToken", "expiration", "credentials", "credentialSet"];
    for member in members {
        let renamed = GOOD.replace(&format!("\"{member}\""), "\"other\"");
        let error = read(&answer(201, &renamed), NOW).unwrap_err();
        assert_eq!(error, ResponseError::Incomplete { member });
        assert_eq!(error.exit(), Exit::Aws);
    }
    for (from, to, member) in [
        ("ASIAQ7ZX", "", "accessKeyId"),
        ("secret/Q7ZX+", "a\\nb", "secretAccessKey"),
        ("token/Q7ZX=", "a b", "sessionToken"),
        ("2026-03-01T02:02:03Z", "soon", "expiration"),
    ] {
        let error = read(&answer(201, &GOOD.replace(from, to)), NOW).unwrap_err();
        assert_eq!(error, ResponseError::Incomplete { member });
    }
    let empty = r#"{"credentialSet":[],"subjectArn":null}"#;
    assert_eq!(
        read(&answer(201, empty), NOW).unwrap_err(),
        ResponseError::Incomplete { member: "credentialSet" }
    );
}

#[test]
fn expired_credentials_are_refused_and_the_clock_is_named() {
    let mut late = answer(201, GOOD);
    late.date = Some("Sun, 01 Mar 2026 01:02:03 GMT");
    let error = read(&late, NOW + 3600).unwrap_err();
    assert_eq!(error.to_string(), "the credentials expired at 2026-03-01T02:02:03Z, before they arrived");
    assert!(error.hint().unwrap().contains("it is 60 minutes ahead of AWS's"));
}

#[test]
fn what_is_not_json_is_shown_only_if_it_cannot_be_credentials() {
    let page = "<!DOCTYPE html>\r\n<title>Sign\u{1b} in</title>";
    let error = read(&answer(201, page), NOW).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the response holds no credentials despite its success status: <!DOCTYPE html> <title>Sign in</title>"
    );
    for body in [&GOOD[..GOOD.len() - 9], "[]", "\"token/Q7ZX=\"", ""] {
        let error = read(&answer(201, body), NOW).unwrap_err();
        let said = format!("{error} {error:?} {:?}", error.hint());
        assert!(!said.contains("Q7ZX"), "{said}");
    }
}

#[test]
fn the_code_is_in_the_header_or_in_the_body() {
    let header = |value| refusal(&Answer { error_type: Some(value), ..answer(403, "{}") }).code;
    for value in [
        "AccessDeniedException",
        "AccessDeniedException:http://internal.amazon.com/x#y",
        "com.amazon.coral#AccessDeniedException",
        "com.amazon.coral#AccessDeniedException:http://internal.amazon.com/",
    ] {
        assert_eq!(header(value).as_deref(), Some("AccessDeniedException"), "{value}");
    }
    assert_eq!(header("Evil\u{1b}[2J"), None);
    let body = |body| refusal(&answer(400, body)).code;
    assert_eq!(
        body(r#"{"__type":"com.amazon#ThrottlingException"}"#).as_deref(),
        Some("ThrottlingException")
    );
    assert_eq!(body(r#"{"code":"ValidationException:"}"#).as_deref(), Some("ValidationException"));
    assert_eq!(body("<html>"), None);
}

#[test]
fn a_refusal_says_what_aws_said() {
    let denied = Answer {
        error_type: Some("AccessDeniedException:http://internal.amazon.com/coral/"),
        request_id: Some("8a1d-77"),
        ..answer(403, r#"{"message":"Untrusted certificate.\nInsufficient certificate"}"#)
    };
    let refusal = refusal(&denied);
    assert_eq!(
        refusal.to_string(),
        "AWS refused: AccessDeniedException: Untrusted certificate. Insufficient certificate"
    );
    assert_eq!(refusal.detail(), ["HTTP status 403", "AWS's request ID: 8a1d-77"]);
    assert!(refusal.hint().unwrap().contains("issued by the trust anchor's authority"));
    assert!(!refusal.may_be_retried());
}

#[test]
fn a_proxys_page_is_one_short_line() {
    let page = format!("<html>\n\n\t<body>{}</body>", "blocked ".repeat(1000));
    let refusal = refusal(&answer(502, &page));
    let shown = refusal.to_string();
    assert!(
        shown.starts_with("the endpoint answered with HTTP status 502: <html> <body>blocked blocked"),
        "{shown}"
    );
    assert!(shown.len() < 300 && shown.ends_with('…'), "{shown}");
    assert!(refusal.may_be_retried());
}

#[test]
fn well_known_refusals_have_their_advice() {
    let denied = "AccessDeniedException";
    for (status, code, message, advice) in [
        (403, denied, "Untrusted signing certificate", "issued by the trust anchor's authority"),
        (403, denied, "Untrusted certificate. Expired certificate", "have the certificate renewed"),
        (403, denied, "Unable to assume role for arn:aws:iam::1:role/x", "the role's trust policy"),
        (
            403,
            denied,
            "Unable to assume role for x The requested DurationSeconds exceeds the MaxSessionDuration set for this role.",
            "ask for a shorter session",
        ),
        (403, denied, "Invalid signature", "the key must be the certificate's"),
        (403, denied, "Signature expired", "set this computer's clock"),
        (403, denied, "Profile is disabled", "have the trust anchor and the profile enabled"),
        (404, "ResourceNotFoundException", "Trust anchor not found", "compare the ARNs"),
        (429, "TooManyRequestsException", "", "about ten sessions a second"),
        (400, "ThrottlingException", "Rate exceeded", "about ten sessions a second"),
        (503, "ServiceUnavailableException", "", "a fault of the service"),
    ] {
        let body = serde_json::json!({ "message": message }).to_string();
        let refusal = refusal(&Answer { error_type: Some(code), ..answer(status, &body) });
        assert!(refusal.hint().unwrap().contains(advice), "{message}: {:?}", refusal.hint());
    }
    assert!(refusal(&answer(407, "")).hint().unwrap().contains("the proxy requires"));
    assert!(refusal(&answer(302, "")).hint().unwrap().contains("in AWS's place"));
}

#[test]
fn a_wrong_clock_is_named_first() {
    for (date, hint) in [
        ("Sun, 01 Mar 2026 00:52:03 GMT", Some("it is 10 minutes ahead of AWS's")),
        ("Sun, 01 Mar 2026 04:02:03 GMT", Some("it is 3 hours behind AWS's")),
        ("Sun, 01 Mar 2020 01:02:03 GMT", Some("it is 2191 days ahead of AWS's")),
        ("Sun, 01 Mar 2026 01:00:03 GMT", None),
        ("yesterday", None),
    ] {
        let denied = Answer {
            error_type: Some("AccessDeniedException"),
            date: Some(date),
            ..answer(403, r#"{"message":"Invalid signature"}"#)
        };
        let found = refusal(&denied).hint().unwrap();
        match hint {
            Some(hint) => assert!(found.contains(hint), "{found}"),
            None => assert!(found.starts_with("the key must be"), "{found}"),
        }
    }
}

#[test]
fn only_temporary_faults_may_be_retried() {
    let retried = |status, code: Option<&str>| {
        refusal(&Answer { error_type: code, ..answer(status, "") }).may_be_retried()
    };
    for status in [429, 500, 502, 503, 504] {
        assert!(retried(status, None), "{status}");
    }
    for code in ["ThrottlingException", "Throttling", "TooManyRequestsException", "RequestLimitExceeded"] {
        assert!(retried(400, Some(code)), "{code}");
    }
    for status in [301, 302, 400, 401, 403, 404, 407, 413] {
        assert!(!retried(status, Some("AccessDeniedException")), "{status}");
    }
}

proptest! {
    #[test]
    fn nothing_panics_and_all_is_one_line(
        status in any::<u16>(),
        headers in prop::array::uniform3(prop::option::of("\\PC{0,30}|[\\x00-\\x7f]{0,30}")),
        body in prop::collection::vec(any::<u8>(), 0..200),
        now in any::<i64>(),
    ) {
        let [error_type, request_id, date] = &headers;
        let answer = Answer {
            status,
            error_type: error_type.as_deref(),
            request_id: request_id.as_deref(),
            date: date.as_deref(),
            body: &body,
        };
        if let Err(error) = read(&answer, now) {
            let lines = [vec![error.to_string()], error.detail(), vec![error.hint().unwrap()]].concat();
            prop_assert!(lines.iter().all(|line| !line.chars().any(char::is_control)), "{lines:?}");
        }
    }

    #[test]
    fn damaged_credentials_never_show(at in 0..GOOD.len(), byte in any::<u8>(), now in any::<i64>()) {
        let mut body = GOOD.as_bytes().to_vec();
        body[at] = byte;
        let shown = match read(&Answer { status: 201, body: &body, ..Answer::default() }, now) {
            Ok(credentials) => format!("{credentials:?}"),
            Err(error) => format!("{error} {error:?} {:?}", error.hint()),
        };
        prop_assert!(!shown.contains("secret/Q7ZX+") && !shown.contains("token/Q7ZX="));
    }
}
