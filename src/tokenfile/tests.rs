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
    assert_eq!(file.with([]), text.as_bytes());
    let signed = file.with([Change::Signature { token: 0, signature: &[0xff, 0xfe] }]);
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
        ("\u{feff}{}".into(), "it begins with a UTF-8 byte-order mark (EF BB BF)"),
        ("[]".into(), "it is a list, not an object with tokens"),
        (
            "{}".into(),
            "it is JSON, but not a CloudHSM token file: it has no \"tokens\", \"token\" or \"Data\"",
        ),
        ("{\"version\":\"2.0\"".into(), "it is not JSON: EOF while parsing an object at line 1, column 16"),
        (r#"{"tokens":[]}"#.into(), "the file has no \"version\""),
        (r#"{"version":2,"tokens":[]}"#.into(), "the file: \"version\" is a number, not a string"),
        (r#"{"version":"3.0","tokens":[]}"#.into(), "its version is \"3.0\"; \"2.0\" is supported"),
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

const QUORUM: &str = include_str!("../../tests/samples/aws-quorum-user-unsigned.json");

#[test]
fn the_quorum_sample_says_what_it_is_about() {
    let file = TokenFile::parse(QUORUM.as_bytes()).unwrap();
    assert_eq!(file.format(), Format::QuorumApproval);
    assert!(!file.wants_role());
    let [Token { payload: Payload::Message { bytes: data, .. }, .. }] = file.tokens() else {
        panic!("one token with its data")
    };
    let records = approval_records(data).unwrap();
    assert_eq!(records.len(), 3);
    for (record, token_id) in records.iter().zip([0x18, 0x15, 0x14]) {
        assert_eq!(record.service_name(), Some("user management"));
        assert_eq!(
            (record.token_id, record.requester.as_str(), record.created),
            (token_id, "admin", 1_676_080_862)
        );
    }
    assert_eq!(approval_records(&data[1..]), None);
    assert_eq!(approval_records(&[0; 80]), None);
}

#[test]
fn approvals_are_appended_in_the_style_of_the_file() {
    let file = TokenFile::parse(QUORUM.as_bytes()).unwrap();
    let approve = |file: &TokenFile, username, role| {
        String::from_utf8(file.with([Change::Approval { username, role, signature: b"signature" }])).unwrap()
    };
    let one = approve(&file, "alice", None);
    let expected = "\"signatures\": [\n    {\n      \"username\": \"alice\",\n      \"signature\": \"c2lnbmF0dXJl\"\n    }\n  ]\n";
    assert!(one.contains(expected), "{one}");
    let file = TokenFile::parse(one.as_bytes()).unwrap();
    let two = approve(&file, "b\"ob", Some("crypto-user"));
    let expected = "    },\n    {\n      \"username\": \"b\\\"ob\",\n      \"role\": \"crypto-user\",\n      \"signature\": \"c2lnbmF0dXJl\"\n    }\n  ]\n";
    assert!(two.contains(expected), "{two}");
    let file = TokenFile::parse(two.as_bytes()).unwrap();
    let names: Vec<_> = file.approvals().iter().map(|approval| approval.username.as_str()).collect();
    assert_eq!(names, ["alice", "b\"ob"]);
    // A second approval by the same user replaces that user's entry.
    assert_eq!(approve(&file, "alice", None), two);
    // A file on one line stays on one line.
    let compact: serde_json::Value = serde_json::from_str(QUORUM).unwrap();
    let file = TokenFile::parse(compact.to_string().as_bytes()).unwrap();
    let one = approve(&file, "alice", None);
    assert!(
        one.ends_with("\"signatures\":[{\"username\":\"alice\",\"signature\":\"c2lnbmF0dXJl\"}]}"),
        "{one}"
    );
    let two = approve(&TokenFile::parse(one.as_bytes()).unwrap(), "bob", None);
    assert!(two.ends_with("},{\"username\":\"bob\",\"signature\":\"c2lnbmF0dXJl\"}]}"), "{two}");
}

#[test]
fn a_digest_that_is_not_of_its_data_is_refused() {
    let other = QUORUM.replace("0l2LZkmA", "1l2LZkmA");
    assert_eq!(error_of(&other), "the file: \"token\" is not the SHA-256 digest of \"approval_data\"");
    let registration =
        with_token(&format!(r#"{{"approval_data":"AAAA","unsigned":"{DIGEST}","signed":""}}"#));
    assert_eq!(
        error_of(&registration),
        "token 1: \"unsigned\" is not the SHA-256 digest of \"approval_data\""
    );
}

#[test]
fn registration_tokens_are_signed_over_their_data() {
    let text = with_token(
        r#"{"approval_data":"YWJj","unsigned":"ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=","signed":""}"#,
    );
    let file = TokenFile::parse(text.as_bytes()).unwrap();
    assert_eq!(file.format(), Format::QuorumRegistration);
    assert_eq!(file.tokens()[0].payload, Payload::message(b"abc"));
}

#[test]
fn the_files_of_the_older_cmu_are_read_and_filled() {
    let text = format!(
        r#"{{"Version":"1.0","PublicKey":"","Data":[{{"HsmId":"hsm-1","Digest":"{DIGEST}","Signature":""}}]}}"#
    );
    let file = TokenFile::parse(text.as_bytes()).unwrap();
    assert_eq!((file.format(), file.public_key_text()), (Format::Authdata, Some("")));
    let filled = file.with([Change::PublicKey("a\nb\n"), Change::Signature { token: 0, signature: b"s" }]);
    let filled = String::from_utf8(filled).unwrap();
    assert!(
        filled.contains(r#""PublicKey":"a\nb\n""#) && filled.contains(r#""Signature":"cw==""#),
        "{filled}"
    );
    assert!(matches!(
        &TokenFile::parse(include_bytes!("../../tests/samples/aws-cmu-authdata-truncated.json"))
            .unwrap()
            .tokens()[0]
            .signed,
        Signed::Unreadable(_)
    ));
}

#[test]
fn a_file_of_two_formats_is_refused() {
    assert_eq!(
        error_of(r#"{"version":"2.0","tokens":[],"token":""}"#),
        "it has members of two different CloudHSM formats"
    );
    assert_eq!(
        error_of(&format!(
            r#"{{"version":"2.0","tokens":[{{"approval_data":"","unsigned":"{DIGEST}","signed":""}},{{"unsigned":"{DIGEST}","signed":""}}]}}"#
        )),
        "1 of its 2 tokens have \"approval_data\"; in a CloudHSM file all have it or none"
    );
}

#[test]
fn copies_of_one_file_are_merged_with_one_entry_a_user() {
    let file = TokenFile::parse(QUORUM.as_bytes()).unwrap();
    let with = |names: &[(&str, &[u8])]| {
        let mut copy = file.clone();
        for (username, signature) in names {
            let bytes = copy.with([Change::Approval { username, role: None, signature }]);
            copy = TokenFile::parse(&bytes).unwrap();
        }
        copy
    };
    let merged =
        merge(&[with(&[("a", b"1")]), with(&[("b", b"2"), ("a", b"1")]), with(&[("c", b"3")])]).unwrap();
    assert_eq!(merged, with(&[("a", b"1"), ("b", b"2"), ("c", b"3")]).text.as_bytes());
    assert_eq!(
        merge(&[file.clone(), with(&[("b", b"2"), ("a", b"1")])]).unwrap(),
        with(&[("b", b"2"), ("a", b"1")]).text.as_bytes()
    );
    assert_eq!(merge(&[with(&[("a", b"1")]), with(&[("a", b"2")])]).unwrap_err().0, 1);
    let mfa = TokenFile::parse(UNSIGNED).unwrap();
    assert_eq!(merge(&[file.clone(), mfa]).unwrap_err(), (1, TokenFileError::NotForMerge));
    let other = QUORUM.replace("AAEAAwAAABgA", "AAEAAwAAABkA");
    let digest = base64::encode(
        &Payload::message(
            base64::decode(
                serde_json::from_str::<serde_json::Value>(&other).unwrap()["approval_data"].as_str().unwrap(),
                "",
                "",
            )
            .unwrap(),
        )
        .digest(),
    );
    let other =
        TokenFile::parse(other.replace("0l2LZkmAHZyAc1hPhyckOoVW33aGrgG77qmDHWQ3CJ8=", &digest).as_bytes())
            .unwrap();
    assert_eq!(merge(&[file, other]).unwrap_err(), (1, TokenFileError::OtherToken));
}

#[test]
fn deep_nesting_in_an_unknown_member_is_kept_and_does_no_harm() {
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let text =
        format!(r#"{{"deep":{deep},"version":"2.0","tokens":[{{"unsigned":"{DIGEST}","signed":""}}]}}"#);
    let file = TokenFile::parse(text.as_bytes()).unwrap();
    assert_eq!(file.with([]), text.as_bytes());
}

const SAMPLES: &[&[u8]] = &[
    UNSIGNED,
    SIGNED,
    QUORUM.as_bytes(),
    include_bytes!("../../tests/samples/aws-cmu-authdata-truncated.json"),
    br#"{"version":"2.0","approval_data":"YWJj","token":"ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=","signatures":[{"username":"a","signature":"AA=="}]}"#,
    br#"{"version":"2.0","tokens":[{"approval_data":"YWJj","unsigned":"ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=","signed":""}]}"#,
];

#[test]
fn ten_thousand_tokens_and_huge_numbers_are_read_in_no_time() {
    let tokens: Vec<String> = (0..10_000)
        .map(|_| format!(r#"{{"unsigned":"{DIGEST}","signed":"","n":{}}}"#, "9".repeat(400)))
        .collect();
    let text =
        format!(r#"{{"version":"2.0","big":{},"tokens":[{}]}}"#, "1".repeat(100_000), tokens.join(","));
    let file = TokenFile::parse(text.as_bytes()).unwrap();
    assert_eq!(file.tokens().len(), 10_000);
    assert_eq!(file.with([]), text.as_bytes());
}

#[test]
fn a_hundred_thousand_approvals_and_members_are_read_and_joined_in_no_time() {
    let start = std::time::Instant::now();
    let entries: Vec<String> =
        (0..100_000).map(|n| format!(r#"{{"username":"u{n}","signature":"AAAA"}}"#)).collect();
    let members: Vec<String> = (0..100_000).map(|n| format!(r#""m{n}":{n}"#)).collect();
    let text = format!(
        r#"{{"version":"2.0",{},"approval_data":"","token":"47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=","signatures":[{}]}}"#,
        members.join(","),
        entries.join(",")
    );
    let file = TokenFile::parse(text.as_bytes()).unwrap();
    assert_eq!(file.approvals().len(), 100_000);
    assert_eq!(merge(&[file.clone(), file]).unwrap(), text.as_bytes());
    // Comparing each with each would take minutes.
    assert!(start.elapsed() < std::time::Duration::from_secs(30), "{:?}", start.elapsed());
    let twice = text.replace("u99999\"", "U0\"");
    assert!(error_of(&twice).contains("U0"));
}

#[test]
fn nul_and_control_characters_are_those_of_json() {
    assert!(error_of("{\"version\":\"2.0\0\"}").starts_with("it is not JSON: control character"));
    assert!(error_of("\0").starts_with("it is not JSON"));
    let text = r#"{"note":"\u0000","version":"2.0","tokens":[{"unsigned":"1jqwxb9bJOUUQLiNb7mxXS1uBJsEXh0B9nj05BqnPsE=","signed":""}]}"#;
    assert_eq!(TokenFile::parse(text.as_bytes()).unwrap().with([]), text.as_bytes());
}

proptest! {
    #[test]
    fn no_bytes_make_the_parser_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = TokenFile::parse(&bytes);
    }

    #[test]
    fn a_damaged_sample_never_panics_and_what_parses_prints_back(
        sample in proptest::sample::select(SAMPLES), position in any::<proptest::sample::Index>(), byte in any::<u8>(),
    ) {
        let mut bytes = sample.to_vec();
        let position = position.index(bytes.len());
        bytes[position] = byte;
        for bytes in [&bytes[..], &bytes[..position]] {
            if let Ok(file) = TokenFile::parse(bytes) {
                prop_assert_eq!(file.with([]), bytes);
                let _ = merge(&[file.clone(), file]);
            }
        }
    }

    #[test]
    fn any_approval_put_in_is_read_back_and_leaves_the_others(
        users in proptest::collection::vec(".{0,20}", 1..5), role in proptest::option::of(".{0,12}"),
        line_end in proptest::sample::select(&["\n", "\r\n", ""][..]), signature in proptest::collection::vec(any::<u8>(), 1..40),
    ) {
        let mut text = QUORUM.replace('\n', line_end);
        let mut expected: Vec<String> = Vec::new();
        for user in &users {
            let file = TokenFile::parse(text.as_bytes()).unwrap();
            let change = Change::Approval { username: user, role: role.as_deref(), signature: &signature };
            text = String::from_utf8(file.with([change])).unwrap();
            if !expected.contains(user) {
                expected.push(user.clone());
            }
            let file = TokenFile::parse(text.as_bytes()).unwrap();
            let names: Vec<&String> = file.approvals().iter().map(|approval| &approval.username).collect();
            prop_assert_eq!(names, expected.iter().collect::<Vec<_>>());
            let approval = file.approvals().iter().find(|approval| approval.username == *user).unwrap();
            prop_assert_eq!(&approval.role, &role);
            prop_assert_eq!(&approval.signed, &Signed::Yes(signature.clone()));
        }
    }

    #[test]
    fn no_approval_data_makes_its_reader_panic(data in proptest::collection::vec(any::<u8>(), 0..250)) {
        let _ = approval_records(&data);
    }

    #[test]
    fn any_signature_put_in_is_read_back(signature in proptest::collection::vec(any::<u8>(), 1..300), index in 0usize..3) {
        let file = TokenFile::parse(UNSIGNED).unwrap();
        let signed = TokenFile::parse(&file.with([Change::Signature { token: index, signature: &signature }])).unwrap();
        for (other, token) in signed.tokens().iter().enumerate() {
            let expected = if other == index { Signed::Yes(signature.clone()) } else { Signed::No };
            prop_assert_eq!(&token.signed, &expected);
            prop_assert_eq!(&token.payload, &file.tokens()[other].payload);
        }
    }
}
