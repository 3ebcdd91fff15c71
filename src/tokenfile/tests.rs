use proptest::prelude::*;

use super::*;

const SIGNED: &[u8] = include_bytes!("../../tests/samples/aws-mfa-signed.json");
const UNSIGNED: &[u8] = include_bytes!("../../tests/samples/aws-mfa-unsigned.json");

fn error_of(text: &str) -> String {
    TokenFile::parse(text.as_bytes()).expect_err("must be refused").to_string()
}

fn with_token(token: &str) -> String {
    format!(r#"{{"version":"2.0","tokens":[{token}]}}"#)
}

const DIGEST: &str = "1jqwxb9bJOUUQLiNb7mxXS1uBJsEXh0B9nj05BqnPsE=";

#[test]
fn the_published_samples_are_read() {
    let file = TokenFile::parse(UNSIGNED).unwrap();
    assert_eq!(file.tokens().len(), 3);
    assert!(file.tokens().iter().all(|token| token.signed == Signed::No));
    let file = TokenFile::parse(SIGNED).unwrap();
    assert!(
        file.tokens()
            .iter()
            .all(|token| matches!(&token.signed, Signed::Yes(signature) if signature.len() == 256))
    );
}

#[test]
fn only_the_signatures_change_and_everything_else_stays() {
    let text = "{ \"note\" : [1, {\"a\":1e400}],\r\n\t\"version\":\"2.0\",\"tokens\":[ {\"hsm\":\"\\u00e9/é\",\
                \"signed\":\"\",\"unsigned\":\"1jqwxb9bJOUUQLiNb7mxXS1uBJsEXh0B9nj05BqnPsE=\",\"signed_by\":null} ] }\r\n\r\n";
    let file = TokenFile::parse(text.as_bytes()).unwrap();
    assert_eq!(file.with_signatures([]), text.as_bytes());
    let signed = file.with_signatures([(0, &[0xff, 0xfe][..])]);
    assert_eq!(String::from_utf8(signed).unwrap(), text.replace("\"signed\":\"\"", "\"signed\":\"//4=\""));
}

#[test]
fn escaped_names_and_slashes_are_the_same_json() {
    let text =
        with_token(r#"{"un\u0073igned":"Vtf\/9QOFY45v\/E1osvpEMr59JsnP\/hLDm4ItOO2vqL8=","signed":""}"#);
    let file = TokenFile::parse(text.as_bytes()).unwrap();
    let sample = TokenFile::parse(UNSIGNED).unwrap();
    assert_eq!(file.tokens()[0].payload, sample.tokens()[0].payload);
}

#[test]
fn a_stray_brace_is_named_with_its_place() {
    let sample = include_bytes!("../../tests/samples/aws-mfa-unsigned-invalid.json");
    let error = TokenFile::parse(sample).unwrap_err();
    assert_eq!(error.to_string(), "it is not JSON: key must be a string at line 5, column 5");
    assert!(crate::error::Explain::hint(&error).unwrap().contains("AWS's set-up page"));
}

#[test]
fn each_malformed_file_is_refused_with_its_reason() {
    let cases = [
        (String::new(), "it is empty"),
        (" \n".into(), "it is empty"),
        ("\u{feff}{}".into(), "it begins with a byte-order mark"),
        ("[]".into(), "it is a list, not an object with tokens"),
        ("{}".into(), "it is JSON, but no CloudHSM token file: it has no \"tokens\""),
        ("{\"version\":\"2.0\"".into(), "it is not JSON: EOF while parsing an object at line 1, column 16"),
        (r#"{"tokens":[]}"#.into(), "the file has no \"version\""),
        (r#"{"version":2,"tokens":[]}"#.into(), "the file: \"version\" is a number, not a string"),
        (r#"{"version":"3.0","tokens":[]}"#.into(), "its version is \"3.0\"; \"2.0\" is known"),
        (r#"{"version":"2.0","tokens":{}}"#.into(), "the file: \"tokens\" is an object, not a list"),
        (r#"{"version":"2.0","tokens":[]}"#.into(), "its list of tokens is empty"),
        (with_token("null"), "token 1 is null, not an object"),
        (with_token("{}"), "token 1 has no \"unsigned\""),
        (with_token(r#"{"unsigned":null}"#), "token 1: \"unsigned\" is null, not a string"),
        (
            with_token(&format!(r#"{{"unsigned":"{DIGEST}","signed":"","signed":""}}"#)),
            "token 1 has the member \"signed\" twice",
        ),
        (
            with_token(&format!(r#"{{"unsigned":"{DIGEST}","signed":"","sign\u0065d":""}}"#)),
            "token 1 has the member \"signed\" twice",
        ),
        (
            r#"{"version":"2.0","version":"2.0","tokens":[]}"#.into(),
            "the file has the member \"version\" twice",
        ),
        (with_token(&format!(r#"{{"unsigned":"{DIGEST}"}}"#)), "token 1 has no \"signed\""),
        (
            with_token(&format!(r#"{{"unsigned":"{}","signed":""}}"#, DIGEST.trim_end_matches('='))),
            "token 1: \"unsigned\" is not base64: its padding (=) is wrong or missing",
        ),
        (
            with_token(r#"{"unsigned":"-_-_","signed":""}"#),
            "token 1: \"unsigned\" is not base64: it uses the URL alphabet (- and _)",
        ),
        (
            with_token(&format!(r#"{{"unsigned":" {DIGEST}","signed":""}}"#)),
            "token 1: \"unsigned\" is not base64: it contains white space",
        ),
        (
            with_token(r#"{"unsigned":"AAAA","signed":""}"#),
            "token 1: \"unsigned\" has 3 bytes, a SHA-256 digest has 32",
        ),
        (
            with_token(r#"{"unsigned":"","signed":""}"#),
            "token 1: \"unsigned\" has 0 bytes, a SHA-256 digest has 32",
        ),
    ];
    for (text, expected) in cases {
        assert_eq!(error_of(&text), expected, "{text}");
    }
}

#[test]
fn other_formats_of_cloudhsm_are_named() {
    let quorum = include_str!("../../tests/samples/aws-quorum-user-unsigned.json");
    assert_eq!(error_of(quorum), "it is a quorum approval file, which this version cannot sign");
}

#[test]
fn deep_nesting_in_an_unknown_member_is_kept_and_does_no_harm() {
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let text =
        format!(r#"{{"deep":{deep},"version":"2.0","tokens":[{{"unsigned":"{DIGEST}","signed":""}}]}}"#);
    let file = TokenFile::parse(text.as_bytes()).unwrap();
    assert_eq!(file.with_signatures([]), text.as_bytes());
}

proptest! {
    #[test]
    fn no_bytes_make_the_parser_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = TokenFile::parse(&bytes);
    }

    #[test]
    fn a_damaged_sample_never_panics_and_what_parses_prints_back(
        position in 0..UNSIGNED.len(), byte in any::<u8>(), cut in 0..UNSIGNED.len(),
    ) {
        let mut bytes = UNSIGNED.to_vec();
        bytes[position] = byte;
        for bytes in [&bytes[..], &bytes[..cut]] {
            if let Ok(file) = TokenFile::parse(bytes) {
                prop_assert_eq!(file.with_signatures([]), bytes);
            }
        }
    }

    #[test]
    fn any_signature_put_in_is_read_back(signature in proptest::collection::vec(any::<u8>(), 1..300), index in 0usize..3) {
        let file = TokenFile::parse(UNSIGNED).unwrap();
        let signed = TokenFile::parse(&file.with_signatures([(index, &signature[..])])).unwrap();
        for (other, token) in signed.tokens().iter().enumerate() {
            let expected = if other == index { Signed::Yes(signature.clone()) } else { Signed::No };
            prop_assert_eq!(&token.signed, &expected);
            prop_assert_eq!(&token.payload, &file.tokens()[other].payload);
        }
    }
}
